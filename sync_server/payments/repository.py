"""SQL on payments, refunds and their accounts, and readings; every change of state goes through a
locked row.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Select, bindparam, func, literal_column, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from sync_server.kit.pagination import PageRequest
from sync_server.kit.prepared import PreparedStatement, change_of, entity, insertion, keep
from sync_server.payments.models import (
    Payment,
    PaymentReading,
    RefundAccount,
    ReturnedReceipt,
    StoredRefund,
)
from sync_server.payments.rules import CAPTURED, GIVEN_UP, OPEN, PaymentState, RefundState

_ONE_PAYMENT = select(Payment).where(Payment.id == bindparam("id"))
_PAYMENT = PreparedStatement(_ONE_PAYMENT)
_PAYMENT_LOCKED = PreparedStatement(_ONE_PAYMENT.with_for_update())
_MAY_CHANGE: Final = (
    "state",
    "attempts",
    "provider_reference",
    "redirect_url",
    "reason",
    "received_amount",
    "received_currency",
    "refunded_amount",
    "state_changed_at",
    "next_read_at",
)
"""All that is ever written of a payment after it was added."""


async def add(
    session: AsyncSession, row: Payment | RefundAccount | ReturnedReceipt | StoredRefund
) -> None:
    """Add a row as it stands; what was never set of it is null."""
    values = {column.key: getattr(row, column.key) for column in row.__table__.columns}
    await insertion(type(row), tuple(values)).rows(session, values)


async def find_payment(
    session: AsyncSession, payment_id: UUID, *, for_change: bool = False
) -> Payment | None:
    query = _PAYMENT_LOCKED if for_change else _PAYMENT
    row = await query.row(session, {"id": payment_id})
    return None if row is None else entity(Payment, row)


async def find_refund(
    session: AsyncSession, refund_id: UUID, *, for_change: bool = False
) -> StoredRefund | None:
    query = select(StoredRefund).where(StoredRefund.id == refund_id)
    return await session.scalar(query.with_for_update() if for_change else query)


async def find_refund_by_reference(session: AsyncSession, reference: UUID) -> StoredRefund | None:
    query = select(StoredRefund).where(StoredRefund.reference == reference)
    return await session.scalar(query)


async def find_retry(
    session: AsyncSession, organizer_id: UUID, refund_id: UUID
) -> StoredRefund | None:
    query = select(StoredRefund).where(
        StoredRefund.organizer_id == organizer_id, StoredRefund.retry_of == refund_id
    )
    return await session.scalar(query)


async def mismatched_payments(session: AsyncSession, page: PageRequest) -> Sequence[Payment]:
    """List one more than a page holds, where there are more."""
    # Written out, so that the index over these alone can serve.
    query = select(Payment).where(Payment.state == literal_column("'mismatched'"))
    if page.after is not None:
        query = query.where(Payment.id > page.after)
    return (await session.scalars(query.order_by(Payment.id).limit(page.limit + 1))).all()


async def find_return(
    session: AsyncSession, organizer_id: UUID, payment_id: UUID
) -> ReturnedReceipt | None:
    return await session.get(ReturnedReceipt, (organizer_id, payment_id))


async def waiting_refunds(
    session: AsyncSession, page: PageRequest
) -> Sequence[tuple[StoredRefund, Payment]]:
    query = _waiting()
    if page.after is not None:
        query = query.where(StoredRefund.id > page.after)
    found = await session.execute(query.order_by(StoredRefund.id).limit(page.limit + 1))
    return [(refund, payment) for refund, payment in found]


async def waiting_refunds_of_payment(
    session: AsyncSession, organizer_id: UUID, payment_id: UUID
) -> Sequence[tuple[StoredRefund, Payment]]:
    query = _waiting().where(
        StoredRefund.organizer_id == organizer_id, StoredRefund.payment_id == payment_id
    )
    found = await session.execute(query.order_by(StoredRefund.id))
    return [(refund, payment) for refund, payment in found]


def _waiting() -> Select[StoredRefund, Payment]:
    """What failed, and whose money is still with us: not asked for again, not given back by another
    refund of the same tickets, not taken back by a bank.
    """
    other = aliased(StoredRefund)
    follows = select(other.id).where(
        other.organizer_id == StoredRefund.organizer_id,
        other.payment_id == StoredRefund.payment_id,
        (other.retry_of == StoredRefund.id)
        | ((other.state != RefundState.FAILED) & other.lines.op("&&")(StoredRefund.lines)),
    )
    return (
        select(StoredRefund, Payment)
        .join(
            Payment,
            (Payment.organizer_id == StoredRefund.organizer_id)
            & (Payment.id == StoredRefund.payment_id),
        )
        .where(
            # Written out, so that the index over failed refunds alone can serve.
            StoredRefund.state == literal_column("'failed'"),
            Payment.state.in_(CAPTURED),
            Payment.amount - Payment.refunded_amount >= StoredRefund.amount,
            ~follows.exists(),
        )
    )


async def refunds_of_order(
    session: AsyncSession, organizer_id: UUID, order_id: UUID
) -> Sequence[tuple[StoredRefund, Payment]]:
    query = (
        select(StoredRefund, Payment)
        .join(
            Payment,
            (Payment.organizer_id == StoredRefund.organizer_id)
            & (Payment.id == StoredRefund.payment_id),
        )
        .where(Payment.organizer_id == organizer_id, Payment.order_id == order_id)
        .order_by(StoredRefund.id)
    )
    return [(refund, payment) for refund, payment in await session.execute(query)]


async def newest_account(
    session: AsyncSession, organizer_id: UUID, order_id: UUID
) -> RefundAccount | None:
    query = select(RefundAccount).where(
        RefundAccount.organizer_id == organizer_id, RefundAccount.order_id == order_id
    )
    return await session.scalar(query.order_by(RefundAccount.number.desc()).limit(1))


async def find_account(
    session: AsyncSession, organizer_id: UUID, account_id: UUID
) -> RefundAccount | None:
    return await session.get(RefundAccount, (organizer_id, account_id))


async def is_refunded(session: AsyncSession, payment: Payment) -> bool:
    """Say whether its provider gave anything of a payment back, or is about to."""
    made = await refunds_of_payment(session, payment.organizer_id, payment.id)
    outside = sum(row.amount for row in made if row.paid_from is not None)
    return payment.refunded_amount > outside


async def first_heard_at(
    session: AsyncSession, payment: Payment, findings: Collection[str]
) -> datetime | None:
    """Say when a provider first said one of these of a payment, since its state last changed."""
    query = select(func.min(PaymentReading.read_at)).where(
        PaymentReading.organizer_id == payment.organizer_id,
        PaymentReading.payment_id == payment.id,
        PaymentReading.refund_id.is_(None),
        PaymentReading.finding.in_(findings),
        PaymentReading.read_at >= payment.state_changed_at,
    )
    return await session.scalar(query)


async def find_by_reference(session: AsyncSession, reference: UUID) -> Payment | None:
    return await session.scalar(select(Payment).where(Payment.reference == reference))


async def find_by_provider_reference(
    session: AsyncSession, provider: str, provider_reference: str
) -> Payment | None:
    query = select(Payment).where(
        Payment.provider == provider, Payment.provider_reference == provider_reference
    )
    return (await session.scalars(query.limit(1))).first()


async def find_repeated_payment(
    session: AsyncSession, organizer_id: UUID, repeat_hash: bytes
) -> tuple[Payment, bytes | None] | None:
    """Give the payment that was asked for under a key, and the hash of what was asked."""
    query = select(Payment, Payment.request_hash).where(
        Payment.organizer_id == organizer_id, Payment.repeat_hash == repeat_hash
    )
    found = (await session.execute(query)).one_or_none()
    return None if found is None else (found[0], found[1])


async def find_repeated_refund(
    session: AsyncSession, organizer_id: UUID, repeat_hash: bytes
) -> tuple[StoredRefund, bytes | None] | None:
    """The same of a refund."""
    query = select(StoredRefund, StoredRefund.request_hash).where(
        StoredRefund.organizer_id == organizer_id, StoredRefund.repeat_hash == repeat_hash
    )
    found = (await session.execute(query)).one_or_none()
    return None if found is None else (found[0], found[1])


async def payments_of_order(
    session: AsyncSession, organizer_id: UUID, order_id: UUID
) -> Sequence[Payment]:
    query = select(Payment).where(
        Payment.organizer_id == organizer_id, Payment.order_id == order_id
    )
    return (await session.scalars(query.order_by(Payment.id))).all()


async def refunds_of_payment(
    session: AsyncSession, organizer_id: UUID, payment_id: UUID
) -> Sequence[StoredRefund]:
    query = select(StoredRefund).where(
        StoredRefund.organizer_id == organizer_id, StoredRefund.payment_id == payment_id
    )
    return (await session.scalars(query.order_by(StoredRefund.id))).all()


async def change(
    session: AsyncSession,
    row: Payment | StoredRefund,
    reading: Mapping[str, Any] | None = None,
    **values: Any,  # noqa: ANN401 - columns
) -> None:
    """Write columns of a row that is locked, with the reading they follow from if one does, and
    keep the object as it then stands.
    """
    sent = {**values, "row_organizer_id": row.organizer_id, "row_id": row.id}
    if reading is not None:
        sent |= {f"noted_{name}": value for name, value in reading.items()}
    noted = None if reading is None else PaymentReading
    await change_of(type(row), tuple(values), noted).rows(session, sent)
    keep(session, row, values)


async def change_as_seen(
    session: AsyncSession, seen: Payment, reading: Mapping[str, Any], values: Mapping[str, Any]
) -> bool:
    """The same for a payment that is not locked, if its row still is what was seen; False, and
    nothing written, where somebody changed it meanwhile.
    """
    place = {"row_organizer_id": seen.organizer_id, "row_id": seen.id}
    as_seen = {f"seen_{name}": getattr(seen, name) for name in _MAY_CHANGE}
    noted = {f"noted_{name}": value for name, value in reading.items()}
    statement = change_of(Payment, tuple(values), PaymentReading, _MAY_CHANGE)
    if not await statement.rows(session, {**values, **place, **as_seen, **noted}):
        return False
    keep(session, seen, values)
    return True


@dataclass(frozen=True, slots=True)
class Due:
    """How many are taken that are due at a moment, and when they are due again if whoever took
    them is killed.
    """

    moment: datetime
    limit: int
    again_after: timedelta


async def take_due_payments(
    session: AsyncSession, due: Due, looked_at: Collection[str]
) -> list[UUID]:
    """Give open payments that are to be asked about, then captured ones and those given up, of the
    rails `looked_at`, and let no other process take them now.
    """
    ids = await _take_due(session, Payment, due, Payment.state.in_(OPEN))
    rest = replace(due, limit=due.limit - len(ids))
    if rest.limit and looked_at:
        over = (Payment.state.in_(CAPTURED | GIVEN_UP), Payment.provider.in_(looked_at))
        ids += await _take_due(session, Payment, rest, *over)
    return ids


async def take_due_refunds(session: AsyncSession, due: Due) -> list[UUID]:
    return await _take_due(session, StoredRefund, due)


async def _take_due(
    session: AsyncSession,
    kind: type[Payment] | type[StoredRefund],
    due: Due,
    *among: ColumnElement[bool],
) -> list[UUID]:
    query = (
        select(kind.id)
        .where(kind.next_read_at <= due.moment, *among)
        .order_by(kind.next_read_at)
        .limit(due.limit)
        .with_for_update(skip_locked=True)
    )
    ids = list(await session.scalars(query))
    if ids:
        await session.execute(
            update(kind)
            .where(kind.id.in_(ids))
            .values(next_read_at=due.moment + due.again_after)
            .execution_options(synchronize_session=False),
        )
    return ids


async def count_open(session: AsyncSession, organizer_id: UUID, order_id: UUID) -> int:
    """Count the payments of an order that may still succeed."""
    rows = await payments_of_order(session, organizer_id, order_id)
    return sum(PaymentState(row.state) in OPEN for row in rows)
