"""Sending the journal: batches signed, answers kept, gaps filled. It never writes the journal."""

import logging
from collections.abc import Callable
from http import HTTPStatus
from typing import Final

from scanner_app.sync.client import ScannerClient
from scanner_app.sync.errors import AnswerIncomplete, ServerRefusal
from scanner_app.sync.plan import SET_ASIDE_MS, UPLOAD_IDLE_MS, UploadPlan
from scanner_app.sync.ports import Identity, Machine, Outbox
from shared.clock import NANOSECONDS_PER_MILLISECOND
from shared.ids import DeviceId
from shared.journal.chain import ChainedEntry
from shared.wire.scans import (
    ENTRIES_PER_BATCH_MAX,
    ScanBatch,
    ScanBatchAnswer,
    UploadedEntry,
)
from shared.wire.signing import batch_message

_LOGGER: Final = logging.getLogger(__name__)
_UNREADABLE: Final = frozenset(
    {
        HTTPStatus.BAD_REQUEST,
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        HTTPStatus.UNPROCESSABLE_ENTITY,
    }
)
"""Refusals that are about what was sent, so that sending less may help."""


def build_batch(
    device_id: DeviceId, entries: tuple[ChainedEntry, ...], sign: Callable[[bytes], bytes]
) -> ScanBatch:
    """Make the signed message for entries in order, at least one."""
    hashes = tuple(chained.entry_hash for chained in entries)
    return ScanBatch(
        device_id=device_id,
        entries=tuple(
            UploadedEntry(
                seq=chained.entry.seq,
                entry=chained.entry.canonical_bytes(),
                entry_hash=chained.entry_hash,
            )
            for chained in entries
        ),
        signature=sign(batch_message(device_id, entries[0].entry.seq, hashes)),
    )


class Uploader:
    """Sends what the server has not answered; owned by one thread."""

    def __init__(
        self,
        client: ScannerClient,
        identity: Identity,
        outbox: Outbox,
        machine: Machine,
    ) -> None:
        self._client = client
        self._device_id = identity.enrolment.device_id
        self._keys = identity.keys
        self._outbox = outbox
        self._machine = machine
        self._plan = UploadPlan.begin(ENTRIES_PER_BATCH_MAX)
        self._set_aside_ns = 0

    def send(self) -> int:
        """Send one batch and say how many milliseconds to wait for the next; raise SyncError."""
        self._retry_set_aside()
        entries = self._next_entries()
        if not entries:
            return UPLOAD_IDLE_MS
        seqs = tuple(chained.entry.seq for chained in entries)
        batch = build_batch(self._device_id, entries, self._keys.sign)
        try:
            answer = self._client.upload(batch)
        except ServerRefusal as refusal:
            if refusal.problem.status not in _UNREADABLE:
                raise
            self._learn_refusal(seqs, refusal)
            return 0
        self._record(answer, seqs)
        return 0

    def _next_entries(self) -> tuple[ChainedEntry, ...]:
        gap = self._plan.next_missing
        if gap is not None:
            entries = self._outbox.entries_between(gap.first, gap.last)
            if entries:
                return entries
            self._plan = self._plan.without(gap)
        oldest = self._outbox.unacknowledged(self._plan.oldest_limit)
        chosen = set(self._plan.choose(tuple(chained.entry.seq for chained in oldest)))
        return tuple(chained for chained in oldest if chained.entry.seq in chosen)

    def _record(self, answer: ScanBatchAnswer, seqs: tuple[int, ...]) -> None:
        answers = tuple(entry for entry in answer.answers if entry.seq in set(seqs))
        if not answers:
            raise AnswerIncomplete
        self._outbox.record_answers(answers, answer.findings)
        self._plan = self._plan.after_answer(seqs, answer.missing)

    def _learn_refusal(self, seqs: tuple[int, ...], refusal: ServerRefusal) -> None:
        self._plan = self._plan.after_refusal(seqs)
        if len(seqs) == 1:
            self._set_aside_ns = self._machine.clock.boottime_ns()
            extra = {"seq": seqs[0], "problem": refusal.problem_code}
            _LOGGER.warning("entry_set_aside", extra=extra)

    def _retry_set_aside(self) -> None:
        age_ns = self._machine.clock.boottime_ns() - self._set_aside_ns
        if self._plan.set_aside and age_ns > SET_ASIDE_MS * NANOSECONDS_PER_MILLISECOND:
            self._plan = self._plan.retrying()
