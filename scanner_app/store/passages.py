"""Who was let through: the gate's own journal, merged with what it heard of others. Reads only."""

from collections.abc import Iterable
from itertools import chain
from typing import Final

from scanner_app.store.database import Database, Row
from scanner_app.store.snapshot import PASSAGES_OF_TICKET, SnapshotFile, passage_from_row
from shared.admission.facts import Direction, Passage
from shared.admission.reconcile import merge_passages
from shared.ids import DeploymentId, TicketId, from_signed_64, to_signed_64

_ALL: Final = "SELECT ticket_id, scan_id, direction, at_ms FROM passages"


class StoredPassages:
    """Implements PassageRecord; counts people as passages come in, never all of them at a scan."""

    def __init__(self, journal: Database, replica: Database) -> None:
        self._journal = journal
        self._replica = replica
        self._snapshot: SnapshotFile | None = None
        self._deployment_id: DeploymentId | None = None
        self._inside: set[TicketId] | None = None
        self._heard_until = 0

    def look_at(self, snapshot: SnapshotFile | None, deployment_id: DeploymentId | None) -> None:
        """Change what is merged in; people are counted anew when somebody asks for their number."""
        if snapshot is self._snapshot and deployment_id == self._deployment_id:
            return
        self._snapshot, self._deployment_id = snapshot, deployment_id
        self._inside = None

    def passages(self, ticket_id: TicketId) -> tuple[Passage, ...]:
        """List a ticket's passages, oldest first, each once."""
        key = (to_signed_64(ticket_id),)
        local = map(passage_from_row, self._journal.all(PASSAGES_OF_TICKET, key))
        heard = [passage_from_row(row) for row in self._replica.all(PASSAGES_OF_TICKET, key)]
        known = [] if self._snapshot is None else self._snapshot.passages(ticket_id)
        return merge_passages(local, chain(known, heard))

    def inside_count(self) -> int:
        """Count the tickets whose last passage is an entry."""
        if self._inside is None:
            self._inside = self._count_anew()
        self._listen(self._inside)
        return len(self._inside)

    def passed(self, ticket_id: TicketId) -> None:
        """Look again at one ticket after a passage of it."""
        if self._inside is not None:
            self._look_again(ticket_id, self._inside)

    def _listen(self, inside: set[TicketId]) -> None:
        rows = self._replica.all(
            "SELECT position, ticket_id FROM passages WHERE position > ? ORDER BY position",
            (self._heard_until,),
        )
        for position, ticket_id in rows:
            self._look_again(from_signed_64(ticket_id), inside)
            self._heard_until = position

    def _look_again(self, ticket_id: TicketId, inside: set[TicketId]) -> None:
        history = self.passages(ticket_id)
        if history and history[-1].direction is Direction.ENTRY:
            inside.add(ticket_id)
        else:
            inside.discard(ticket_id)

    def _count_anew(self) -> set[TicketId]:
        self._heard_until = self._replica.number("SELECT max(position) FROM passages")
        known = [] if self._snapshot is None else self._snapshot.all_passages()
        heard = self._replica.all(_ALL)
        deployment = b"" if self._deployment_id is None else self._deployment_id.bytes
        local = self._journal.all(f"{_ALL} WHERE deployment_id = ?", (deployment,))
        return _tickets_inside(chain(known, heard), local)


def _tickets_inside(heard: Iterable[Row], local: Iterable[Row]) -> set[TicketId]:
    """Find the last passage of every ticket; the gate's own word wins for its own scans."""
    by_scan = {row[1]: row for row in heard}
    by_scan.update({row[1]: row for row in local})
    last: dict[int, tuple[int, bytes, str]] = {}
    for ticket_id, scan_id, direction, at_ms in by_scan.values():
        passage = (at_ms, scan_id, direction)
        last[ticket_id] = max(passage, last.get(ticket_id, passage))
    return {
        from_signed_64(ticket_id)
        for ticket_id, (_, _, direction) in last.items()
        if direction == Direction.ENTRY
    }
