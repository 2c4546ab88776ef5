"""THE admission decision: facts in, verdict out. Pure and total.

The offline gate, the online check and the server's replay all call it.
"""

from dataclasses import replace
from typing import Final

from shared.admission.facts import Direction, Facts, Occupancy, Passage
from shared.admission.rules import RULES, entries
from shared.admission.verdict import Admit, Outcome, Refuse, Verdict
from shared.ids import ScanId

SAME_PRESENTATION_MS: Final = 4_000


def decide(facts: Facts) -> Verdict:
    """Say who may pass, or every reason why not, in order of precedence."""
    repeated = repeated_passage(facts)
    judged = facts if repeated is None else _without(facts, repeated)
    reasons = tuple(reason for _, rule in RULES if (reason := rule(judged)) is not None)
    if reasons:
        return Refuse(reasons)
    return Admit(
        outcome=_outcome(judged),
        check_identity=_check_identity(judged),
        repeat_of=None if repeated is None else repeated.scan_id,
    )


def repeated_passage(facts: Facts) -> Passage | None:
    """Find the admission that this presentation merely repeats: one phone, read twice.

    Only the device that admitted may call it a repeat. Another kiosk at the same gate sees another
    person, or a copy.
    """
    for passage in sorted(facts.history, key=_passage_order, reverse=True):
        if passage.direction is not facts.gate.direction:
            return None  # Whoever went the other way since is presenting the ticket anew.
        same_place = (
            passage.gate_id == facts.gate.gate_id and passage.device_id == facts.gate.device_id
        )
        age_ms = facts.time.now_ms - passage.at_ms
        if same_place and 0 <= age_ms < SAME_PRESENTATION_MS:
            return passage
    return None


def _passage_order(passage: Passage) -> tuple[int, ScanId]:
    return (passage.at_ms, passage.scan_id)


def _without(facts: Facts, repeated: Passage) -> Facts:
    """Judge as if the repeated admission had not been made, so that it is judged alike."""
    counted = 1 if repeated.direction is Direction.ENTRY else 0
    return replace(
        facts,
        history=tuple(item for item in facts.history if item is not repeated),
        occupancy=Occupancy(max(0, facts.occupancy.inside - counted)),
    )


def _outcome(facts: Facts) -> Outcome:
    if facts.gate.direction is Direction.EXIT:
        return Outcome.EXIT
    if _check_identity(facts) or (facts.ticket is not None and facts.ticket.attention):
        return Outcome.ADMIT_ATTENTION
    if not facts.gate.peers_reachable:
        return Outcome.ADMIT_PROVISIONAL
    return Outcome.ADMIT_REENTRY if entries(facts) else Outcome.ADMIT


def _check_identity(facts: Facts) -> bool:
    identity_bound = facts.ticket is not None and facts.ticket.identity_bound
    return facts.gate.direction is Direction.ENTRY and (
        identity_bound or facts.policy.check_identity
    )
