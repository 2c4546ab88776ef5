import pytest

from scanner_app.gate.session import Judgement
from scanner_app.ui.showing import shown_verdict
from shared.admission.verdict import Admit, Outcome, Reason, Refusal, Refuse
from tests.factories.admission import NOW_MS, a_scan_id, a_ticket, some_facts


def test_without_knowledge_only_verdict_and_time_are_shown() -> None:
    verdict = Refuse((Reason(Refusal.DEVICE_ERROR),))
    shown = shown_verdict(Judgement(a_scan_id(), verdict, None, None, None), None, 1_234)
    assert (shown.verdict, shown.at_ms, shown.tier_name) == (verdict, 1_234, "")


@pytest.mark.parametrize("attention", [True, False])
def test_the_time_is_that_of_the_facts(attention: bool) -> None:
    facts = some_facts(ticket=a_ticket(attention=attention))
    judgement = Judgement(a_scan_id(), Admit(Outcome.ADMIT_ATTENTION), facts, None, None)
    assert shown_verdict(judgement, None, 0).at_ms == NOW_MS
