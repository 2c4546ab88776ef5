"""Payouts as people ask for them and decide on them, under their own names; `flow` pays them."""

from collections import defaultdict
from collections.abc import Collection
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from shared.ids import OrganizerId
from sync_server.audit import service as audit
from sync_server.audit.rules import Action, Subject
from sync_server.identity.rules import UserId
from sync_server.kit.claims import WORKER
from sync_server.kit.database import violated_constraint
from sync_server.kit.instants import instant
from sync_server.kit.outbox import Message, publish
from sync_server.kit.pagination import Page, PageRequest, page_of
from sync_server.kit.problems import ProblemError
from sync_server.kit.services import Services
from sync_server.ledger import service as ledger
from sync_server.ledger.errors import OverdraftError
from sync_server.ledger.rules import AccountKind, account_from_name
from sync_server.organizers.callers import OrganizerCaller
from sync_server.organizers.errors import OrganizerNotFoundError
from sync_server.payments.rails import rails_of
from sync_server.payments.rules import Provider, amount_max
from sync_server.payouts import repository
from sync_server.payouts.errors import (
    DestinationNotFoundError,
    DestinationUnusableError,
    HoldRuleChangedError,
    OtherNameError,
    OwedError,
    PayoutDecidedError,
    PayoutNotFoundError,
    PayoutTooLargeError,
    RailNotOfferedError,
    TwoPeopleNeededError,
)
from sync_server.payouts.models import HoldRule, Payout, PayoutDestination
from sync_server.payouts.rules import HOLD_DAYS_DEFAULT, REFUSABLE, WAITING, PayoutState
from sync_server.payouts.schemas import (
    AmountsShown,
    Approval,
    AttemptShown,
    HoldRuleShown,
    NewHoldRule,
    NewPayout,
    PayoutDetails,
    PayoutEntryShown,
    PayoutShown,
    Refusal,
)

APPROVED: Final = "payout.approved"
REFUSED: Final = "payout.refused"
_REFERENCE_BYTES: Final = 16
_NUMBER_DIGITS: Final = 20
_REFUSALS: Final[dict[str, type[ProblemError]]] = {
    "ck_finance_guarded_balances_overdraft": OverdraftError,
    "ck_payouts_owed": OwedError,
    "ck_payouts_destination": DestinationUnusableError,
    "ck_payouts_two_people": TwoPeopleNeededError,
    "fk_payout_hold_rules_organizer_id": OrganizerNotFoundError,
    "pk_payout_hold_rules": HoldRuleChangedError,
}
_SHOWN_AS: Final = {
    AccountKind.ORGANIZER_PENDING: "pending",
    AccountKind.ORGANIZER_AVAILABLE: "available",
    AccountKind.PAYOUT_IN_TRANSIT: "in_transit",
    AccountKind.ORGANIZER_RECEIVABLE: "owed",
}


async def read_balances(session: AsyncSession, organizer_id: OrganizerId) -> list[AmountsShown]:
    """Sum what is pending, available, in transit and owed, in each currency."""
    sums: dict[str, dict[str, int]] = defaultdict(lambda: dict.fromkeys(_SHOWN_AS.values(), 0))
    for row in await ledger.list_balances(session, organizer_id):
        kind = account_from_name(row.account).kind
        if kind in _SHOWN_AS:
            # What an organizer has is a credit, what it owes a debit.
            sign = 1 if kind is AccountKind.ORGANIZER_RECEIVABLE else -1
            sums[row.currency][_SHOWN_AS[kind]] += sign * row.balance
    return [AmountsShown(currency=currency, **sums[currency]) for currency in sorted(sums)]


async def read_hold_rule(session: AsyncSession, organizer_id: UUID) -> HoldRuleShown:
    rule = await repository.newest_hold_rule(session, organizer_id)
    if rule is None:
        return HoldRuleShown(version=0, hold_days=HOLD_DAYS_DEFAULT, reason=None, set_at=None)
    return HoldRuleShown(
        version=rule.version, hold_days=rule.hold_days, reason=rule.reason, set_at=rule.set_at
    )


async def set_hold_rule(
    services: Services, admin_id: UserId, organizer_id: OrganizerId, wanted: NewHoldRule
) -> HoldRuleShown:
    """Set how long this organizer's money is held from now on; what was released stays so."""
    async with services.database.transaction(WORKER) as session:
        before = await read_hold_rule(session, organizer_id)
        rule = HoldRule(
            organizer_id=organizer_id,
            version=before.version + 1,
            hold_days=wanted.hold_days,
            reason=wanted.reason,
            set_by=admin_id,
            set_at=instant(services.clock.now_ms()),
        )
        await _add(session, rule)
        change = Action(
            "payout_hold_rule.set",
            Subject("payout_hold_rule", str(organizer_id), organizer_id),
            {"hold_days": before.hold_days},
            {"hold_days": rule.hold_days},
            reason=wanted.reason,
            actor_id=admin_id,
        )
        await audit.record_action(session, services, change)
        return await read_hold_rule(session, organizer_id)


async def request_payout(
    caller: OrganizerCaller, services: Services, wanted: NewPayout
) -> PayoutShown:
    """Set money aside for a payout; the database refuses what the organizer does not have."""
    place = (caller.organizer_id, wanted.destination_id)
    destination = await repository.find_destination(caller.session, *place)
    if destination is None:
        raise DestinationNotFoundError
    require_offered(services, Provider(destination.rail))
    limit = amount_max(Provider(destination.rail), wanted.currency)
    if limit is not None and wanted.amount > limit:
        raise PayoutTooLargeError(extra={"amount_max": limit})
    row = _new_payout(caller, services, wanted, destination)
    await _add(caller.session, row)
    asked = {"number": row.number, "amount": row.amount, "currency": row.currency}
    await _record(caller, services, Action("payout.request", _subject(row), after=asked))
    return PayoutShown.model_validate(row)


async def approve_payout(
    caller: OrganizerCaller, services: Services, payout_id: UUID, approval: Approval
) -> PayoutShown:
    """Let the money go; the worker sends it once this is committed."""
    row = await _lock(caller, payout_id, WAITING)
    require_offered(services, Provider(row.rail))
    if row.state == PayoutState.STOPPED and not approval.accepts_name:
        raise OtherNameError(extra={"destination_id": str(row.destination_id)})
    now = instant(services.clock.now_ms())
    before = row.state
    # Should the news of it be lost, the watch finds it.
    values = {"accepts_name": approval.accepts_name, "next_read_at": now}
    await _decide(caller, row, now, state=PayoutState.APPROVED, **values)
    states = ({"state": before}, {"state": row.state, "accepts_name": row.accepts_name})
    await _record(caller, services, Action("payout.approve", _subject(row), *states))
    ids = {"payout_id": str(row.id)}
    await publish(caller.session, Message(APPROVED, caller.organizer_id, payload=ids))
    return PayoutShown.model_validate(row)


async def refuse_payout(
    caller: OrganizerCaller, services: Services, payout_id: UUID, refusal: Refusal
) -> PayoutShown:
    """Give the money back to what is available, also of what was approved and never sent: of a
    person who refuses and a worker who sends, whoever locks the row first prevails.
    """
    row = await _lock(caller, payout_id, REFUSABLE)
    now = instant(services.clock.now_ms())
    before = row.state
    values = {"reason": refusal.reason, "next_read_at": None}
    await _decide(caller, row, now, state=PayoutState.REFUSED, **values)
    states = ({"state": before}, {"state": row.state})
    refused = Action("payout.refuse", _subject(row), *states, reason=refusal.reason)
    await _record(caller, services, refused)
    ids = {"payout_id": str(row.id)}
    await publish(caller.session, Message(REFUSED, caller.organizer_id, payload=ids))
    return PayoutShown.model_validate(row)


def require_offered(services: Services, rail: Provider) -> None:
    """Raise RailNotOfferedError where nothing can be paid out this way now."""
    if rail not in rails_of(services).disbursers:
        raise RailNotOfferedError


async def list_payouts(caller: OrganizerCaller, page: PageRequest) -> Page[PayoutShown]:
    rows = await repository.list_payouts(caller.session, caller.organizer_id, page)
    return page_of(rows, page, PayoutShown.model_validate, lambda row: row.id)


async def read_payout(caller: OrganizerCaller, payout_id: UUID) -> PayoutDetails:
    """Show a payout with what its rail said and what stands in the books."""
    place = (caller.organizer_id, payout_id)
    row = await repository.find_of_organizer(caller.session, *place)
    if row is None:
        raise PayoutNotFoundError
    attempts = await repository.list_attempts(caller.session, *place)
    entries = await repository.list_ledger_entries(caller.session, *place)
    return PayoutDetails(
        **PayoutShown.model_validate(row).model_dump(),
        attempts=[AttemptShown.model_validate(attempt) for attempt in attempts],
        entries=[PayoutEntryShown.model_validate(entry) for entry in entries],
    )


def _new_payout(
    caller: OrganizerCaller,
    services: Services,
    wanted: NewPayout,
    destination: PayoutDestination,
) -> Payout:
    now = instant(services.clock.now_ms())
    # MTN takes a UUID of version 4 and nothing else.
    reference = UUID(bytes=services.randomness(_REFERENCE_BYTES), version=4)
    return Payout(
        organizer_id=caller.organizer_id,
        id=services.new_id(),
        number=f"PO{reference.hex[:_NUMBER_DIGITS].upper()}",
        destination_id=destination.id,
        rail=destination.rail,
        state=PayoutState.REQUESTED,
        reference=reference,
        provider_reference=None,
        currency=wanted.currency,
        amount=wanted.amount,
        rail_fee=0,
        reason=None,
        requested_by=caller.user_id,
        requested_at=now,
        decided_by=None,
        decided_at=None,
        accepts_name=False,
        attempts=0,
        sent_at=None,
        state_changed_at=now,
        next_read_at=None,
    )


async def _lock(
    caller: OrganizerCaller, payout_id: UUID, states: Collection[PayoutState]
) -> Payout:
    """Give a payout that a person may decide on, and that this person did not ask for."""
    place = (caller.organizer_id, payout_id)
    row = await repository.lock_unsent(caller.session, *place, states)
    if row is not None:
        return row
    # The database lets nobody reach what they asked for themselves, nor what is decided.
    seen = await repository.find_of_organizer(caller.session, *place)
    if seen is None:
        raise PayoutNotFoundError
    is_own = seen.requested_by == caller.user_id and PayoutState(seen.state) in states
    raise TwoPeopleNeededError if is_own else PayoutDecidedError


async def _add(session: AsyncSession, row: Payout | HoldRule) -> None:
    try:
        await repository.add(session, row)
    except IntegrityError as error:
        raise _refusal(error) from error


async def _decide(
    caller: OrganizerCaller,
    row: Payout,
    now: datetime,
    **values: Any,  # noqa: ANN401 - columns
) -> None:
    who_and_when = {"decided_by": caller.user_id, "decided_at": now, "state_changed_at": now}
    try:
        await repository.change(caller.session, row, **who_and_when, **values)
    except IntegrityError as error:
        raise _refusal(error) from error


async def _record(caller: OrganizerCaller, services: Services, action: Action) -> None:
    await audit.record_action(caller.session, services, action)


def _refusal(error: IntegrityError) -> Exception:
    refusal = _REFUSALS.get(violated_constraint(error) or "")
    return error if refusal is None else refusal()


def _subject(row: Payout) -> Subject:
    return Subject("payout", str(row.id), row.organizer_id)
