"""Gathering the facts of one presentation: the code, what the gate knows, what happened before.

Decides nothing.
"""

from dataclasses import dataclass, replace
from typing import Final

from scanner_app.gate.gate_time import TimeReading
from scanner_app.gate.local_time import day_start_ms
from scanner_app.gate.ports import (
    EventKnowledge,
    GatePost,
    PassageRecord,
    TicketDirectory,
    TicketRow,
)
from shared.admission.facts import (
    CredentialFacts,
    CredentialProblem,
    Direction,
    Facts,
    GateFacts,
    MediumDemand,
    Occupancy,
    Passage,
    PresentedForm,
    TicketFacts,
    TicketStatus,
    TimeFacts,
)
from shared.credentials.layout import Core, Form, TicketFlag, counter_at
from shared.credentials.opening import OpenedCode, OpeningFailure

_PROBLEMS: Final = {
    OpeningFailure.FOREIGN: CredentialProblem.FOREIGN,
    OpeningFailure.OTHER_EVENT: CredentialProblem.OTHER_EVENT,
    OpeningFailure.FORGED: CredentialProblem.FORGED,
}


@dataclass(frozen=True, slots=True)
class GateConditions:
    """How the gate stands at this moment, apart from what it knows of the event."""

    time: TimeReading
    direction: Direction = Direction.ENTRY
    online: bool = True
    has_peers: bool = False
    """Whether other devices admit for the same deployment."""
    device_fault: bool = False
    lease_until_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Gathered:
    """The facts, with what the screen and the journal want to know beside them."""

    facts: Facts
    opened: OpenedCode | None
    row: TicketRow | None
    online: bool


def gather(
    text: str,
    knowledge: EventKnowledge,
    post: GatePost,
    records: tuple[TicketDirectory, PassageRecord],
    conditions: GateConditions,
) -> Gathered:
    """Read everything a decision about this text may look at."""
    tickets, passages = records
    opened = knowledge.keyring.open(text)
    if isinstance(opened, OpeningFailure):
        credential = CredentialFacts(PresentedForm.NONE, _PROBLEMS[opened])
        facts = _facts(knowledge, post, conditions, credential, None, ())
        return Gathered(facts, None, None, conditions.online)
    row = tickets.find(opened.ticket_id)
    credential = credential_facts(opened, row, conditions.time.now_ms)
    ticket = ticket_facts(opened, row, knowledge)
    history = passages.passages(opened.ticket_id)
    facts = _facts(knowledge, post, conditions, credential, ticket, history)
    capacity_counts = facts.policy.capacity is not None
    if capacity_counts:
        facts = replace(facts, occupancy=Occupancy(passages.inside_count()))
    return Gathered(facts, opened, row, conditions.online)


def credential_facts(opened: OpenedCode, row: TicketRow | None, now_ms: int) -> CredentialFacts:
    """Check generation and holder signature, and complete the window's counter."""
    counter = opened.counter_near(counter_at(now_ms))
    return CredentialFacts(
        form=PresentedForm(opened.form.letter),
        problem=_problem(opened, row, counter),
        counter=counter,
        synced_within_a_day=opened.payload.header.sync_age.within_a_day,
    )


def _problem(
    opened: OpenedCode, row: TicketRow | None, counter: int | None
) -> CredentialProblem | None:
    if row is not None and opened.generation < row.generation:
        return CredentialProblem.OUTDATED_GENERATION
    if opened.form is Form.STATIC:
        return None
    by_reference = opened.form is Form.ROTATING_REFERENCE
    if by_reference and row is None:
        return None
    if by_reference and row is not None and opened.generation > row.generation:
        return CredentialProblem.UNKNOWN_GENERATION
    return _holder_problem(opened, row, counter)


def _holder_problem(
    opened: OpenedCode, row: TicketRow | None, counter: int | None
) -> CredentialProblem | None:
    bound = row.holder if row is not None and row.generation == opened.generation else None
    holder = opened.holder or bound
    if holder is None:
        # By reference, and this gate has not heard that a holder was bound.
        return CredentialProblem.UNKNOWN_GENERATION
    if bound is not None and bound != holder:
        return CredentialProblem.WRONG_HOLDER
    signed = counter is not None and opened.shown_by(holder, counter)
    return None if signed else CredentialProblem.WRONG_HOLDER


def ticket_facts(
    opened: OpenedCode, row: TicketRow | None, knowledge: EventKnowledge
) -> TicketFacts | None:
    """Describe the ticket from the signed core where the code carries one, else from the row."""
    core = opened.core if opened.core is not None else row.core if row is not None else None
    if core is None:
        return None
    valid_from_ms, valid_until_ms = core.validity_ms(knowledge.base_time_ms)
    return TicketFacts(
        ticket_id=core.ticket_id,
        generation=opened.generation,
        tier=core.tier,
        zones=core.zones,
        valid_from_ms=valid_from_ms,
        valid_until_ms=valid_until_ms,
        status=_status(opened, row),
        static_allowed=TicketFlag.STATIC_ALLOWED in core.flags,
        reentry_allowed=TicketFlag.REENTRY in core.flags,
        identity_bound=TicketFlag.IDENTITY_BOUND in core.flags,
        attention=row is not None and row.attention,
        staff=TicketFlag.STAFF in core.flags,
        medium=_medium(core, row, knowledge),
    )


def _status(opened: OpenedCode, row: TicketRow | None) -> TicketStatus:
    if row is None:
        return TicketStatus.VALID
    newer = opened.generation > row.generation
    if newer and row.status is TicketStatus.TRANSFERRED:
        # What was passed on is the older generation; this code is the newer holder's.
        return TicketStatus.VALID
    return row.status


def _medium(core: Core, row: TicketRow | None, knowledge: EventKnowledge) -> MediumDemand:
    if row is not None and row.medium is not None:
        return row.medium
    tier = knowledge.tiers.get(core.tier)
    if TicketFlag.NFC_REQUIRED in core.flags:
        return MediumDemand.NFC if tier is None else _with_nfc(tier.medium)
    return MediumDemand.QR_OR_NFC if tier is None else tier.medium


def _with_nfc(medium: MediumDemand) -> MediumDemand:
    wants_code = medium in {MediumDemand.QR, MediumDemand.QR_AND_NFC}
    return MediumDemand.QR_AND_NFC if wants_code else MediumDemand.NFC


def _facts(  # noqa: PLR0913, PLR0917 - the one place where the parts of Facts meet
    knowledge: EventKnowledge,
    post: GatePost,
    conditions: GateConditions,
    credential: CredentialFacts,
    ticket: TicketFacts | None,
    history: tuple[Passage, ...],
) -> Facts:
    gate = knowledge.gates.get(post.gate_id)
    tier = None if ticket is None else ticket.tier
    return Facts(
        gate=GateFacts(
            gate_id=post.gate_id,
            device_id=post.device_id,
            zones=0xFFFF if gate is None else gate.zones,
            direction=conditions.direction,
            device_fault=conditions.device_fault,
            peers_reachable=conditions.online or not conditions.has_peers,
        ),
        time=TimeFacts(
            now_ms=conditions.time.now_ms,
            uncertainty_ms=conditions.time.uncertainty_ms,
            day_start_ms=day_start_ms(conditions.time.now_ms, knowledge.timezone),
            lease_until_ms=conditions.lease_until_ms,
        ),
        credential=credential,
        ticket=ticket,
        history=history,
        policy=knowledge.rule_book.policy_for(post.gate_id, tier),
    )
