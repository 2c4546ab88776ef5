"""One scan at one gate: gather, decide, journal, actuate. Nothing else writes on a scan."""

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Protocol

from scanner_app.gate.gather import GateConditions, Gathered, gather
from scanner_app.gate.ports import (
    EventKnowledge,
    GatePost,
    JournalUnwritableError,
    PassageRecord,
    ScanDraft,
    ScanJournal,
    SnapshotUnreadableError,
    TicketDirectory,
    TicketRow,
)
from shared.admission.decide import decide
from shared.admission.facts import Facts
from shared.admission.verdict import Admit, Reason, Refusal, Refuse, Verdict, reason_codes
from shared.clock import Clock
from shared.errors import AdmissionPolicyError, ZeraketError
from shared.ids import UUID7_RANDOMNESS_BYTES, ScanId, new_uuid7
from shared.journal.entry import ScanEntry


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict and its grounds; repeats and scans that could not be kept have no entry."""

    scan_id: ScanId
    verdict: Verdict
    facts: Facts | None
    row: TicketRow | None
    entry: ScanEntry | None
    fault: ZeraketError | None = None
    """Why the gate could not decide or could not keep the scan, behind a DEVICE_ERROR."""

    @property
    def admitted(self) -> bool:
        """Whether the lamp turns green."""
        return isinstance(self.verdict, Admit)


class Actuator(Protocol):
    """Lamp, sound, turnstile, screen: whatever moves after a verdict."""

    def actuate(self, judgement: Judgement) -> None:
        """Show the verdict; called only when the scan is on disk."""
        ...


@dataclass(frozen=True, slots=True)
class GateStore:
    """What the gate reads and writes."""

    tickets: TicketDirectory
    passages: PassageRecord
    journal: ScanJournal


class GateSession:
    """A gate at work; owned by one thread."""

    def __init__(
        self,
        post: GatePost,
        store: GateStore,
        actuator: Actuator,
        clock: Clock,
        randomness: Callable[[int], bytes],
    ) -> None:
        self._post = post
        self._store = store
        self._actuator = actuator
        self._clock = clock
        self._randomness = randomness

    def judge(self, text: str, knowledge: EventKnowledge, conditions: GateConditions) -> Judgement:
        """Judge a scanned text; the scan is durable before anything moves."""
        scan_id = self._new_scan_id(conditions)
        judgement = self._decide_and_journal(text, scan_id, knowledge, conditions)
        self._actuator.actuate(judgement)
        return judgement

    def _decide_and_journal(
        self,
        text: str,
        scan_id: ScanId,
        knowledge: EventKnowledge,
        conditions: GateConditions,
    ) -> Judgement:
        try:
            records = (self._store.tickets, self._store.passages)
            gathered = gather(text, knowledge, self._post, records, conditions)
            verdict = decide(gathered.facts)
            if isinstance(verdict, Admit) and verdict.repeat_of is not None:
                return Judgement(scan_id, verdict, gathered.facts, gathered.row, None)
            draft = self._draft(text, scan_id, gathered, verdict, knowledge)
            entry = self._store.journal.append(draft)
        except (JournalUnwritableError, SnapshotUnreadableError, AdmissionPolicyError) as fault:
            refused = Refuse((Reason(Refusal.DEVICE_ERROR),))
            return Judgement(scan_id, refused, None, None, None, fault)
        return Judgement(scan_id, verdict, gathered.facts, gathered.row, entry)

    def _new_scan_id(self, conditions: GateConditions) -> ScanId:
        randomness = self._randomness(UUID7_RANDOMNESS_BYTES)
        return ScanId(new_uuid7(conditions.time.now_ms, randomness))

    def _draft(
        self,
        text: str,
        scan_id: ScanId,
        gathered: Gathered,
        verdict: Verdict,
        knowledge: EventKnowledge,
    ) -> ScanDraft:
        facts, opened = gathered.facts, gathered.opened
        return ScanDraft(
            scan_id=scan_id,
            boot_id=self._post.boot_id,
            monotonic_ns=self._clock.monotonic_ns(),
            gate_time_ms=facts.time.now_ms,
            uncertainty_ms=facts.time.uncertainty_ms,
            gate_id=self._post.gate_id,
            direction=facts.gate.direction.value,
            ticket_id=None if opened is None else opened.ticket_id,
            foreign_hash=_foreign_hash(text, knowledge) if opened is None else None,
            form=facts.credential.form.value,
            generation=None if opened is None else opened.generation,
            counter=facts.credential.counter,
            medium="qr",
            verdict=verdict.code,
            reasons=reason_codes(verdict),
            snapshot_version=knowledge.snapshot_version,
            cursor=knowledge.cursor,
            lease_id=None,
            online=gathered.online,
            admitted=isinstance(verdict, Admit),
        )


def _foreign_hash(text: str, knowledge: EventKnowledge) -> bytes:
    """Hash a text that is no ticket; salted with the event, so that it says nothing elsewhere."""
    return sha256(knowledge.event_id.bytes + text.encode("utf-8", "surrogatepass")).digest()
