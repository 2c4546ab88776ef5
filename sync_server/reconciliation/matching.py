"""Statements of providers held against what the books know of the same days; pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from shared.money import Money
from sync_server.ledger.books import PostedAmount
from sync_server.payments.books import MovementSort
from sync_server.payments.statements import Direction, LineKind, StatementLine
from sync_server.reconciliation.rules import CheckName, Item, ItemFinding, Severity

EDGE: Final = timedelta(hours=26)
"""A day and its time zone: near the ends of a statement a movement may be on the next one."""
MATCHED_KINDS: Final = (LineKind.COLLECTION, LineKind.REFUND, LineKind.DISBURSEMENT)
_SOUGHT_KINDS: Final = (*MATCHED_KINDS, LineKind.REVERSAL)
_TAKING_KINDS: Final = (LineKind.REFUND, LineKind.DISBURSEMENT, LineKind.REVERSAL)
TRANSFERRED_WITHIN: Final = timedelta(days=7)
"""So long a transfer of our own may be on its way, and so late somebody may tell of it."""


@dataclass(frozen=True, slots=True)
class Movement:
    """Money of ours at a provider: a payment, a refund or a payout with every name it has."""

    organizer_id: UUID
    id: UUID
    sort: MovementSort
    kind: LineKind
    names: frozenset[str]
    amount: Money
    is_done: bool
    """Whether we hold that the money moved."""
    moved_at: datetime
    fee: int = 0
    """What the books had from the provider at once, of payouts."""

    @property
    def subject(self) -> str:
        return f"{self.kind} {min(self.names)}"


def statement_agrees(
    provider: str,
    lines: Sequence[StatementLine],
    movements: Sequence[Movement],
    transfers: Sequence[PostedAmount] = (),
) -> list[Item]:
    """Find each line's movement and each movement's line; what is only on one side, or differs, is
    a drift. Movements near the ends of what the lines cover are not missed yet. Of lines that are
    of no kind, `transfers` between our own accounts explain one each.
    """
    if not lines:
        return []
    by_name = named(movements)
    items: list[Item] = []
    seen: set[int] = set()
    items += _unexplained(provider, lines, by_name, transfers)
    for line in lines:
        if line.kind not in _SOUGHT_KINDS:
            continue
        movement = movement_of(line, by_name)
        if movement is None:
            if _came_back(line, by_name):
                continue
            items.append(_item(ItemFinding.ONLY_AT_PROVIDER, provider, line, None))
            continue
        if id(movement) in seen:
            items.append(_item(ItemFinding.TWICE_AT_PROVIDER, provider, line, movement))
        seen.add(id(movement))
        items += _differences(provider, line, movement)
    return [*items, *_missed(provider, lines, movements, seen)]


def _missed(
    provider: str, lines: Sequence[StatementLine], movements: Sequence[Movement], seen: set[int]
) -> list[Item]:
    """What we hold that moved while the statement has others of its kind and not this. When a bank
    takes a disputed payment is its own affair.
    """
    kinds = {line.kind for line in lines} - {LineKind.REVERSAL}
    first, last = min(each.booked_at for each in lines), max(each.booked_at for each in lines)
    return [
        _missing(provider, movement)
        for movement in movements
        if first + EDGE <= movement.moved_at <= last - EDGE
        and movement.is_done
        and movement.kind in kinds
        and id(movement) not in seen
    ]


def fees_not_booked(
    provider: str, kept: Mapping[str, int], booked: Mapping[str, int]
) -> list[Item]:
    """Compare what a provider kept, in each currency, with what the books say it kept."""
    return [
        Item(
            CheckName.STATEMENTS,
            ItemFinding.FEE_NOT_BOOKED,
            f"fees of {provider}",
            None,
            currency,
            amount,
            booked.get(currency, 0),
            Severity.NOTE,
        )
        for currency, amount in sorted(kept.items())
        if amount != booked.get(currency, 0)
    ]


def named(movements: Iterable[Movement]) -> dict[tuple[LineKind, str], Movement]:
    """Movements by each of their names, for `movement_of`."""
    return {
        (movement.kind, name.casefold()): movement
        for movement in movements
        for name in movement.names
    }


def movement_of(
    line: StatementLine, by_name: Mapping[tuple[LineKind, str], Movement]
) -> Movement | None:
    """Find what a line is about: by the provider's own reference first, then by ours."""
    names = (name for name in (line.provider_reference, line.reference) if name)
    found = (by_name.get((line.kind, name.casefold())) for name in names)
    return next((movement for movement in found if movement is not None), None)


def _unexplained(
    provider: str,
    lines: Sequence[StatementLine],
    by_name: Mapping[tuple[LineKind, str], Movement],
    transfers: Sequence[PostedAmount],
) -> list[Item]:
    """Say every line of no kind that names nothing of ours and is no transfer between our own
    accounts; one that took money from us is a drift.
    """
    left = sorted(transfers, key=lambda each: each.occurred_at)
    items = []
    for line in lines:
        if line.kind is not LineKind.OTHER or line.amount.minor_units == 0:
            continue
        if _is_named(line, by_name):
            continue
        transfer = next((each for each in left if is_transfer(line, each)), None)
        if transfer is not None:
            left.remove(transfer)
            continue
        severity = Severity.DRIFT if line.direction is Direction.DEBIT else Severity.NOTE
        item = _item(ItemFinding.ONLY_AT_PROVIDER, provider, line, None)
        items.append(replace(item, severity=severity))
    return items


def _is_named(line: StatementLine, by_name: Mapping[tuple[LineKind, str], Movement]) -> bool:
    """Whether it names what it may be of: only what we hold that left explains a debit."""
    kinds = _TAKING_KINDS if line.direction is Direction.DEBIT else tuple(LineKind)
    found = [movement_of(replace(line, kind=kind), by_name) for kind in kinds]
    return any(each is not None and (each.is_done or kinds != _TAKING_KINDS) for each in found)


def _came_back(line: StatementLine, by_name: Mapping[tuple[LineKind, str], Movement]) -> bool:
    """Whether what is reversed is a payout or a refund of ours, and so came to us."""
    is_ours = line.kind is LineKind.REVERSAL and line.direction is not Direction.DEBIT
    return is_ours and _is_named(line, by_name)


def is_transfer(line: StatementLine, posted: PostedAmount) -> bool:
    """Whether a line may be a transfer of our own: of its amount, and about its time."""
    distance = abs(line.booked_at - posted.occurred_at)
    return line.amount == posted.amount and distance <= TRANSFERRED_WITHIN


def _differences(provider: str, line: StatementLine, movement: Movement) -> list[Item]:
    if line.amount.currency != movement.amount.currency:
        return [_item(ItemFinding.CURRENCY_DIFFERS, provider, line, movement)]
    if line.amount != movement.amount:
        return [_item(ItemFinding.AMOUNT_DIFFERS, provider, line, movement)]
    if not movement.is_done:
        return [_item(ItemFinding.STATE_DIFFERS, provider, line, movement)]
    if 0 < line.fee.minor_units < movement.fee:
        # More was booked than was kept; less is booked from the statement.
        wrong = _item(ItemFinding.FEE_DIFFERS, provider, line, movement)
        return [replace(wrong, expected=line.fee.minor_units, found=movement.fee)]
    return []


def _item(
    finding: ItemFinding, provider: str, line: StatementLine, movement: Movement | None
) -> Item:
    return Item(
        CheckName.STATEMENTS,
        finding,
        f"{provider} {line.kind} {line.key}",
        None if movement is None else movement.organizer_id,
        line.amount.currency,
        None if movement is None else movement.amount.minor_units,
        line.amount.minor_units,
    )


def _missing(provider: str, movement: Movement) -> Item:
    return Item(
        CheckName.STATEMENTS,
        ItemFinding.MISSING_AT_PROVIDER,
        f"{provider} {movement.subject}",
        movement.organizer_id,
        movement.amount.currency,
        movement.amount.minor_units,
        None,
    )
