"""Channels' names and places, as they are written and read."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.ids import TicketId, ticket_id_to_hex, to_signed_64
from shared.journal.entry import Cursor
from sync_server.kit import channels
from sync_server.realtime.rules import (
    ChannelKind,
    WantedChannel,
    read_channel,
    read_place,
    write_place,
)

ID = UUID("01890000-0000-7000-8000-00000000000a")
UUIDS = st.uuids()
PLACES = st.builds(Cursor, st.integers(0, 2**63 - 1), st.integers(0, 2**63 - 1))


@given(event=UUIDS, gate=UUIDS, ticket=st.integers(0, 2**64 - 1).map(TicketId))
def test_every_channel_that_is_written_is_read(event: UUID, gate: UUID, ticket: TicketId) -> None:
    hexadecimal = ticket_id_to_hex(ticket)
    names = {
        channels.event_sales(event): (ChannelKind.SALES, event, None, None),
        channels.event_gates(event): (ChannelKind.GATES, event, None, None),
        channels.event_gate(event, gate): (ChannelKind.GATE, event, gate, None),
        channels.event_ticket(event, hexadecimal): (
            ChannelKind.TICKET,
            event,
            None,
            to_signed_64(ticket),
        ),
        channels.organizer_alerts(event): (ChannelKind.ALERTS, event, None, None),
        channels.ADMINS_ALARMS: (ChannelKind.ALARMS, None, None, None),
        "me": (ChannelKind.PERSON, None, None, None),
    }
    read = {name: read_channel(name) for name in names}
    assert read == {name: WantedChannel(name, *parts) for name, parts in names.items()}


@pytest.mark.parametrize(
    "name",
    [
        "",
        "me ",
        "ME",
        "me\n",
        f"event:{ID}",
        f"event:{ID}:gate:",
        f"event:{ID}:sales:more",
        f"event:{str(ID).upper()}:sales",
        f"event:{ID.hex}:sales",
        f"event:{ID}:ticket:{'A' * 16}",
        f"event:{ID}:ticket:{'0' * 15}",
        "event:*:sales",
        channels.person(ID),
        channels.right_of_person(ID),
        channels.right_of_session(ID),
        channels.right_of_program(ID),
        channels.right_of_wallet(ID, "0" * 16),
    ],
)
def test_nothing_else_is_a_channel_that_can_be_joined(name: str) -> None:
    assert read_channel(name) is None


@given(st.text())
def test_no_text_breaks_the_reader(text: str) -> None:
    assert read_channel(text) in {None, WantedChannel("me", ChannelKind.PERSON)}
    place = read_place(text)
    assert place is None or max(place) < 2**63


@given(PLACES)
def test_a_place_is_read_as_it_was_written(place: Cursor) -> None:
    assert read_place(write_place(place)) == place


@pytest.mark.parametrize(
    "text", ["", "1", "1,", ",1", "1,2,3", " 1,2", "1,2\n", "-1,2", "\u0661,\u0662"]
)
def test_nothing_else_is_a_place(text: str) -> None:
    assert read_place(text) is None


def test_a_number_too_large_for_the_database_is_no_place() -> None:
    assert read_place(f"{2**63 - 1},0") is not None
    assert read_place(f"{2**63},0") is None
