"""Integer money: minor units with their currency. No fractions, no conversion, no formatting."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from shared.errors import MoneyError

CURRENCY_EXPONENTS: Final = {
    "BIF": 0,
    "EUR": 2,
    "KES": 2,
    "RWF": 0,
    "TZS": 2,
    "UGX": 0,
    "USD": 2,
    "XTS": 0,
}
"""Minor-unit digits by ISO 4217; XTS is the code reserved for tests."""


class CurrencyMismatchError(MoneyError):
    """Two amounts in different currencies were combined."""

    code = "currency_mismatch"


class UnknownCurrencyError(MoneyError):
    """A currency this system does not trade in."""

    code = "unknown_currency"


@dataclass(frozen=True, slots=True, order=False)
class Money:
    """An amount in minor units; it may be negative, as ledger entries are."""

    minor_units: int
    currency: str

    def __post_init__(self) -> None:
        """Refuse what could never be stored."""
        if self.currency not in CURRENCY_EXPONENTS:
            message = f"unknown currency {self.currency!r}"
            raise UnknownCurrencyError(message)

    def __add__(self, other: "Money") -> "Money":
        """Add within one currency."""
        return Money(self.minor_units + self._same(other), self.currency)

    def __sub__(self, other: "Money") -> "Money":
        """Subtract within one currency."""
        return Money(self.minor_units - self._same(other), self.currency)

    def __neg__(self) -> "Money":
        """Turn a debit into a credit."""
        return Money(-self.minor_units, self.currency)

    def _same(self, other: "Money") -> int:
        if other.currency != self.currency:
            message = f"cannot combine {self.currency} with {other.currency}"
            raise CurrencyMismatchError(message)
        return other.minor_units


def allocate(amount: Money, weights: Sequence[int]) -> tuple[Money, ...]:
    """Split an amount by weights, largest remainder first; the parts sum to the whole."""
    total = sum(weights)
    if total <= 0 or any(weight < 0 for weight in weights):
        message = "weights must not be negative and must not all be zero"
        raise MoneyError(message)
    quotas = [divmod(amount.minor_units * weight, total) for weight in weights]
    leftover = amount.minor_units - sum(floor for floor, _ in quotas)
    by_remainder = sorted(range(len(quotas)), key=lambda index: (-quotas[index][1], index))
    topped_up = set(by_remainder[:leftover])
    return tuple(
        Money(floor + (index in topped_up), amount.currency)
        for index, (floor, _) in enumerate(quotas)
    )
