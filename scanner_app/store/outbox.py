"""The journal as sync sees it: entries read from one file, the server's answers kept in another."""

from typing import Final

from scanner_app.store.database import Database
from scanner_app.store.journal import entries_between, head_seq
from scanner_app.store.replica import read_enrolment
from shared.ids import DeviceId
from shared.journal.chain import ChainedEntry
from shared.wire.scans import EntryAnswer, Finding

_SAVE_ANSWER: Final = (
    "INSERT INTO answers VALUES (?, ?, ?, ?)"
    " ON CONFLICT (device_id, seq)"
    " DO UPDATE SET result = excluded.result, finding = excluded.finding"
)
_ANSWERED_AFTER: Final = "SELECT seq FROM answers WHERE device_id = ? AND seq > ? ORDER BY seq"


class StoredOutbox:
    """Implements Outbox for the device that is enrolled; without one it is empty."""

    def __init__(self, journal: Database, replica: Database) -> None:
        self._journal = journal
        self._replica = replica

    def head_seq(self) -> int:
        device_id = self._device_id()
        return 0 if device_id is None else head_seq(self._journal, device_id)

    def waiting(self) -> int:
        """Count entries without an answer."""
        device_id = self._device_id()
        if device_id is None:
            return 0
        until = self._answered_until(device_id)
        ahead = self._replica.number(
            "SELECT count(*) FROM answers WHERE device_id = ? AND seq > ?",
            (device_id.bytes, until),
        )
        return head_seq(self._journal, device_id) - until - ahead

    def unacknowledged(self, limit: int) -> tuple[ChainedEntry, ...]:
        """List the oldest entries without an answer, in order."""
        device_id = self._device_id()
        if device_id is None:
            return ()
        unanswered: list[ChainedEntry] = []
        after = self._answered_until(device_id)
        while len(unanswered) < limit:
            batch = entries_between(self._journal, device_id, after + 1, after + limit)
            answered = self._answered_between(device_id, after, after + limit)
            unanswered += [item for item in batch if item.entry.seq not in answered]
            if len(batch) < limit:
                break
            after += limit
        return tuple(unanswered[:limit])

    def entries_between(self, first_seq: int, last_seq: int) -> tuple[ChainedEntry, ...]:
        device_id = self._device_id()
        if device_id is None:
            return ()
        return entries_between(self._journal, device_id, first_seq, last_seq)

    def record_answers(
        self, answers: tuple[EntryAnswer, ...], findings: tuple[Finding, ...]
    ) -> None:
        """Note what became of entries; an answer given twice counts once."""
        device_id = self._device_id()
        if device_id is None:
            return
        with self._replica.transaction():
            self._replica.run_many(
                _SAVE_ANSWER,
                [
                    (device_id.bytes, answer.seq, answer.result.value, answer.finding)
                    for answer in answers
                ],
            )
            self._replica.run_many(
                "INSERT INTO findings VALUES (?, ?) ON CONFLICT DO NOTHING",
                [(finding.kind, _scan_ids(finding)) for finding in findings],
            )
            self._move_answered_until(device_id)

    def conflict_count(self) -> int:
        """Count the conflicts that scans of this kiosk are part of."""
        return self._replica.number("SELECT count(*) FROM findings")

    def _device_id(self) -> DeviceId | None:
        enrolment = read_enrolment(self._replica)
        return None if enrolment is None else enrolment.device_id

    def _answered_until(self, device_id: DeviceId) -> int:
        return self._replica.number(
            "SELECT seq FROM acknowledged WHERE device_id = ?", (device_id.bytes,)
        )

    def _answered_between(self, device_id: DeviceId, after: int, last: int) -> set[int]:
        rows = self._replica.all(
            "SELECT seq FROM answers WHERE device_id = ? AND seq > ? AND seq <= ?",
            (device_id.bytes, after, last),
        )
        return {seq for (seq,) in rows}

    def _move_answered_until(self, device_id: DeviceId) -> None:
        until = before = self._answered_until(device_id)
        rows = self._replica.all(_ANSWERED_AFTER, (device_id.bytes, before))
        for (seq,) in rows:
            if seq != until + 1:
                break
            until = seq
        self._replica.run(
            "INSERT OR REPLACE INTO acknowledged VALUES (?, ?)", (device_id.bytes, until)
        )


def _scan_ids(finding: Finding) -> bytes:
    return b"".join(sorted(scan_id.bytes for scan_id in finding.scan_ids))
