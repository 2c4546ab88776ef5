"""A bank's statement as reconciliation reads all statements; pure.

A payment is named by the reference that its buyer wrote, a payout by our own. What came and names
none may be what a provider settled, and what was taken back of a payment is a reversal. What came
back of a payout, and the rest, is left to people.
"""

from datetime import UTC, datetime, time, timedelta, timezone
from typing import Final
from uuid import UUID

from shared.money import Money
from sync_server.payments.providers.bank.statements import BankFile, BankMovement, Side
from sync_server.payments.statements import Direction, LineKind, StatementLine

# A bank books by the day: noon is on that day wherever anybody looks from.
_NOON: Final = time(12, tzinfo=timezone(timedelta(hours=3)))


def statement_lines(file: BankFile) -> list[StatementLine]:
    """Give every movement that has a day and an amount."""
    lines = (_line(movement) for movement in file.movements)
    return [line for line in lines if line is not None]


def _line(movement: BankMovement) -> StatementLine | None:
    if movement.booked_on is None or movement.amount.minor_units == 0:
        return None
    return StatementLine(
        key=movement.key,
        kind=_kind(movement),
        reference=_ours(movement.end_to_end_id),
        provider_reference=movement.payment_reference or movement.bank_reference or None,
        amount=movement.amount,
        fee=movement.charges or Money(0, movement.amount.currency),
        booked_at=datetime.combine(movement.booked_on, _NOON).astimezone(UTC),
        direction=Direction.CREDIT if movement.side is Side.CREDIT else Direction.DEBIT,
        other_keys=movement.other_keys,
        former_key=movement.former_key,
    )


def _kind(movement: BankMovement) -> LineKind:
    if movement.is_return:
        is_taken_back = movement.side is Side.DEBIT and movement.payment_reference
        return LineKind.REVERSAL if is_taken_back else LineKind.OTHER
    if movement.is_charge:
        return LineKind.FEE
    if movement.side is Side.CREDIT:
        # What came and names no payment may be what a provider settled; nobody else pays us.
        return LineKind.COLLECTION if movement.payment_reference else LineKind.SETTLEMENT
    return LineKind.DISBURSEMENT if _ours(movement.end_to_end_id) else LineKind.OTHER


def _ours(end_to_end_id: str) -> str | None:
    """Give our reference, which went out without its dashes."""
    try:
        return str(UUID(end_to_end_id))
    except ValueError:
        return None
