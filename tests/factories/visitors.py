"""Many visitors with printed tickets, each good for one entry."""

from shared.credentials.layout import Core, TicketFlag
from shared.ids import TicketId
from tests.factories.credentials import EventKeys, a_core
from tests.factories.snapshots import SnapshotTicket

_SPREAD = 0x9E3779B97F4A7C15
"""Multiplying by this odd number spreads ids over 64 bits, each once."""


def visitor_core(number: int) -> Core:
    """Make the core of one visitor's ticket."""
    ticket_id = TicketId((number + 1) * _SPREAD % 2**64)
    return a_core(ticket_id=ticket_id, flags=TicketFlag.STATIC_ALLOWED)


def visitor_tickets(count: int) -> tuple[SnapshotTicket, ...]:
    """Make the rows of a snapshot that knows the first visitors."""
    return tuple(SnapshotTicket(core=visitor_core(number), holder=None) for number in range(count))


def visitor_codes(count: int) -> list[str]:
    """Print the tickets of the first visitors."""
    event = EventKeys()
    return [event.static_code(visitor_core(number)) for number in range(count)]
