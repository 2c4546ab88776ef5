"""An amount and its parts as tables keep them: the columns of orders, lines, payments and refunds,
read and written in one way.
"""

from sqlalchemy.orm import Mapped

from shared.money import Money
from sync_server.ledger.postings import Shares


class SharedAmount:
    """Who gets what of an amount: the parts sum to it."""

    amount: Mapped[int]
    organizer_share: Mapped[int]
    platform_fee: Mapped[int]
    tax_on_fees: Mapped[int]
    tax_on_tickets: Mapped[int]
    provider_fee: Mapped[int]


def shares_of_row(row: SharedAmount, currency: str) -> Shares:
    """Who gets what, as a row keeps it; its currency may stand in another."""
    return Shares(
        organizer=Money(row.organizer_share, currency),
        platform_fee=Money(row.platform_fee, currency),
        tax_on_fees=Money(row.tax_on_fees, currency),
        tax_on_tickets=Money(row.tax_on_tickets, currency),
        provider_fee=Money(row.provider_fee, currency),
    )


def share_columns(shares: Shares) -> dict[str, int]:
    """The values of `SharedAmount`'s columns, by their names."""
    return {
        "amount": shares.total.minor_units,
        "organizer_share": shares.organizer.minor_units,
        "platform_fee": shares.platform_fee.minor_units,
        "tax_on_fees": shares.tax_on_fees.minor_units,
        "tax_on_tickets": shares.tax_on_tickets.minor_units,
        "provider_fee": shares.provider_fee.minor_units,
    }
