"""Amounts as providers write them, in major units, and back; what is finer than a currency's minor
unit is refused and never rounded, but for a provider's own fee.
"""

from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal, DecimalException
from typing import Any, Final

from shared.money import CURRENCY_EXPONENTS, Money
from sync_server.payments.providers.calls import json_bytes

_DIGITS_MAX: Final = 18


def to_major(money: Money) -> str:
    """Write an amount in major units: `5000` of UGX, `50.00` of KES."""
    exponent = CURRENCY_EXPONENTS[money.currency]
    return f"{Decimal(money.minor_units).scaleb(-exponent):.{exponent}f}"


def json_with_amount(document: Mapping[str, Any], amount: Money) -> bytes:
    """Write a document whose `amount` is a number, digit for digit as it is in major units."""
    head = f'{{"amount":{to_major(amount)}'.encode()
    rest = json_bytes(document).removeprefix(b"{")
    return head + (rest if rest == b"}" else b"," + rest)


def from_major(written: object, currency: object) -> Money | None:
    """Read an amount that a provider wrote as text or as a number; None where it is none, or is
    finer than the currency. Thousands may be parted by commas.
    """
    minor = _minor_units(written, currency)
    if minor is None or minor != minor.to_integral_value():
        return None
    return Money(int(minor), str(currency))


def fee_from_major(written: object, currency: object) -> Money | None:
    """Read a provider's fee, which may be finer than the currency: `98.6` shillings are 99. What
    the rounding leaves is booked when the money is settled.
    """
    minor = _minor_units(written, currency)
    if minor is None:
        return None
    return Money(int(minor.to_integral_value(ROUND_HALF_UP)), str(currency))


def _minor_units(written: object, currency: object) -> Decimal | None:
    if not isinstance(currency, str) or currency not in CURRENCY_EXPONENTS:
        return None
    if isinstance(written, bool) or not isinstance(written, str | int | Decimal):
        return None
    try:
        minor = Decimal(str(written).replace(",", "").strip()).scaleb(CURRENCY_EXPONENTS[currency])
    except (DecimalException, ValueError):
        return None
    # Longer than any amount, and longer than what can be worked with.
    return minor if minor.is_finite() and abs(minor.adjusted()) < _DIGITS_MAX else None
