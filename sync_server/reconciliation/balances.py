"""What rails say that we have with them, held against the books: each is asked before the snapshot,
outside any transaction.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from shared.money import Money
from sync_server.kit.claims import WORKER
from sync_server.kit.instants import instant
from sync_server.kit.services import Services
from sync_server.ledger import books
from sync_server.ledger.rules import Account, AccountKind
from sync_server.payments import books as payments
from sync_server.payments.rules import Provider
from sync_server.payouts import books as payouts
from sync_server.payouts.books import Flying
from sync_server.reconciliation.ports import BalanceTeller
from sync_server.reconciliation.rules import CheckName, Item, ItemFinding, Severity

EXPLAINED_WITHIN: Final = timedelta(days=35)
"""A monthly statement has told of a fee or a refund by then, and it explains nothing any more."""
FEES_PART_MAX: Final = 10
"""No rail keeps more than a tenth of what it pays out."""
_HOLDING: Final = (AccountKind.PROVIDER_FLOAT, AccountKind.BANK, AccountKind.PROVIDER_CLEARING)
_CLEARING_OF_BANK: Final = Account(AccountKind.PROVIDER_CLEARING, Provider.BANK)


@dataclass(frozen=True, slots=True)
class Told:
    """A rail's word for what it held in a currency when it was asked; None where it gave none."""

    rail: Provider
    currency: str
    amount: Money | None


@dataclass(frozen=True, slots=True)
class ToldBalances:
    asked_at: datetime
    balances: tuple[Told, ...]


@dataclass(frozen=True, slots=True)
class Explained:
    """What may lie between the books and a rail's word: payouts in flight, and refunds, which some
    rails pay from the same account.
    """

    flying: Flying
    given_back: int

    @property
    def below(self) -> int:
        """How much less than the books the rail may have."""
        fees = self.flying.untold // FEES_PART_MAX
        return self.flying.is_open + self.flying.ended + fees + self.given_back

    @property
    def above(self) -> int:
        return self.flying.ended


async def ask_balances(
    services: Services, tellers: Mapping[Provider, BalanceTeller]
) -> ToldBalances:
    """Ask every rail that money leaves by, in the currencies in which the books have some there."""
    asked_at = instant(services.clock.now_ms())
    async with services.database.reading(WORKER) as session:
        held = await held_with_rails(session)
    told = [
        Told(rail, currency, await tellers[rail].read_balance(currency))
        for rail in sorted(tellers)
        for currency in sorted(held.get(rail, {}))
    ]
    return ToldBalances(asked_at, tuple(told))


async def held_with_rails(session: AsyncSession) -> dict[Provider, dict[str, int]]:
    """Add up what the books have with each rail: its float, or all that stands for our bank."""
    held: dict[Provider, dict[str, int]] = {}
    for account, sums in (await books.held_on(session, _HOLDING)).items():
        if account.kind is AccountKind.PROVIDER_FLOAT:
            rail = Provider(account.detail)
        elif account.kind is AccountKind.BANK or account == _CLEARING_OF_BANK:
            rail = Provider.BANK
        else:
            continue
        of_rail = held.setdefault(rail, {})
        for currency, amount in sums.items():
            of_rail[currency] = of_rail.get(currency, 0) + amount
    return held


async def find_differences(session: AsyncSession, told: ToldBalances) -> list[Item]:
    held = await held_with_rails(session)
    items: list[Item] = []
    for each in told.balances:
        since = told.asked_at - EXPLAINED_WITHIN
        flying = await payouts.in_flight(session, each.rail, told.asked_at, since)
        given_back = await payments.given_back(session, each.rail, since)
        explained = Explained(flying.get(each.currency, Flying()), given_back.get(each.currency, 0))
        items += balance_agrees(each, held[each.rail][each.currency], explained)
    return items


def balance_agrees(told: Told, held: int, explained: Explained) -> list[Item]:
    """Less than the books and all that explains it cannot be right at a float: the money is gone.
    More is a top-up that nobody booked yet, and a bank's account has the operator's own money on
    it as well: both are notes.
    """
    if told.amount is None:
        # A bank tells once a day, in its files.
        return [] if told.rail is Provider.BANK else [_item(told, held, Severity.NOTE)]
    difference = told.amount.minor_units - held
    if -explained.below <= difference <= explained.above:
        # Refunds and fees are guesses: what they would explain is said.
        exact = explained.flying.is_open + explained.flying.ended
        return [] if difference >= -exact else [_item(told, held, Severity.NOTE)]
    is_gone = difference < 0 and told.rail is not Provider.BANK
    return [_item(told, held, Severity.DRIFT if is_gone else Severity.NOTE)]


def _item(told: Told, held: int, severity: Severity) -> Item:
    found = None if told.amount is None else told.amount.minor_units
    return Item(
        CheckName.BALANCES,
        ItemFinding.BALANCE_NOT_TOLD if found is None else ItemFinding.BALANCE_DIFFERS,
        f"{told.rail} {'account' if told.rail is Provider.BANK else 'float'}",
        None,
        told.currency,
        held,
        found,
        severity,
    )
