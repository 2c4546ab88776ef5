"""Statements of providers held against what the books know of the same days; pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from shared.money import Money
from sync_server.payments.books import MovementSort
from sync_server.payments.statements import LineKind, StatementLine
from sync_server.reconciliation.rules import CheckName, Item, ItemFinding, Severity

EDGE: Final = timedelta(hours=26)
"""A day and its time zone: near the ends of a statement a movement may be on the next one."""
MATCHED_KINDS: Final = (LineKind.COLLECTION, LineKind.REFUND, LineKind.DISBURSEMENT)


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
    provider: str, lines: Sequence[StatementLine], movements: Sequence[Movement]
) -> list[Item]:
    """Find each line's movement and each movement's line; what is only on one side, or differs, is
    a drift. Movements near the ends of what the lines cover are not missed yet.
    """
    if not lines:
        return []
    by_name = named(movements)
    items: list[Item] = []
    seen: set[int] = set()
    for line in lines:
        if line.kind not in MATCHED_KINDS:
            continue
        movement = movement_of(line, by_name)
        if movement is None:
            items.append(_item(ItemFinding.ONLY_AT_PROVIDER, provider, line, None))
            continue
        if id(movement) in seen:
            items.append(_item(ItemFinding.TWICE_AT_PROVIDER, provider, line, movement))
        seen.add(id(movement))
        items += _differences(provider, line, movement)
    kinds = {line.kind for line in lines}
    first, last = min(each.booked_at for each in lines), max(each.booked_at for each in lines)
    for movement in movements:
        is_covered = first + EDGE <= movement.moved_at <= last - EDGE
        is_missed = movement.is_done and movement.kind in kinds and id(movement) not in seen
        if is_covered and is_missed:
            items.append(_missing(provider, movement))
    return items


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
