"""What reconciliation asks of a rail; every disburser can say it."""

from typing import Protocol

from shared.money import Money


class BalanceTeller(Protocol):
    """A rail that says what our account with it holds."""

    async def read_balance(self, currency: str) -> Money | None:
        """Give the balance; None where the rail does not tell now."""
