"""Support's view of a code: what it is, and what a gate with open rules and a sure clock says.

Reads one event document, touches no store, and journals nothing.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, TypeVar
from uuid import UUID

from scanner_app.gate.gate_time import TimeReading
from scanner_app.gate.gather import GateConditions, gather
from scanner_app.gate.ports import EventKnowledge, GatePost, TicketRow
from shared.admission.decide import decide
from shared.admission.facts import Passage, TicketStatus
from shared.admission.policy import RuleBook
from shared.admission.verdict import reason_codes
from shared.credentials.keys import EventKeySet, HolderKey, check_holder_key
from shared.credentials.layout import Core, HolderAlgorithm
from shared.credentials.opening import EventKeyring
from shared.errors import ZeraketError
from shared.ids import (
    DeviceId,
    EventId,
    GateId,
    TicketId,
    ticket_id_from_hex,
    ticket_id_to_hex,
)
from shared.journal.entry import Cursor

_NOBODY: Final = UUID(int=0)
_ALGORITHMS: Final = {"p256": HolderAlgorithm.P256, "ed25519": HolderAlgorithm.ED25519}
_Value = TypeVar("_Value")


class EventDocumentError(ZeraketError):
    """The event document lacks something or has it wrong; the message names the place."""

    code = "event_document_invalid"


@dataclass(frozen=True, slots=True)
class Inspection:
    """What a code is and what a gate would say."""

    form: str | None
    ticket_id: str | None
    gen: int | None
    counter: int | None
    verdict: str
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EventUnderInspection:
    """An event document, read."""

    knowledge: EventKnowledge
    tickets: Mapping[TicketId, TicketRow]

    def find(self, ticket_id: TicketId) -> TicketRow | None:
        """Look a ticket up."""
        return self.tickets.get(ticket_id)


class _NoHistory:
    def passages(self, ticket_id: TicketId) -> tuple[Passage, ...]:  # noqa: ARG002 - nobody passed
        return ()

    def inside_count(self) -> int:
        return 0


def inspect_code(text: str, event: EventUnderInspection, at_ms: int) -> Inspection:
    """Judge a text as a gate would at that time, Unix milliseconds."""
    gathered = gather(
        text,
        event.knowledge,
        GatePost(DeviceId(_NOBODY), GateId(_NOBODY), _NOBODY),
        (event, _NoHistory()),
        GateConditions(TimeReading(at_ms, uncertainty_ms=0)),
    )
    verdict = decide(gathered.facts)
    opened = gathered.opened
    return Inspection(
        form=None if opened is None else opened.form.letter,
        ticket_id=None if opened is None else ticket_id_to_hex(opened.ticket_id),
        gen=None if opened is None else opened.generation,
        counter=gathered.facts.credential.counter,
        verdict=verdict.code,
        reasons=reason_codes(verdict),
    )


def read_event_document(document: object) -> EventUnderInspection:
    """Turn the JSON of an event document into what a gate knows; raise EventDocumentError."""
    event_id = _read(document, "event_uuid", lambda value: EventId(UUID(value)))
    key_sets = [
        EventKeySet(
            event_id,
            _read(item, "kid", _byte),
            _read(item, "k_event", bytes.fromhex),
        )
        for item in _items(document, "key_sets")
    ]
    issuer_keys = {
        _read(item, "ikid", _byte): _read(item, "public_key", bytes.fromhex)
        for item in _items(document, "issuer_keys")
    }
    rows = [_ticket_row(item) for item in _items(document, "tickets")]
    knowledge = EventKnowledge(
        event_id=event_id,
        event_name="",
        base_time_ms=_read(document, "base_time", parse_time_ms),
        timezone="UTC",
        keyring=EventKeyring(key_sets, issuer_keys),
        rule_book=RuleBook(),
        gates={},
        tiers={},
        snapshot_version=0,
        frozen_at_ms=0,
        cursor=Cursor(0, 0),
    )
    return EventUnderInspection(knowledge, {row.ticket_id: row for row in rows})


def parse_time_ms(value: object) -> int:
    """Read ISO 8601 (UTC where no offset is given) or a number of Unix seconds, as milliseconds."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        message = "a time is ISO 8601 text or a whole number of Unix seconds"
        raise TypeError(message)
    if isinstance(value, int):
        return value * 1_000
    if value.isdecimal():
        return int(value) * 1_000
    moment = datetime.fromisoformat(value)
    zoned = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    since_epoch = zoned - datetime.fromtimestamp(0, UTC)
    return (
        since_epoch.days * 86_400_000
        + since_epoch.seconds * 1_000
        + (since_epoch.microseconds // 1_000)
    )


def _ticket_row(item: object) -> TicketRow:
    return TicketRow(
        ticket_id=_read(item, "ticket_id", _ticket_id),
        generation=_read(item, "gen", _byte),
        status=_read(item, "status", TicketStatus),
        core=_read(item, "core", lambda value: Core.from_bytes(bytes.fromhex(value))),
        holder=_holder(item),
    )


def _holder(item: object) -> HolderKey | None:
    if not isinstance(item, Mapping) or item.get("holder_pk") is None:
        return None
    algorithm = _read(item, "holder_alg", lambda value: _ALGORITHMS[value])
    holder = HolderKey(algorithm, _read(item, "holder_pk", bytes.fromhex))
    check_holder_key(holder)
    return holder


def _ticket_id(value: object) -> TicketId:
    return TicketId(value) if isinstance(value, int) else ticket_id_from_hex(str(value))


def _byte(value: object) -> int:
    if not isinstance(value, int) or not 0 <= value <= 255:  # noqa: PLR2004 - a byte
        message = "a whole number from 0 to 255"
        raise ValueError(message)
    return value


def _items(document: object, name: str) -> list[object]:
    value = document.get(name, []) if isinstance(document, Mapping) else None
    if not isinstance(value, list):
        message = f"{name} must be a list"
        raise EventDocumentError(message)
    return value


def _read(item: object, name: str, read: Callable[[Any], _Value]) -> _Value:
    if not isinstance(item, Mapping) or name not in item:
        message = f"{name} is missing"
        raise EventDocumentError(message)
    try:
        return read(item[name])
    except (ValueError, TypeError, KeyError, ZeraketError) as error:
        message = f"{name} is not what it should be: {error}"
        raise EventDocumentError(message) from error
