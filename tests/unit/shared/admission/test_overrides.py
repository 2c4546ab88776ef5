import pytest

from shared.admission.verdict import (
    SUPERVISOR_MAY_OVERRIDE,
    Admit,
    Outcome,
    Reason,
    Refusal,
    Refuse,
    Verdict,
    reason_codes,
)

NEVER = {
    "DEVICE_ERROR",
    "LEASE_EXPIRED",
    "TIME_UNTRUSTED",
    "NOT_A_TICKET",
    "BAD_SIGNATURE",
    "WRONG_EVENT",
    "REVOKED",
    "TRANSFERRED",
    "CANCELLED",
    "REFUNDED",
    "PAYMENT_REVERSED",
    "BLOCKED",
    "STALE_CODE",
}


def test_what_no_supervisor_may_override() -> None:
    assert {refusal.value for refusal in set(Refusal) - SUPERVISOR_MAY_OVERRIDE} == NEVER


@pytest.mark.parametrize(
    ("verdict", "allowed"),
    [
        (Refuse((Reason(Refusal.TOO_EARLY),)), True),
        (Refuse((Reason(Refusal.TOO_EARLY), Reason(Refusal.WRONG_GATE))), True),
        (Refuse((Reason(Refusal.REVOKED),)), False),
        (Refuse((Reason(Refusal.REVOKED), Reason(Refusal.TOO_EARLY))), False),
    ],
)
def test_an_override_needs_every_reason_to_allow_it(verdict: Refuse, allowed: bool) -> None:
    assert verdict.supervisor_may_override is allowed


@pytest.mark.parametrize(
    ("verdict", "codes"),
    [
        (Admit(Outcome.ADMIT), ()),
        (Refuse((Reason(Refusal.REVOKED), Reason(Refusal.UNPAID))), ("REVOKED", "UNPAID")),
    ],
)
def test_a_verdict_lists_its_reasons_for_the_wire(verdict: Verdict, codes: tuple[str, ...]) -> None:
    assert reason_codes(verdict) == codes
