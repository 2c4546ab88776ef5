from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import pytest

from scanner_app.gate.gate_time import TimeReading
from scanner_app.gate.gather import (
    GateConditions,
    Gathered,
    credential_facts,
    gather,
    ticket_facts,
)
from scanner_app.gate.local_time import day_start_ms
from scanner_app.gate.ports import EventKnowledge, Gate, GatePost, TicketRow, Tier
from shared.admission.facts import (
    CredentialProblem,
    Direction,
    MediumDemand,
    Passage,
    TicketStatus,
)
from shared.admission.policy import Rule, RuleBook
from shared.credentials.layout import Core, TicketFlag
from shared.credentials.opening import OpenedCode
from shared.ids import EventId, TicketId
from shared.journal.entry import Cursor
from tests.factories.admission import DEVICE, GATE, NOW_MS, OTHER_GATE, a_passage
from tests.factories.changes import changed
from tests.factories.credentials import (
    COUNTER,
    EVENT_ID,
    TICKET_ID,
    Ed25519Holder,
    EventKeys,
    P256Holder,
    a_core,
)
from tests.factories.journal import BOOT_ID

EVENT = EventKeys()
HOLDER, THIEF = P256Holder(), P256Holder("thief")
FIRST, SECOND = a_core(), a_core(generation=2)


def a_row(**changes: object) -> TicketRow:
    row = TicketRow(TICKET_ID, 1, TicketStatus.VALID, FIRST, HOLDER.key)
    return changed(row, changes)


def some_knowledge(**changes: object) -> EventKnowledge:
    knowledge = EventKnowledge(
        event_id=EventId(EVENT_ID),
        event_name="Nyege Nyege",
        base_time_ms=NOW_MS - 6 * 3_600_000,
        timezone="Africa/Kampala",
        keyring=EVENT.keyring,
        rule_book=RuleBook(),
        gates={},
        tiers={},
        snapshot_version=1,
        frozen_at_ms=0,
        cursor=Cursor(0, 0),
    )
    return changed(knowledge, changes)


class Records:
    def __init__(self, row: TicketRow | None, history: tuple[Passage, ...] = ()) -> None:
        self.row = row
        self.history = history
        self.counted = 0

    def find(self, ticket_id: TicketId) -> TicketRow | None:
        return {TICKET_ID: self.row}.get(ticket_id)

    def passages(self, ticket_id: TicketId) -> tuple[Passage, ...]:
        return {TICKET_ID: self.history}.get(ticket_id, ())

    def inside_count(self) -> int:
        self.counted += 1
        return 41


def gathered(text: str, records: Records, **knowledge: object) -> Gathered:
    conditions = GateConditions(TimeReading(NOW_MS, 0))
    post = GatePost(DEVICE, GATE, BOOT_ID)
    return gather(text, some_knowledge(**knowledge), post, (records, records), conditions)


def opened(text: str) -> OpenedCode:
    code = EVENT.keyring.open(text)
    assert isinstance(code, OpenedCode)
    return code


@pytest.mark.parametrize(
    ("text", "row", "problem"),
    [
        (EVENT.reference_code(FIRST, HOLDER), a_row(), None),
        (EVENT.reference_code(FIRST, HOLDER), None, None),
        (EVENT.self_contained_code(FIRST, HOLDER), a_row(), None),
        (EVENT.self_contained_code(FIRST, HOLDER), None, None),
        (EVENT.self_contained_code(SECOND, THIEF), a_row(), None),
        (EVENT.self_contained_code(FIRST, HOLDER), a_row(holder=None), None),
        (EVENT.static_code(FIRST), a_row(), None),
        (EVENT.static_code(FIRST), None, None),
        (EVENT.static_code(SECOND), a_row(), None),
        ("https://evil.example", None, CredentialProblem.FOREIGN),
        (
            EventKeys(key_set_id=8).reference_code(FIRST, HOLDER),
            a_row(),
            CredentialProblem.OTHER_EVENT,
        ),
        (
            EventKeys(event_key=bytes(32)).reference_code(FIRST, HOLDER),
            a_row(),
            CredentialProblem.FORGED,
        ),
        (
            EVENT.reference_code(FIRST, HOLDER),
            a_row(generation=2),
            CredentialProblem.OUTDATED_GENERATION,
        ),
        (
            EVENT.self_contained_code(FIRST, HOLDER),
            a_row(generation=2),
            CredentialProblem.OUTDATED_GENERATION,
        ),
        (EVENT.static_code(FIRST), a_row(generation=2), CredentialProblem.OUTDATED_GENERATION),
        (
            EVENT.reference_code(SECOND, HOLDER),
            a_row(),
            CredentialProblem.UNKNOWN_GENERATION,
        ),
        (
            EVENT.reference_code(FIRST, HOLDER),
            a_row(holder=None),
            CredentialProblem.UNKNOWN_GENERATION,
        ),
        (EVENT.reference_code(FIRST, THIEF), a_row(), CredentialProblem.WRONG_HOLDER),
        (EVENT.reference_code(FIRST, Ed25519Holder()), a_row(), CredentialProblem.WRONG_HOLDER),
        (EVENT.self_contained_code(FIRST, THIEF), a_row(), CredentialProblem.WRONG_HOLDER),
    ],
)
def test_every_problem_of_a_code_is_found(
    text: str, row: TicketRow | None, problem: CredentialProblem | None
) -> None:
    assert gathered(text, Records(row)).facts.credential.problem is problem


def test_an_ed25519_holder_is_as_good() -> None:
    holder = Ed25519Holder()
    text = EVENT.reference_code(FIRST, holder)
    facts = credential_facts(opened(text), a_row(holder=holder.key), NOW_MS)
    assert facts.problem is None
    assert facts.counter == COUNTER


@pytest.mark.parametrize(
    ("text", "row", "status"),
    [
        (EVENT.self_contained_code(SECOND, HOLDER), a_row(status="transferred"), "valid"),
        (EVENT.static_code(SECOND), a_row(status="transferred"), "valid"),
        (EVENT.self_contained_code(SECOND, HOLDER), a_row(status="cancelled"), "cancelled"),
        (EVENT.self_contained_code(FIRST, HOLDER), a_row(status="transferred"), "transferred"),
        (EVENT.reference_code(FIRST, HOLDER), a_row(status="blocked"), "blocked"),
        (EVENT.self_contained_code(FIRST, HOLDER), None, "valid"),
    ],
)
def test_the_newer_holder_of_a_transferred_ticket_is_welcome(
    text: str, row: TicketRow | None, status: str
) -> None:
    named = row if row is None else replace(row, status=TicketStatus(row.status))
    facts = ticket_facts(opened(text), named, some_knowledge())
    assert facts is not None
    assert facts.status == status


def test_a_reference_without_a_row_says_nothing_of_a_ticket() -> None:
    assert ticket_facts(opened(EVENT.reference_code(FIRST, HOLDER)), None, some_knowledge()) is None


def test_a_codes_own_core_goes_before_the_rows() -> None:
    newer = a_core(generation=2, tier=9, zones=0b1000, flags=TicketFlag.REENTRY)
    facts = ticket_facts(
        opened(EVENT.self_contained_code(newer, HOLDER)), a_row(attention=True), some_knowledge()
    )
    assert facts is not None
    assert (facts.tier, facts.zones, facts.reentry_allowed) == (9, 0b1000, True)
    assert (facts.generation, facts.attention) == (2, True)


NFC_CORE = a_core(flags=TicketFlag.NFC_REQUIRED)


@pytest.mark.parametrize(
    ("core", "row_medium", "tier_medium", "demanded"),
    [
        (FIRST, None, None, MediumDemand.QR_OR_NFC),
        (FIRST, None, MediumDemand.QR, MediumDemand.QR),
        (FIRST, MediumDemand.NFC, MediumDemand.QR, MediumDemand.NFC),
        (NFC_CORE, None, None, MediumDemand.NFC),
        (NFC_CORE, None, MediumDemand.QR_OR_NFC, MediumDemand.NFC),
        (NFC_CORE, None, MediumDemand.QR, MediumDemand.QR_AND_NFC),
        (NFC_CORE, None, MediumDemand.QR_AND_NFC, MediumDemand.QR_AND_NFC),
        (NFC_CORE, MediumDemand.QR, None, MediumDemand.QR),
    ],
)
def test_the_medium_demanded_comes_from_row_flag_and_tier(
    core: Core,
    row_medium: MediumDemand | None,
    tier_medium: MediumDemand | None,
    demanded: MediumDemand,
) -> None:
    tiers = {} if tier_medium is None else {core.tier: Tier(core.tier, "VIP", tier_medium)}
    row = a_row(core=core, medium=row_medium)
    code = opened(EVENT.reference_code(core, HOLDER))
    facts = ticket_facts(code, row, some_knowledge(tiers=tiers))
    assert facts is not None
    assert facts.medium is demanded


def test_the_gates_zones_and_the_policy_for_gate_and_tier_are_those_of_the_event() -> None:
    rules = RuleBook(
        (
            Rule((("entries_max", 5),), tiers=frozenset({FIRST.tier})),
            Rule((("entries_max", 9),), gates=frozenset({OTHER_GATE})),
        )
    )
    facts = gathered(
        EVENT.reference_code(FIRST, HOLDER),
        Records(a_row()),
        gates={GATE: Gate(GATE, "North", 0b10)},
        rule_book=rules,
    ).facts
    assert facts.gate.zones == 0b10
    assert facts.policy.entries_max == 5


@pytest.mark.parametrize(
    ("rules", "inside", "counted"),
    [((), 0, 0), ((Rule((("capacity", 100),)),), 41, 1)],
    ids=["no limit", "a capacity"],
)
def test_people_are_counted_only_where_a_capacity_asks_for_it(
    rules: tuple[Rule, ...], inside: int, counted: int
) -> None:
    records = Records(a_row())
    code = EVENT.reference_code(FIRST, HOLDER)
    facts = gathered(code, records, rule_book=RuleBook(rules)).facts
    assert (facts.occupancy.inside, records.counted) == (inside, counted)


def test_history_time_and_conditions_are_handed_on() -> None:
    history = (a_passage(),)
    found = gathered(EVENT.reference_code(FIRST, HOLDER), Records(a_row(), history))
    assert found.facts.history == history
    assert found.facts.time.now_ms == NOW_MS
    assert (found.facts.gate.gate_id, found.facts.gate.direction) == (GATE, Direction.ENTRY)


@pytest.mark.parametrize(
    ("online", "has_peers", "reachable"),
    [(True, True, True), (True, False, True), (False, False, True), (False, True, False)],
)
def test_peers_are_out_of_reach_only_where_there_are_any(
    *, online: bool, has_peers: bool, reachable: bool
) -> None:
    conditions = GateConditions(TimeReading(NOW_MS, 0), online=online, has_peers=has_peers)
    records = Records(a_row())
    found = gather(
        EVENT.reference_code(FIRST, HOLDER),
        some_knowledge(),
        GatePost(DEVICE, GATE, UUID(int=1)),
        (records, records),
        conditions,
    )
    assert found.facts.gate.peers_reachable is reachable
    assert found.online is online


def milliseconds(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1_000)


@pytest.mark.parametrize(
    ("now", "timezone", "day_start"),
    [
        ("2026-02-02T20:59:59", "Africa/Kampala", "2026-02-01T21:00:00"),
        ("2026-02-02T21:00:00", "Africa/Kampala", "2026-02-02T21:00:00"),
        ("2026-03-29T12:00:00", "Europe/Paris", "2026-03-28T23:00:00"),
        ("2026-10-25T12:00:00", "Europe/Paris", "2026-10-24T22:00:00"),
        ("2026-04-24T12:00:00", "Africa/Cairo", "2026-04-23T22:00:00"),
        ("2026-11-01T05:30:00", "America/Havana", "2026-11-01T04:00:00"),
        ("2026-02-02T20:59:59", "Mars/Olympus", "2026-02-02T00:00:00"),
        ("2026-02-02T20:59:59", "../etc/passwd", "2026-02-02T00:00:00"),
    ],
    ids=[
        "last second of a day",
        "midnight itself",
        "clocks go forward",
        "clocks go back",
        "clocks go forward at midnight",
        "midnight comes twice",
        "a zone this machine does not know",
        "a zone that is none",
    ],
)
def test_a_day_begins_at_the_events_midnight(now: str, timezone: str, day_start: str) -> None:
    assert day_start_ms(milliseconds(now), timezone) == milliseconds(day_start)
