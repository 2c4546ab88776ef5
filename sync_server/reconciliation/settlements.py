"""Settlements that stand in the books, held against what their providers say they paid and what
came to our bank; pure.
"""

from collections.abc import Collection, Sequence

from sync_server.ledger.books import PostedAmount
from sync_server.ledger.postings import key_without_number, settlement_key
from sync_server.payments.statements import LineKind, StatementLine
from sync_server.reconciliation.matching import EDGE, TRANSFERRED_WITHIN, is_transfer
from sync_server.reconciliation.rules import CheckName, Item, ItemFinding, Severity


def settlements_agree(
    provider: str,
    lines: Sequence[StatementLine],
    posted: Sequence[PostedAmount],
    named_before: Collection[str],
) -> list[Item]:
    """Find each settlement of a statement in the books, and those of the books on the statement.
    One that nobody booked yet is a note; another amount, or none on the provider's side, a drift.
    `named_before` are the references of every settlement that the provider ever named; of a
    reference at most one settlement stands, whatever number it has.
    """
    of_provider = settlement_key(provider, "")
    mine = {
        key_without_number(each.key): each for each in posted if each.key.startswith(of_provider)
    }
    settled = [line for line in lines if line.kind is LineKind.SETTLEMENT]
    if not settled:
        return []
    items: list[Item] = []
    seen: set[str] = set()
    for line in settled:
        key = settlement_key(provider, line.provider_reference or line.key)
        if key in seen:
            items.append(_item(ItemFinding.TWICE_AT_PROVIDER, provider, line, mine.get(key)))
        seen.add(key)
        items += _differences(provider, line, mine.get(key))
    seen |= {settlement_key(provider, reference) for reference in named_before}
    first, last = min(each.booked_at for each in lines), max(each.booked_at for each in lines)
    items += [
        _missing(each.key, each, Severity.DRIFT)
        for key, each in mine.items()
        if key not in seen and first + EDGE <= each.occurred_at <= last - EDGE
    ]
    return items


def settlements_arrived(
    posted: Sequence[PostedAmount], lines: Sequence[StatementLine]
) -> list[Item]:
    """Find for each settlement a credit of its amount at our bank, each credit for one; what did
    not come within a week is a note. Before the bank's lines, and near their ends, nothing is
    missed yet.
    """
    if not lines:
        return []
    first, last = min(each.booked_at for each in lines), max(each.booked_at for each in lines)
    came = [line for line in lines if line.kind is LineKind.SETTLEMENT]
    items: list[Item] = []
    for each in sorted(posted, key=lambda each: each.occurred_at):
        arrived = next((line for line in came if is_transfer(line, each)), None)
        if arrived is not None:
            came.remove(arrived)
        elif first + TRANSFERRED_WITHIN <= each.occurred_at <= last - TRANSFERRED_WITHIN:
            items.append(_missing(f"bank credit of {each.key}", each, Severity.NOTE))
    return items


def _differences(provider: str, line: StatementLine, posted: PostedAmount | None) -> list[Item]:
    if posted is None:
        return [_item(ItemFinding.MISSING_IN_BOOKS, provider, line, None, Severity.NOTE)]
    if line.amount.currency != posted.amount.currency:
        return [_item(ItemFinding.CURRENCY_DIFFERS, provider, line, posted)]
    if line.amount != posted.amount:
        return [_item(ItemFinding.AMOUNT_DIFFERS, provider, line, posted)]
    return []


def _item(
    finding: ItemFinding,
    provider: str,
    line: StatementLine,
    posted: PostedAmount | None,
    severity: Severity = Severity.DRIFT,
) -> Item:
    return Item(
        CheckName.STATEMENTS,
        finding,
        # What is booked is named as whoever takes it back names it.
        f"{provider} {line.key}" if posted is None else posted.key,
        None,
        line.amount.currency,
        line.amount.minor_units,
        None if posted is None else posted.amount.minor_units,
        severity,
    )


def _missing(subject: str, posted: PostedAmount, severity: Severity) -> Item:
    return Item(
        CheckName.STATEMENTS,
        ItemFinding.MISSING_AT_PROVIDER,
        subject,
        None,
        posted.amount.currency,
        posted.amount.minor_units,
        None,
        severity,
    )
