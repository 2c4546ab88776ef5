"""What PROTOCOL promises of every decision, for any facts."""

from dataclasses import replace
from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from shared.admission.decide import SAME_PRESENTATION_MS, decide, repeated_passage
from shared.admission.facts import Direction, Facts, Passage, TicketFacts, TicketStatus
from shared.admission.policy import Policy
from shared.admission.reconcile import merge_passages
from shared.admission.verdict import Admit, Outcome, Refusal, Refuse, Verdict, reason_codes
from tests.factories.admission import (
    DEVICE,
    GATE,
    NOW_MS,
    a_credential,
    a_gate,
    a_passage,
    a_scan_id,
    a_time,
    some_facts,
)
from tests.factories.strategies import ANY_FACTS, DIRECTIONS, HISTORIES, PASSAGES, TICKETS


@given(ANY_FACTS)
def test_every_presentation_gets_a_verdict_with_reasons_in_order(facts: Facts) -> None:
    codes = reason_codes(decide(facts))
    order = [refusal.value for refusal in Refusal]
    assert codes == tuple(sorted(set(codes), key=order.index))


@given(ANY_FACTS)
def test_equal_facts_get_equal_verdicts(facts: Facts) -> None:
    assert decide(facts) == decide(replace(facts))


@given(ANY_FACTS)
def test_the_order_in_which_history_is_told_makes_no_difference(facts: Facts) -> None:
    assert decide(replace(facts, history=facts.history[::-1])) == decide(facts)


@given(
    ANY_FACTS,
    TICKETS,
    st.sampled_from([status for status in TicketStatus if status is not TicketStatus.VALID]),
)
def test_revoking_or_taking_back_never_admits(
    facts: Facts, ticket: TicketFacts, status: TicketStatus
) -> None:
    taken_back = replace(facts, ticket=replace(ticket, status=status))
    assert status.value.upper() in reason_codes(decide(taken_back))


@given(ANY_FACTS)
def test_a_fault_a_lost_lease_or_a_bad_code_never_admits(facts: Facts) -> None:
    worse = [
        replace(facts, gate=replace(facts.gate, device_fault=True)),
        replace(facts, time=replace(facts.time, lease_until_ms=facts.time.now_ms)),
        replace(facts, credential=replace(facts.credential, medium_invalid=True)),
        replace(facts, ticket=None),
    ]
    assert not [verdict for verdict in map(decide, worse) if isinstance(verdict, Admit)]


class Step(NamedTuple):
    at_ms: int
    direction: Direction


STEPS = st.lists(
    st.builds(Step, st.integers(NOW_MS - 9_000, NOW_MS + 9_000), DIRECTIONS), max_size=14
)


def walk(steps: list[Step], policy: Policy) -> list[tuple[Step, Verdict]]:
    """Scan one single-entry ticket again and again at one gate that keeps its own history."""
    history: tuple[Passage, ...] = ()
    verdicts: list[tuple[Step, Verdict]] = []
    for number, step in enumerate(steps):
        facts = some_facts(
            gate=a_gate(direction=step.direction),
            time=a_time(now_ms=step.at_ms, uncertainty_ms=3_600_000),
            history=history,
            policy=policy,
        )
        verdict = decide(facts)
        verdicts.append((step, verdict))
        passage = a_passage(scan_id=a_scan_id(number), direction=step.direction, at_ms=step.at_ms)
        counts = isinstance(verdict, Admit) and verdict.repeat_of is None
        history += (passage,) * counts
    return verdicts


def entries_among(verdicts: list[tuple[Step, Verdict]]) -> int:
    return sum(
        1
        for step, verdict in verdicts
        if step.direction is Direction.ENTRY
        and isinstance(verdict, Admit)
        and verdict.repeat_of is None
    )


@given(STEPS, st.booleans())
def test_a_single_entry_ticket_enters_at_most_once_whatever_the_order_of_scans(
    steps: list[Step], exits_are_scanned: bool
) -> None:
    verdicts = walk(steps, Policy(inside_until_exit=exits_are_scanned))
    assert entries_among(verdicts) <= 1


@given(STEPS)
def test_the_first_entry_is_never_refused(steps: list[Step]) -> None:
    entering = [step for step in steps if step.direction is Direction.ENTRY]
    assert entries_among(walk(entering, Policy())) == min(1, len(entering))


@given(st.integers(0, SAME_PRESENTATION_MS - 1), st.booleans())
def test_the_same_presentation_gets_the_same_outcome(later_ms: int, provisional: bool) -> None:
    gate = a_gate(peers_reachable=not provisional)
    first = decide(some_facts(gate=gate))
    passage = a_passage(at_ms=NOW_MS)
    again = decide(some_facts(gate=gate, time=a_time(now_ms=NOW_MS + later_ms), history=(passage,)))
    assert again.code == first.code
    assert again == Admit(Outcome(first.code), repeat_of=passage.scan_id)


@given(ANY_FACTS)
def test_only_the_devices_own_latest_way_can_be_repeated(facts: Facts) -> None:
    repeated = repeated_passage(facts)
    later = [
        passage
        for passage in facts.history
        if repeated is not None and passage.at_ms > repeated.at_ms
    ]
    assert repeated is None or repeated.device_id == facts.gate.device_id
    assert all(passage.direction is facts.gate.direction for passage in later)


@given(HISTORIES, HISTORIES)
def test_a_merge_keeps_every_local_passage_as_the_gate_wrote_it(
    local: tuple[Passage, ...], heard: tuple[Passage, ...]
) -> None:
    merged = merge_passages(local, heard)
    assert set(local) <= set(merged)
    assert {item.scan_id for item in merged} == {item.scan_id for item in (*local, *heard)}


@given(HISTORIES, HISTORIES)
def test_a_merge_is_the_same_in_any_order_and_as_often_as_it_is_made(
    local: tuple[Passage, ...], heard: tuple[Passage, ...]
) -> None:
    once = merge_passages(local, heard)
    assert merge_passages(local[::-1], heard[::-1]) == once
    assert merge_passages(once, heard) == once
    assert list(once) == sorted(once, key=lambda item: (item.at_ms, item.scan_id))


@given(st.lists(PASSAGES, max_size=6))
def test_no_merge_lets_a_used_single_entry_ticket_in_again(heard: list[Passage]) -> None:
    local = a_passage(at_ms=NOW_MS - SAME_PRESENTATION_MS, device_id=DEVICE, gate_id=GATE)
    later = NOW_MS + 10 * SAME_PRESENTATION_MS
    facts = some_facts(
        time=a_time(now_ms=later, uncertainty_ms=3_600_000),
        history=merge_passages((local,), heard),
        credential=a_credential(counter=None),
    )
    assert isinstance(decide(facts), Refuse)


def test_the_gates_own_word_wins_for_its_own_scan() -> None:
    own, told = a_passage(at_ms=NOW_MS), a_passage(at_ms=NOW_MS - 40)
    assert merge_passages([own], [told]) == (own,)
