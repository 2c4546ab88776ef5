from hashlib import sha256

import pytest

from scanner_app.gate.gate_time import TimeReading
from scanner_app.gate.gather import GateConditions
from scanner_app.gate.ports import (
    EventKnowledge,
    GateError,
    GatePost,
    JournalUnwritableError,
    ScanDraft,
    SnapshotUnreadableError,
    TicketRow,
)
from scanner_app.gate.session import GateSession, GateStore, Judgement
from shared.admission.facts import Direction, Passage, TicketStatus
from shared.admission.policy import Rule, RuleBook
from shared.clock import SettableClock
from shared.credentials.layout import TicketFlag
from shared.ids import EventId, TicketId
from shared.journal.entry import Cursor, ScanEntry
from tests.factories.admission import DEVICE, GATE, NOW_MS, SECOND_MS
from tests.factories.credentials import EVENT_ID, TICKET_ID, EventKeys, P256Holder, a_core
from tests.factories.journal import BOOT_ID, an_entry

EVENT = EventKeys()
CODE = EVENT.reference_code(a_core(), P256Holder())
ROW = TicketRow(TICKET_ID, 1, TicketStatus.VALID, a_core(), P256Holder().key)
REENTRY = a_core(flags=TicketFlag.REENTRY)


class Gate:
    """Store and lamp of a gate in memory; everything that happens is written down in order."""

    def __init__(self) -> None:
        self.happened: list[str] = []
        self.drafts: list[ScanDraft] = []
        self.shown: list[Judgement] = []
        self.history: list[Passage] = []
        self.journal_fault: GateError | None = None
        self.tickets_fault: GateError | None = None
        self.knowledge = EventKnowledge(
            event_id=EventId(EVENT_ID),
            event_name="",
            base_time_ms=NOW_MS - 3_600_000,
            timezone="Africa/Kampala",
            keyring=EVENT.keyring,
            rule_book=RuleBook(),
            gates={},
            tiers={},
            snapshot_version=4,
            frozen_at_ms=0,
            cursor=Cursor(7, 8),
        )
        self.session = GateSession(
            GatePost(DEVICE, GATE, BOOT_ID),
            GateStore(self, self, self),
            self,
            SettableClock(NOW_MS, 123),
            bytes,
        )

    def judge(self, text: str = CODE, now_ms: int = NOW_MS) -> Judgement:
        conditions = GateConditions(TimeReading(now_ms, 0), has_peers=True, online=False)
        return self.session.judge(text, self.knowledge, conditions)

    def find(self, ticket_id: TicketId) -> TicketRow | None:
        raise_any(self.tickets_fault)
        return {TICKET_ID: ROW}.get(ticket_id)

    def passages(self, ticket_id: TicketId) -> tuple[Passage, ...]:
        self.happened.append(f"history {ticket_id:x}")
        return tuple(self.history)

    def inside_count(self) -> int:
        return 0

    def append(self, draft: ScanDraft) -> ScanEntry:
        raise_any(self.journal_fault)
        self.happened.append("journaled")
        self.drafts.append(draft)
        passage = Passage(draft.scan_id, DEVICE, GATE, Direction.ENTRY, draft.gate_time_ms)
        self.history += [passage] * draft.admitted
        return an_entry(scan_id=draft.scan_id)

    def actuate(self, judgement: Judgement) -> None:
        self.happened.append("actuated")
        self.shown.append(judgement)


def raise_any(error: GateError | None) -> None:
    for fault in filter(None, [error]):
        raise fault


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.mark.parametrize("text", [CODE, "https://evil.example", EVENT.static_code(a_core())])
def test_a_scan_is_on_disk_before_anything_moves(gate: Gate, text: str) -> None:
    judgement = gate.judge(text)
    assert gate.happened[-2:] == ["journaled", "actuated"]
    assert gate.shown == [judgement]
    assert judgement.entry is not None
    assert judgement.entry.scan_id == judgement.scan_id


def test_a_draft_says_all_that_was_known(gate: Gate) -> None:
    judgement = gate.judge()
    draft = gate.drafts[0]
    assert judgement.admitted
    assert draft.admitted
    assert (draft.verdict, draft.reasons) == ("ADMIT_PROVISIONAL", ())
    assert (draft.ticket_id, draft.generation, draft.form) == (TICKET_ID, 1, "R")
    assert (draft.gate_time_ms, draft.monotonic_ns, draft.boot_id) == (NOW_MS, 123, BOOT_ID)
    assert (draft.snapshot_version, draft.cursor, draft.online) == (4, Cursor(7, 8), False)
    assert draft.foreign_hash is None


@pytest.mark.parametrize(
    "fault", [JournalUnwritableError("full"), SnapshotUnreadableError("damaged")]
)
def test_what_cannot_be_kept_or_looked_up_is_a_device_error_that_names_its_cause(
    gate: Gate, fault: GateError
) -> None:
    gate.journal_fault = fault
    judgement = gate.judge()
    assert (judgement.verdict.code, judgement.entry, judgement.fault) == (
        "DEVICE_ERROR",
        None,
        fault,
    )
    assert not judgement.admitted
    assert gate.drafts == []
    assert gate.shown == [judgement]


def test_an_unreadable_snapshot_admits_nobody_and_the_gate_recovers(gate: Gate) -> None:
    gate.tickets_fault = SnapshotUnreadableError("damaged")
    assert gate.judge().verdict.code == "DEVICE_ERROR"
    gate.tickets_fault = None
    assert gate.judge().admitted


def test_rules_that_contradict_one_another_admit_nobody(gate: Gate) -> None:
    rules = RuleBook((Rule((("capacity", 1),)), Rule((("capacity_reserve", 2),))))
    object.__setattr__(gate.knowledge, "rule_book", rules)
    judgement = gate.judge()
    assert judgement.verdict.code == "DEVICE_ERROR"
    assert judgement.fault is not None
    assert judgement.fault.code == "contradictory_policy"


def test_the_same_presentation_is_shown_again_and_journaled_once(gate: Gate) -> None:
    first = gate.judge()
    again = gate.judge(now_ms=NOW_MS + 3 * SECOND_MS)
    assert again.admitted
    assert again.entry is None
    assert again.fault is None
    assert again.verdict == gate.shown[1].verdict
    assert first.scan_id in {passage.scan_id for passage in gate.history}
    assert len(gate.drafts) == 1


def test_later_it_is_another_presentation_and_refused(gate: Gate) -> None:
    gate.judge()
    later = gate.judge(now_ms=NOW_MS + 5 * SECOND_MS)
    assert later.verdict.code == "ALREADY_INSIDE_HERE"
    assert [draft.admitted for draft in gate.drafts] == [True, False]


@pytest.mark.parametrize("text", ["https://evil.example/?q=1", "WIFI:S:x;P:secret;;", "\udcff", ""])
def test_of_a_foreign_code_only_a_hash_is_kept(gate: Gate, text: str) -> None:
    gate.judge(text)
    draft = gate.drafts[0]
    salted = EVENT_ID.bytes + text.encode("utf-8", "surrogatepass")
    assert draft.foreign_hash == sha256(salted).digest()
    assert (draft.ticket_id, draft.generation, draft.counter, draft.form) == (None, None, None, "-")
    assert draft.reasons == ("NOT_A_TICKET",)
