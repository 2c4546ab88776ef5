import pytest

from shared.admission.decide import SAME_PRESENTATION_MS, decide
from shared.admission.facts import (
    Direction,
    Facts,
    MediumDemand,
    Occupancy,
    PresentedForm,
    TicketStatus,
)
from shared.admission.policy import Policy, TimeWindow
from shared.admission.verdict import (
    Admit,
    Outcome,
    reason_codes,
)
from tests.factories.admission import (
    CAME_AND_WENT,
    DEVICE,
    ENTERED,
    EXIT_GATE,
    GATE,
    NOW_MS,
    OTHER_DEVICE,
    OTHER_GATE,
    a_credential,
    a_gate,
    a_passage,
    a_scan_id,
    a_ticket,
    a_time,
    admission,
    some_facts,
)

STATIC = PresentedForm.STATIC


def with_policy(**settings: object) -> Facts:
    return some_facts(policy=Policy(**settings))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("facts", "outcome"),
    [
        pytest.param(some_facts(), Outcome.ADMIT, id="first entry"),
        pytest.param(
            some_facts(ticket=a_ticket(reentry_allowed=True), history=CAME_AND_WENT),
            Outcome.ADMIT_REENTRY,
            id="back after an exit",
        ),
        pytest.param(
            some_facts(gate=EXIT_GATE, history=(ENTERED,)), Outcome.EXIT, id="out after an entry"
        ),
        pytest.param(
            some_facts(ticket=a_ticket(attention=True)), Outcome.ADMIT_ATTENTION, id="attention"
        ),
        pytest.param(
            some_facts(ticket=a_ticket(identity_bound=True)),
            Outcome.ADMIT_ATTENTION,
            id="bound to a name",
        ),
        pytest.param(
            some_facts(policy=Policy(check_identity=True)),
            Outcome.ADMIT_ATTENTION,
            id="identity checked here",
        ),
        pytest.param(
            some_facts(gate=a_gate(peers_reachable=False)),
            Outcome.ADMIT_PROVISIONAL,
            id="peers out of reach",
        ),
        pytest.param(
            some_facts(gate=a_gate(peers_reachable=False), ticket=a_ticket(attention=True)),
            Outcome.ADMIT_ATTENTION,
            id="attention goes before provisional",
        ),
        pytest.param(
            some_facts(
                credential=a_credential(form=STATIC, counter=None),
                ticket=a_ticket(static_allowed=True),
            ),
            Outcome.ADMIT,
            id="printed, where allowed",
        ),
        pytest.param(
            some_facts(
                time=a_time(uncertainty_ms=None),
                credential=a_credential(form=STATIC, counter=None),
                ticket=a_ticket(static_allowed=True),
            ),
            Outcome.ADMIT,
            id="printed, at a gate without trusted time",
        ),
        pytest.param(
            some_facts(
                credential=a_credential(nfc_presented=True),
                ticket=a_ticket(medium=MediumDemand.QR_AND_NFC),
            ),
            Outcome.ADMIT,
            id="code and tag",
        ),
        pytest.param(
            some_facts(time=a_time(lease_until_ms=NOW_MS + 1)),
            Outcome.ADMIT,
            id="last moment of the lease",
        ),
        pytest.param(
            some_facts(ticket=a_ticket(valid_from_ms=NOW_MS, valid_until_ms=NOW_MS + 1)),
            Outcome.ADMIT,
            id="first and last valid moment",
        ),
        pytest.param(
            with_policy(
                windows=(TimeWindow(NOW_MS, NOW_MS + 1), TimeWindow(NOW_MS + 5, NOW_MS + 6))
            ),
            Outcome.ADMIT,
            id="inside one of the windows",
        ),
        pytest.param(with_policy(gates=frozenset({GATE})), Outcome.ADMIT, id="a named gate"),
        pytest.param(with_policy(tiers=frozenset({2})), Outcome.ADMIT, id="a named tier"),
        pytest.param(some_facts(gate=a_gate(zones=0b100)), Outcome.ADMIT, id="one zone in common"),
    ],
)
def test_each_way_to_say_yes(facts: Facts, outcome: Outcome) -> None:
    verdict = admission(facts)
    assert verdict.outcome is outcome
    assert verdict.code == outcome.value
    assert reason_codes(verdict) == ()
    assert verdict.repeat_of is None


@pytest.mark.parametrize(
    ("facts", "checked"),
    [
        pytest.param(some_facts(), False, id="nobody asked"),
        pytest.param(some_facts(ticket=a_ticket(attention=True)), False, id="attention only"),
        pytest.param(some_facts(ticket=a_ticket(identity_bound=True)), True, id="bound ticket"),
        pytest.param(some_facts(policy=Policy(check_identity=True)), True, id="policy"),
        pytest.param(
            some_facts(gate=EXIT_GATE, ticket=a_ticket(identity_bound=True), history=(ENTERED,)),
            False,
            id="on the way out",
        ),
    ],
)
def test_identity_is_checked_on_entry_where_ticket_or_policy_asks(
    facts: Facts, checked: bool
) -> None:
    assert admission(facts).check_identity is checked


@pytest.mark.parametrize(
    ("age_ms", "device", "gate", "repeated"),
    [
        pytest.param(0, DEVICE, GATE, True, id="at once"),
        pytest.param(SAME_PRESENTATION_MS - 1, DEVICE, GATE, True, id="just within 4 s"),
        pytest.param(SAME_PRESENTATION_MS, DEVICE, GATE, False, id="4 s later"),
        pytest.param(-1, DEVICE, GATE, False, id="in the future"),
        pytest.param(1_000, OTHER_DEVICE, GATE, False, id="another kiosk of the gate"),
        pytest.param(1_000, DEVICE, OTHER_GATE, False, id="the kiosk has moved"),
    ],
)
def test_a_repeat_is_within_four_seconds_at_the_same_device_and_gate(
    age_ms: int, device: object, gate: object, repeated: bool
) -> None:
    earlier = a_passage(at_ms=NOW_MS - age_ms, device_id=device, gate_id=gate)
    verdict = decide(some_facts(history=(earlier,)))
    assert isinstance(verdict, Admit) is repeated


@pytest.mark.parametrize(
    "facts",
    [
        pytest.param(some_facts(), id="first entry"),
        pytest.param(
            some_facts(policy=Policy(capacity=6), occupancy=Occupancy(5)), id="the last place"
        ),
        pytest.param(
            some_facts(ticket=a_ticket(reentry_allowed=True), history=CAME_AND_WENT),
            id="re-entry",
        ),
        pytest.param(some_facts(ticket=a_ticket(identity_bound=True)), id="identity"),
        pytest.param(some_facts(gate=EXIT_GATE, history=(ENTERED,)), id="exit"),
    ],
)
def test_the_same_scan_twice_gets_the_same_verdict(facts: Facts) -> None:
    first = admission(facts)
    passage = a_passage(scan_id=a_scan_id(9), at_ms=NOW_MS, direction=facts.gate.direction)
    inside = facts.occupancy.inside + (facts.gate.direction is Direction.ENTRY)
    again = some_facts(
        gate=facts.gate,
        time=a_time(now_ms=NOW_MS + 900),
        ticket=facts.ticket,
        history=(*facts.history, passage),
        policy=facts.policy,
        occupancy=Occupancy(inside),
    )
    assert admission(again) == Admit(first.outcome, first.check_identity, passage.scan_id)


def test_whoever_left_meanwhile_is_no_repeat() -> None:
    entered = a_passage(at_ms=NOW_MS - 3_000)
    left = a_passage(
        scan_id=a_scan_id(2),
        device_id=OTHER_DEVICE,
        direction=Direction.EXIT,
        at_ms=NOW_MS - 1_000,
    )
    verdict = decide(some_facts(history=(entered, left)))
    assert reason_codes(verdict) == ("MAX_ENTRIES",)


def test_a_ticket_revoked_within_the_four_seconds_is_refused() -> None:
    facts = some_facts(
        ticket=a_ticket(status=TicketStatus.REVOKED), history=(a_passage(at_ms=NOW_MS - 500),)
    )
    assert reason_codes(decide(facts)) == ("REVOKED",)
