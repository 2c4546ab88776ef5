"""What may become of an order, how long tickets are held for it, and what a promo code takes off;
pure.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from enum import StrEnum
from typing import Final

from shared.money import Money
from sync_server.orders.rules import BASIS_POINTS
from sync_server.payments.rules import Provider


class OrderState(StrEnum):
    """`expired` and `cancelled` hold no tickets any more; `reversed` lost its money."""

    HELD = "held"
    PAID = "paid"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    REVERSED = "reversed"


class Channel(StrEnum):
    ONLINE = "online"
    BOX_OFFICE = "box_office"


COUNTED: Final = (OrderState.HELD, OrderState.PAID)
"""Their tickets are the buyer's: held, or sold."""
CHOOSING: Final = timedelta(minutes=15)
"""How long tickets are held for somebody who has not chosen a way to pay."""
PAYMENTS_MAX: Final = 6
"""How often a buyer may try to pay one order: each try holds its tickets longer."""
PAID_WITHIN: Final[Mapping[Provider, timedelta]] = {
    Provider.AIRTEL: timedelta(minutes=10),
    Provider.BANK: timedelta(days=2),
    Provider.FLUTTERWAVE: timedelta(minutes=30),
    Provider.MTN: timedelta(minutes=10),
    Provider.PESAPAL: timedelta(minutes=30),
}
"""How long a rail may take until the buyer said yes; of a bank, working days."""
_EAST_AFRICA: Final = timezone(timedelta(hours=3))
_SATURDAY: Final = 5
NUMBER_BYTES: Final = 7
_DIGITS: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
AFTERWARDS: Final = timedelta(minutes=5)
"""How much longer than a rail tickets are held: its answer is on the way."""
GRACE_DAYS: Final = 2
"""Working days more that a bank is given than its payer is told: what is transferred on the last
day takes up to one, and stands in the statement of the evening after.
"""


def paid_until(now: datetime, provider: Provider) -> datetime:
    """Say until when a buyer is told to pay. A bank clears nothing on a weekend, so a Friday's
    transfer would come when its tickets are let go.
    """
    if provider is not Provider.BANK:
        return now + PAID_WITHIN[provider]
    # Whoever orders on a weekend begins on Monday.
    return _working_days_later(now, PAID_WITHIN[provider].days + (not _is_working_day(now)))


def _working_days_later(moment: datetime, days: int) -> datetime:
    until, days_left = moment, days
    while days_left:
        until += timedelta(days=1)
        days_left -= _is_working_day(until)
    return until


def _is_working_day(moment: datetime) -> bool:
    return moment.astimezone(_EAST_AFRICA).weekday() < _SATURDAY


def held_while_paying(held_until: datetime, now: datetime, provider: Provider) -> datetime:
    """Say until when tickets are held once a way to pay was chosen; never shorter than before."""
    until = paid_until(now, provider)
    if provider is Provider.BANK:
        until = _working_days_later(until, GRACE_DAYS)
    return max(held_until, until + AFTERWARDS)


def order_number(randomness: bytes) -> str:
    """Write 50 random bits as what people read out to one another."""
    number = int.from_bytes(randomness[:NUMBER_BYTES], "big")
    digits = [_DIGITS[number >> shift & 31] for shift in range(45, -1, -5)]
    return f"ZG-{''.join(digits[:5])}-{''.join(digits[5:])}"


class Outcome(StrEnum):
    """What is done with money that came for an order."""

    ISSUE = "issue"
    RESERVE_ANEW = "reserve_anew"
    GIVE_BACK = "give_back"


def on_capture(state: OrderState) -> Outcome:
    """Money for an order that waits buys its tickets; late money buys them if they are still there;
    what was paid twice, or after the buyer gave up, goes back.
    """
    return {
        OrderState.HELD: Outcome.ISSUE,
        OrderState.EXPIRED: Outcome.RESERVE_ANEW,
    }.get(state, Outcome.GIVE_BACK)


@dataclass(frozen=True, slots=True)
class Discount:
    """What a promo code takes off: a rate in basis points, or an amount."""

    basis_points: int | None
    amount: Money | None


def discount_of(promised: Discount, price: Money) -> Money:
    """Give what is taken off a price, at most all of it; nothing in another currency."""
    if promised.amount is not None:
        if promised.amount.currency != price.currency:
            return Money(0, price.currency)
        return Money(min(promised.amount.minor_units, price.minor_units), price.currency)
    rated = price.minor_units * (promised.basis_points or 0)
    return Money((2 * rated + BASIS_POINTS) // (2 * BASIS_POINTS), price.currency)
