"""What a listener may ask for, in words: channels and a place to go on from; pure.

Whether they may is asked of the database.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from uuid import UUID

from shared.ids import ticket_id_from_hex, to_signed_64
from shared.journal.entry import Cursor
from sync_server.kit.claims import Claims

CHANNELS_MAX: Final = 20
MY_OWN: Final = "me"
"""The caller's own channel: whoever listens need not know their id."""
_UUID: Final = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_PLACE: Final = re.compile(r"(\d{1,19}),(\d{1,19})", re.ASCII)
_NUMBER_MAX: Final = (1 << 63) - 1


class ChannelKind(StrEnum):
    """The database's question about a channel of each kind is in `repository`."""

    SALES = "sales"
    GATES = "gates"
    GATE = "gate"
    TICKET = "ticket"
    ALERTS = "alerts"
    PERSON = "person"
    ALARMS = "alarms"


@dataclass(frozen=True, slots=True)
class WantedChannel:
    """A channel's name, read. `owner` is an event or an organizer; `ticket` is folded into signed
    64 bits, as tables hold it.
    """

    name: str
    kind: ChannelKind
    owner: UUID | None = None
    gate: UUID | None = None
    ticket: int | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """Who wants to hear what."""

    claims: Claims
    wanted: tuple[WantedChannel, ...]


_FORMS: Final = (
    (ChannelKind.SALES, re.compile(f"event:(?P<owner>{_UUID}):sales")),
    (ChannelKind.GATES, re.compile(f"event:(?P<owner>{_UUID}):gates")),
    (ChannelKind.GATE, re.compile(f"event:(?P<owner>{_UUID}):gate:(?P<gate>{_UUID})")),
    (ChannelKind.TICKET, re.compile(f"event:(?P<owner>{_UUID}):ticket:(?P<ticket>[0-9a-f]{{16}})")),
    (ChannelKind.ALERTS, re.compile(f"organizer:(?P<owner>{_UUID}):alerts")),
    (ChannelKind.PERSON, re.compile(MY_OWN)),
    (ChannelKind.ALARMS, re.compile("admins:alarms")),
)


def read_channel(name: str) -> WantedChannel | None:
    """Read a channel's name as `kit.channels` writes it, or `me`; None where it is none of them."""
    for kind, form in _FORMS:
        if found := form.fullmatch(name):
            parts = found.groupdict()
            ticket = parts.get("ticket")
            return WantedChannel(
                name,
                kind,
                _uuid(parts.get("owner")),
                _uuid(parts.get("gate")),
                None if ticket is None else to_signed_64(ticket_id_from_hex(ticket)),
            )
    return None


def _uuid(text: str | None) -> UUID | None:
    return None if text is None else UUID(text)


def read_place(text: str) -> Cursor | None:
    """Read a place in the stream, `xid,id`, as the events' ids give it; None where it is none."""
    found = _PLACE.fullmatch(text)
    if found is None:
        return None
    place = Cursor(int(found[1]), int(found[2]))
    return place if max(place) <= _NUMBER_MAX else None


def write_place(place: Cursor) -> str:
    return f"{place.xid},{place.id}"
