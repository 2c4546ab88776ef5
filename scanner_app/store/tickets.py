"""Tickets by id: what changed since the snapshot, else the snapshot itself. Reads only."""

from typing import Final

from scanner_app.gate.ports import SnapshotUnreadableError, TicketRow
from scanner_app.store.database import Database
from scanner_app.store.snapshot import TICKET_COLUMNS, SnapshotFile, ticket_from_row
from shared.ids import TicketId, to_signed_64

_FIND_CHANGED: Final = (
    f"SELECT {TICKET_COLUMNS} FROM tickets"  # noqa: S608 - constants
    " WHERE ticket_id = ? AND (xid, change_id) > (?, ?)"
)


class StoredTickets:
    """Implements TicketDirectory over the snapshot in use and the changes after it."""

    def __init__(self, replica: Database) -> None:
        self._replica = replica
        self.snapshot: SnapshotFile | None = None

    def find(self, ticket_id: TicketId) -> TicketRow | None:
        """Give the ticket as it now stands; a change older than the snapshot says nothing new."""
        if self.snapshot is None:
            message = "there is no snapshot on this kiosk: connect it, so that it can fetch one"
            raise SnapshotUnreadableError(message)
        values = (to_signed_64(ticket_id), *self.snapshot.cursor)
        changed = self._replica.one(_FIND_CHANGED, values)
        if changed is not None:
            return ticket_from_row(ticket_id, changed)
        return self.snapshot.find(ticket_id)
