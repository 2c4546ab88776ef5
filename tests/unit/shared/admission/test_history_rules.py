import pytest

from shared.admission.decide import decide
from shared.admission.facts import (
    Direction,
    Occupancy,
)
from shared.admission.policy import Policy, TimeWindow
from shared.admission.verdict import (
    Outcome,
    reason_codes,
)
from tests.factories.admission import (
    CAME_AND_WENT,
    DAY_START_MS,
    ENTERED,
    EXIT_GATE,
    HOUR_MS,
    MINUTE_MS,
    NOW_MS,
    a_gate,
    a_passage,
    a_scan_id,
    a_ticket,
    admission,
    some_facts,
)


@pytest.mark.parametrize(
    "facts",
    [
        pytest.param({"ticket": a_ticket(valid_until_ms=NOW_MS - HOUR_MS)}, id="ticket over"),
        pytest.param({"ticket": a_ticket(valid_from_ms=NOW_MS + HOUR_MS)}, id="not yet begun"),
        pytest.param(
            {"policy": Policy(windows=(TimeWindow(NOW_MS - 2, NOW_MS - 1),))}, id="after hours"
        ),
        pytest.param(
            {"policy": Policy(windows=(TimeWindow(NOW_MS + 1, NOW_MS + 2),))}, id="before hours"
        ),
        pytest.param({"policy": Policy(capacity=0)}, id="over capacity"),
        pytest.param({"policy": Policy(entry_open=False)}, id="entry closed"),
        pytest.param({"policy": Policy(minutes_between=600)}, id="minutes between"),
        pytest.param({"policy": Policy(entries_per_day_max=1)}, id="entries used up"),
        pytest.param({"policy": Policy(provisional_open=False)}, id="peers out of reach"),
    ],
)
def test_nobody_is_kept_inside_by_clock_or_capacity(facts: dict[str, object]) -> None:
    gate = a_gate(direction=Direction.EXIT, peers_reachable=False)
    parts: dict[str, object] = {"gate": gate, "history": (ENTERED,), **facts}
    assert admission(some_facts(**parts)).outcome is Outcome.EXIT


def test_where_exits_are_not_scanned_anybody_may_leave() -> None:
    facts = some_facts(gate=EXIT_GATE, policy=Policy(inside_until_exit=False))
    assert admission(facts).outcome is Outcome.EXIT


@pytest.mark.parametrize(
    ("entries_before", "policy", "reentry_allowed", "code"),
    [
        pytest.param(1, Policy(entries_max=2), False, "ADMIT_REENTRY", id="second of two"),
        pytest.param(2, Policy(entries_max=2), False, "MAX_ENTRIES", id="third of two"),
        pytest.param(9, Policy(entries_max=None), False, "ADMIT_REENTRY", id="no limit"),
        pytest.param(9, Policy(), True, "ADMIT_REENTRY", id="re-entry ticket, no limit"),
        pytest.param(3, Policy(reentries_max=3), True, "MAX_ENTRIES", id="re-entry ticket, limit"),
        pytest.param(
            3, Policy(reentries_max=3, entries_max=9), True, "MAX_ENTRIES", id="own limit only"
        ),
        pytest.param(2, Policy(entries_per_day_max=3), True, "ADMIT_REENTRY", id="third of today"),
        pytest.param(3, Policy(entries_per_day_max=3), True, "MAX_ENTRIES", id="fourth of today"),
    ],
)
def test_entries_are_counted_against_the_limit_of_the_ticket(
    entries_before: int, policy: Policy, reentry_allowed: bool, code: str
) -> None:
    history = tuple(
        a_passage(scan_id=a_scan_id(number), direction=direction, at_ms=NOW_MS - at_ms)
        for count in range(1, entries_before + 1)
        for number, direction, at_ms in (
            (2 * count, Direction.ENTRY, (2 * count + 1) * MINUTE_MS),
            (2 * count + 1, Direction.EXIT, 2 * count * MINUTE_MS),
        )
    )
    ticket = a_ticket(reentry_allowed=reentry_allowed)
    assert decide(some_facts(ticket=ticket, history=history, policy=policy)).code == code


@pytest.mark.parametrize(
    ("at_ms", "code"),
    [
        pytest.param(DAY_START_MS, "MAX_ENTRIES", id="after midnight"),
        pytest.param(DAY_START_MS - 1, "ADMIT_REENTRY", id="before midnight"),
    ],
)
def test_the_day_of_the_daily_limit_begins_at_midnight(at_ms: int, code: str) -> None:
    facts = some_facts(
        ticket=a_ticket(reentry_allowed=True),
        history=(a_passage(at_ms=at_ms),),
        policy=Policy(entries_per_day_max=1, inside_until_exit=False),
    )
    assert decide(facts).code == code


def test_where_exits_are_not_scanned_only_the_limits_speak() -> None:
    history = (ENTERED,)
    unscanned = Policy(inside_until_exit=False, entries_max=2)
    assert decide(some_facts(history=history, policy=unscanned)).code == "ADMIT_REENTRY"
    once = Policy(inside_until_exit=False)
    assert reason_codes(decide(some_facts(history=history, policy=once))) == ("MAX_ENTRIES",)


@pytest.mark.parametrize(
    ("minutes", "code"), [(30, "ADMIT_REENTRY"), (31, "RULE_REFUSED"), (0, "ADMIT_REENTRY")]
)
def test_the_minutes_between_are_counted_from_the_last_passage(minutes: int, code: str) -> None:
    facts = some_facts(
        ticket=a_ticket(reentry_allowed=True),
        history=CAME_AND_WENT,
        policy=Policy(minutes_between=minutes),
    )
    assert decide(facts).code == code


@pytest.mark.parametrize(
    ("inside", "staff", "code"),
    [
        pytest.param(7, False, "ADMIT", id="room for all"),
        pytest.param(8, False, "CAPACITY_REACHED", id="only the reserve left"),
        pytest.param(8, True, "ADMIT", id="the reserve is for staff"),
        pytest.param(9, True, "ADMIT", id="last place"),
        pytest.param(10, True, "CAPACITY_REACHED", id="full for staff too"),
    ],
)
def test_capacity_keeps_a_reserve_for_staff(inside: int, staff: bool, code: str) -> None:
    facts = some_facts(
        ticket=a_ticket(staff=staff),
        policy=Policy(capacity=10, capacity_reserve=2),
        occupancy=Occupancy(inside),
    )
    assert decide(facts).code == code


def test_history_is_read_by_time_whatever_its_order() -> None:
    facts = some_facts(
        ticket=a_ticket(reentry_allowed=True), history=tuple(reversed(CAME_AND_WENT))
    )
    assert decide(facts).code == "ADMIT_REENTRY"
