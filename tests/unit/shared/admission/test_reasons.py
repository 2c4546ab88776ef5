import pytest

from shared.admission.facts import (
    Facts,
    Occupancy,
)
from shared.admission.policy import Policy, TimeWindow
from shared.admission.verdict import (
    Explanation,
    Reason,
    Refusal,
)
from tests.factories.admission import (
    CAME_AND_WENT,
    ENTERED,
    EXIT_GATE,
    HOUR_MS,
    LEFT,
    MINUTE_MS,
    NOW_MS,
    OTHER_GATE,
    a_credential,
    a_gate,
    a_passage,
    a_ticket,
    a_time,
    refusal,
    some_facts,
)
from tests.factories.credentials import COUNTER


def with_policy(**settings: object) -> Facts:
    return some_facts(policy=Policy(**settings))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        pytest.param(
            some_facts(time=a_time(lease_until_ms=NOW_MS - 7)),
            Reason(Refusal.LEASE_EXPIRED, at_ms=NOW_MS - 7),
            id="when the lease ended",
        ),
        pytest.param(
            some_facts(credential=a_credential(counter=COUNTER - 40)),
            Reason(Refusal.STALE_CODE, at_ms=(COUNTER - 40) * 15_000),
            id="when the picture was taken",
        ),
        pytest.param(
            some_facts(ticket=a_ticket(valid_from_ms=NOW_MS + 9)),
            Reason(Refusal.TOO_EARLY, Explanation.TICKET_VALIDITY, at_ms=NOW_MS + 9),
            id="when the ticket begins",
        ),
        pytest.param(
            with_policy(
                windows=(
                    TimeWindow(NOW_MS + 20, NOW_MS + 30),
                    TimeWindow(NOW_MS + 8, NOW_MS + 9),
                    TimeWindow(NOW_MS - 9, NOW_MS - 8),
                )
            ),
            Reason(Refusal.TOO_EARLY, Explanation.TIME_WINDOW, at_ms=NOW_MS + 8),
            id="when the next window opens",
        ),
        pytest.param(
            some_facts(ticket=a_ticket(valid_until_ms=NOW_MS - 3)),
            Reason(Refusal.TOO_LATE, Explanation.TICKET_VALIDITY, at_ms=NOW_MS - 3),
            id="when the ticket ended",
        ),
        pytest.param(
            with_policy(
                windows=(TimeWindow(NOW_MS - 9, NOW_MS - 4), TimeWindow(NOW_MS - 9, NOW_MS - 5))
            ),
            Reason(Refusal.TOO_LATE, Explanation.TIME_WINDOW, at_ms=NOW_MS - 4),
            id="when the last window closed",
        ),
        pytest.param(
            with_policy(entry_open=False),
            Reason(Refusal.RULE_REFUSED, Explanation.ENTRY_CLOSED),
            id="entry closed",
        ),
        pytest.param(
            some_facts(gate=EXIT_GATE, history=(ENTERED,), policy=Policy(exit_open=False)),
            Reason(Refusal.RULE_REFUSED, Explanation.EXIT_CLOSED),
            id="exit closed",
        ),
        pytest.param(
            some_facts(
                ticket=a_ticket(reentry_allowed=True),
                history=CAME_AND_WENT,
                policy=Policy(reentry_open=False),
            ),
            Reason(Refusal.RULE_REFUSED, Explanation.REENTRY_CLOSED),
            id="re-entry closed",
        ),
        pytest.param(
            some_facts(
                ticket=a_ticket(reentry_allowed=True),
                history=CAME_AND_WENT,
                policy=Policy(minutes_between=31),
            ),
            Reason(
                Refusal.RULE_REFUSED,
                Explanation.MINUTES_BETWEEN,
                at_ms=LEFT.at_ms + 31 * MINUTE_MS,
                limit=31,
            ),
            id="back too soon",
        ),
        pytest.param(
            some_facts(gate=a_gate(peers_reachable=False), policy=Policy(provisional_open=False)),
            Reason(Refusal.RULE_REFUSED, Explanation.PROVISIONAL_CLOSED),
            id="peers out of reach",
        ),
        pytest.param(
            some_facts(history=(a_passage(gate_id=OTHER_GATE, at_ms=NOW_MS - 5_000),)),
            Reason(Refusal.ALREADY_INSIDE_OTHER_GATE, at_ms=NOW_MS - 5_000, gate_id=OTHER_GATE),
            id="which gate and when",
        ),
        pytest.param(
            some_facts(history=CAME_AND_WENT),
            Reason(Refusal.MAX_ENTRIES, Explanation.ENTRIES_TOTAL, at_ms=NOW_MS - HOUR_MS, limit=1),
            id="entries in all",
        ),
        pytest.param(
            some_facts(
                ticket=a_ticket(reentry_allowed=True),
                history=CAME_AND_WENT,
                policy=Policy(entries_per_day_max=1),
            ),
            Reason(Refusal.MAX_ENTRIES, Explanation.ENTRIES_PER_DAY, limit=1),
            id="entries a day",
        ),
        pytest.param(
            some_facts(policy=Policy(capacity=5), occupancy=Occupancy(6)),
            Reason(Refusal.CAPACITY_REACHED, Explanation.CAPACITY, limit=5),
            id="full",
        ),
        pytest.param(
            some_facts(policy=Policy(capacity=5, capacity_reserve=2), occupancy=Occupancy(3)),
            Reason(Refusal.CAPACITY_REACHED, Explanation.CAPACITY_RESERVE, limit=5),
            id="full but for the reserve",
        ),
    ],
)
def test_a_reason_says_what_a_person_needs_to_hear(facts: Facts, reason: Reason) -> None:
    assert refusal(facts).reasons == (reason,)
