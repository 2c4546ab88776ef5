"""Changes from the server, applied page by page, each page and its cursor in one transaction."""

from typing import Final

from scanner_app.store.database import Database
from scanner_app.store.replica import read_cursor
from shared.ids import to_signed_64
from shared.journal.entry import Cursor
from shared.wire.changes import ChangesPage, PassageHeard, RulesChanged, TicketChanged

_SAVE_TICKET: Final = "INSERT OR REPLACE INTO tickets VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_SAVE_PASSAGE: Final = (
    "INSERT INTO passages (scan_id, ticket_id, device_id, gate_id, direction, at_ms)"
    " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (scan_id) DO NOTHING"
)


class StoredChanges:
    """Implements ChangeSink; rows carry their page's cursor, as a newer snapshot outweighs them."""

    def __init__(self, replica: Database) -> None:
        self._replica = replica

    def cursor(self) -> Cursor:
        return read_cursor(self._replica)

    def apply(self, page: ChangesPage) -> None:
        """Apply a page whole; one that is not ahead of the cursor was applied before."""
        cursor = Cursor(*page.cursor)
        with self._replica.transaction():
            if cursor <= read_cursor(self._replica):
                return
            for change in page.changes:
                match change:
                    case TicketChanged():
                        self._replica.run(_SAVE_TICKET, _ticket_values(change, cursor))
                    case PassageHeard():
                        self._replica.run(_SAVE_PASSAGE, _passage_values(change))
                    case RulesChanged():
                        document = change.rules.model_dump_json(exclude_unset=True)
                        self._replica.run(
                            "INSERT OR REPLACE INTO rules VALUES (1, ?, ?, ?)", (document, *cursor)
                        )
            move_cursor(self._replica, cursor)


def move_cursor(replica: Database, cursor: Cursor) -> None:
    """Note the place up to which everything is known."""
    replica.run("INSERT OR REPLACE INTO cursor VALUES (1, ?, ?)", cursor)


def _ticket_values(change: TicketChanged, cursor: Cursor) -> tuple[object, ...]:
    return (
        to_signed_64(change.ticket_id),
        change.generation,
        change.status.value,
        change.holder_algorithm,
        change.holder_key,
        change.core,
        change.medium,
        change.attention,
        change.holder_name,
        change.seat,
        *cursor,
    )


def _passage_values(change: PassageHeard) -> tuple[object, ...]:
    return (
        change.scan_id.bytes,
        to_signed_64(change.ticket_id),
        change.device_id.bytes,
        change.gate_id.bytes,
        change.direction.value,
        change.at_ms,
    )
