"""Takes from a judgement what the screen may know of it: names, never a code. Words nothing."""

from scanner_app.gate.ports import EventKnowledge
from scanner_app.gate.session import Judgement
from scanner_app.ui.verdict_words import ShownVerdict


def shown_verdict(
    judgement: Judgement, knowledge: EventKnowledge | None, now_ms: int
) -> ShownVerdict:
    """Make a judgement fit for the screen; `now_ms` is the gate's time where no facts say it."""
    facts, row = judgement.facts, judgement.row
    at_ms = now_ms if facts is None else facts.time.now_ms
    if knowledge is None:
        return ShownVerdict(verdict=judgement.verdict, at_ms=at_ms)
    ticket = None if facts is None else facts.ticket
    tier = None if ticket is None else knowledge.tiers.get(ticket.tier)
    return ShownVerdict(
        verdict=judgement.verdict,
        at_ms=at_ms,
        timezone=knowledge.timezone,
        gate_names={gate_id: gate.name for gate_id, gate in knowledge.gates.items()},
        tier_name="" if tier is None else tier.name,
        holder_name="" if row is None else row.holder_name or "",
        seat="" if row is None else row.seat or "",
        marked=ticket is not None and ticket.attention,
    )
