import pytest

from shared.admission.decide import decide
from shared.admission.facts import (
    CredentialProblem,
    Facts,
    MediumDemand,
    Occupancy,
    PresentedForm,
    TicketStatus,
)
from shared.admission.policy import Policy, TimeWindow
from shared.admission.rules import RULES
from shared.admission.verdict import (
    Refusal,
    reason_codes,
)
from tests.factories.admission import (
    CAME_AND_WENT,
    ENTERED,
    EXIT_GATE,
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

STATIC = PresentedForm.STATIC


def with_problem(problem: CredentialProblem) -> Facts:
    return some_facts(credential=a_credential(problem=problem))


def with_status(status: TicketStatus) -> Facts:
    return some_facts(ticket=a_ticket(status=status))


def with_policy(**settings: object) -> Facts:
    return some_facts(policy=Policy(**settings))  # type: ignore[arg-type]


REFUSALS = [
    pytest.param(some_facts(gate=a_gate(device_fault=True)), "DEVICE_ERROR"),
    pytest.param(some_facts(time=a_time(lease_until_ms=NOW_MS)), "LEASE_EXPIRED"),
    pytest.param(some_facts(time=a_time(uncertainty_ms=None)), "TIME_UNTRUSTED"),
    pytest.param(
        some_facts(
            time=a_time(uncertainty_ms=None),
            credential=a_credential(form=PresentedForm.ROTATING_SELF_CONTAINED),
        ),
        "TIME_UNTRUSTED",
    ),
    pytest.param(
        some_facts(
            credential=a_credential(
                form=PresentedForm.NONE, problem=CredentialProblem.FOREIGN, counter=None
            ),
            ticket=None,
        ),
        "NOT_A_TICKET",
    ),
    pytest.param(with_problem(CredentialProblem.FORGED), "BAD_SIGNATURE"),
    pytest.param(with_problem(CredentialProblem.WRONG_HOLDER), "BAD_SIGNATURE"),
    pytest.param(some_facts(ticket=None), "UNKNOWN_TICKET"),
    pytest.param(with_problem(CredentialProblem.UNKNOWN_GENERATION), "UNKNOWN_TICKET"),
    pytest.param(with_problem(CredentialProblem.OTHER_EVENT), "WRONG_EVENT"),
    pytest.param(with_status(TicketStatus.REVOKED), "REVOKED"),
    pytest.param(with_status(TicketStatus.TRANSFERRED), "TRANSFERRED"),
    pytest.param(with_problem(CredentialProblem.OUTDATED_GENERATION), "TRANSFERRED"),
    pytest.param(with_status(TicketStatus.CANCELLED), "CANCELLED"),
    pytest.param(with_status(TicketStatus.REFUNDED), "REFUNDED"),
    pytest.param(with_status(TicketStatus.PAYMENT_REVERSED), "PAYMENT_REVERSED"),
    pytest.param(with_status(TicketStatus.UNPAID), "UNPAID"),
    pytest.param(with_status(TicketStatus.BLOCKED), "BLOCKED"),
    pytest.param(some_facts(credential=a_credential(counter=COUNTER - 6)), "STALE_CODE"),
    pytest.param(some_facts(credential=a_credential(counter=COUNTER + 2)), "PHONE_CLOCK"),
    pytest.param(
        some_facts(credential=a_credential(form=STATIC, counter=None)), "STATIC_NOT_ALLOWED"
    ),
    pytest.param(
        some_facts(
            credential=a_credential(form=STATIC, counter=None),
            ticket=a_ticket(static_allowed=True),
            policy=Policy(static_open=False),
        ),
        "STATIC_NOT_ALLOWED",
    ),
    pytest.param(some_facts(ticket=a_ticket(medium=MediumDemand.NFC)), "NFC_REQUIRED"),
    pytest.param(some_facts(ticket=a_ticket(medium=MediumDemand.QR_AND_NFC)), "NFC_REQUIRED"),
    pytest.param(
        some_facts(
            credential=a_credential(
                form=PresentedForm.NFC, counter=None, qr_presented=False, nfc_presented=True
            ),
            ticket=a_ticket(medium=MediumDemand.QR),
        ),
        "QR_REQUIRED",
    ),
    pytest.param(
        some_facts(
            credential=a_credential(
                form=PresentedForm.NFC, counter=None, qr_presented=False, nfc_presented=True
            ),
            ticket=a_ticket(medium=MediumDemand.QR_AND_NFC),
        ),
        "QR_REQUIRED",
    ),
    pytest.param(some_facts(credential=a_credential(medium_invalid=True)), "MEDIUM_INVALID"),
    pytest.param(some_facts(ticket=a_ticket(valid_from_ms=NOW_MS + 1)), "TOO_EARLY"),
    pytest.param(with_policy(windows=(TimeWindow(NOW_MS + 1, NOW_MS + 2),)), "TOO_EARLY"),
    pytest.param(some_facts(ticket=a_ticket(valid_until_ms=NOW_MS)), "TOO_LATE"),
    pytest.param(with_policy(windows=(TimeWindow(NOW_MS - 2, NOW_MS),)), "TOO_LATE"),
    pytest.param(with_policy(gates=frozenset({OTHER_GATE})), "WRONG_GATE"),
    pytest.param(some_facts(gate=a_gate(zones=0b1000)), "WRONG_ZONE"),
    pytest.param(with_policy(tiers=frozenset({1, 3})), "WRONG_TIER"),
    pytest.param(with_policy(entry_open=False), "RULE_REFUSED"),
    pytest.param(some_facts(history=(ENTERED,)), "ALREADY_INSIDE_HERE"),
    pytest.param(some_facts(history=(a_passage(gate_id=OTHER_GATE),)), "ALREADY_INSIDE_OTHER_GATE"),
    pytest.param(some_facts(gate=EXIT_GATE), "NOT_INSIDE"),
    pytest.param(some_facts(gate=EXIT_GATE, history=CAME_AND_WENT), "NOT_INSIDE"),
    pytest.param(some_facts(history=CAME_AND_WENT), "MAX_ENTRIES"),
    pytest.param(some_facts(policy=Policy(capacity=5), occupancy=Occupancy(5)), "CAPACITY_REACHED"),
]


@pytest.mark.parametrize(("facts", "code"), REFUSALS)
def test_each_refusal_has_facts_that_lead_to_it_alone(facts: Facts, code: str) -> None:
    verdict = decide(facts)
    assert verdict.code == code
    assert reason_codes(verdict) == (code,)


def test_every_refusal_has_a_row() -> None:
    assert {str(row.values[1]) for row in REFUSALS} == {refusal.value for refusal in Refusal}


def test_there_is_one_rule_a_refusal_in_order_of_precedence() -> None:
    assert [refusal for refusal, _ in RULES] == list(Refusal)


@pytest.mark.parametrize(("facts", "code"), REFUSALS)
def test_each_rule_gives_its_own_refusal(facts: Facts, code: str) -> None:
    reason = dict(RULES)[Refusal(code)](facts)
    assert reason is not None
    assert reason.refusal == code


def test_all_failing_rules_are_kept_and_the_first_is_shown() -> None:
    verdict = refusal(
        some_facts(
            gate=a_gate(device_fault=True, zones=0b1000),
            credential=a_credential(counter=COUNTER - 100),
            ticket=a_ticket(status=TicketStatus.REVOKED, valid_until_ms=NOW_MS),
            history=(a_passage(gate_id=OTHER_GATE),),
            policy=Policy(capacity=0),
        )
    )
    assert reason_codes(verdict) == (
        "DEVICE_ERROR",
        "REVOKED",
        "STALE_CODE",
        "TOO_LATE",
        "WRONG_ZONE",
        "ALREADY_INSIDE_OTHER_GATE",
        "CAPACITY_REACHED",
    )
    assert verdict.code == "DEVICE_ERROR"


def test_a_foreign_code_is_not_also_an_unknown_ticket() -> None:
    facts = some_facts(
        credential=a_credential(problem=CredentialProblem.FOREIGN, counter=None), ticket=None
    )
    assert reason_codes(decide(facts)) == ("NOT_A_TICKET",)
