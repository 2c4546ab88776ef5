"""Lines of statements as they are kept: each once, whatever file it comes in. What is kept stays as
it is: a line that says otherwise of the same is kept beside it, for people, and counts nowhere.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from shared.money import Money
from sync_server.payments.providers.amounts import to_major
from sync_server.payments.rules import Provider
from sync_server.payments.statements import Direction, KnownLines, LineKind, StatementLine
from sync_server.reconciliation import repository
from sync_server.reconciliation.models import StoredLine
from sync_server.reconciliation.rules import CheckName, Item, ItemFinding


@dataclass(frozen=True, slots=True)
class NewLine:
    """A line to keep; `differs_from` is the key of the one that it says otherwise of."""

    line: StatementLine
    differs_from: str | None = None

    @property
    def key(self) -> str:
        """What says otherwise is kept once as well, however often it is said."""
        if self.differs_from is None:
            return self.line.key
        return sha256(
            "\n".join((self.line.key, *map(str, _content(self.line)))).encode()
        ).hexdigest()


@dataclass(frozen=True, slots=True)
class Difference:
    """A line that is kept, and another under its key."""

    kept: StatementLine
    other: StatementLine


async def keep_lines(
    session: AsyncSession,
    account: tuple[Provider, str],
    lines: Sequence[StatementLine],
    digest: bytes,
) -> int:
    """Keep what is new of a file, and say how many lines that were."""
    provider, name = account
    keys = {key for each in lines for key in (each.key, *each.other_keys, each.former_key) if key}
    known = KnownLines[StatementLine]()
    for row in await repository.lines_called(session, provider, name, sorted(keys)):
        known.add(line_of(row))
    rows = [
        {"provider": provider, "account": name, "file_sha256": digest, **_values(each)}
        for each in new_lines(known, lines)
    ]
    return await repository.keep_lines(session, rows)


def new_lines(known: KnownLines[StatementLine], lines: Iterable[StatementLine]) -> list[NewLine]:
    """Find what is not known yet; `known` learns it."""
    found: list[NewLine] = []
    for line in lines:
        kept = known.find(line)
        if kept is None:
            known.add(line)
            found.append(NewLine(line))
        elif _is_contradicted(kept, line):
            found.append(NewLine(line, kept.key))
    return found


async def find_contradictions(
    session: AsyncSession, provider: Provider, since: datetime
) -> list[Difference]:
    """Give every line of late that was said twice and not alike."""
    rows = await repository.contradictions(session, provider, since)
    return [Difference(line_of(kept), line_of(other)) for kept, other in rows]


def contradictions_said(provider: str, found: Iterable[Difference]) -> list[Item]:
    """Each is a drift: nobody can know which of the two moved."""
    return [
        Item(
            CheckName.STATEMENTS,
            ItemFinding.SAID_OTHERWISE,
            f"{provider} {each.kept.key}: {_said(each.kept)} and {_said(each.other)}",
            None,
            each.kept.amount.currency,
            each.kept.amount.minor_units,
            each.other.amount.minor_units,
        )
        for each in found
    ]


def line_of(row: StoredLine) -> StatementLine:
    return StatementLine(
        key=row.line_key,
        kind=LineKind(row.kind),
        reference=row.reference,
        provider_reference=row.provider_reference,
        amount=Money(row.amount, row.currency),
        fee=Money(row.fee, row.currency),
        booked_at=row.booked_at,
        direction=None if row.direction is None else Direction(row.direction),
        other_keys=tuple(row.other_keys or ()),
    )


def _values(new: NewLine) -> dict[str, Any]:
    line = new.line
    return {
        "line_key": new.key,
        "kind": line.kind,
        "reference": line.reference,
        "provider_reference": line.provider_reference,
        "currency": line.amount.currency,
        "amount": line.amount.minor_units,
        "fee": line.fee.minor_units,
        "booked_at": line.booked_at,
        "direction": line.direction,
        "other_keys": list(line.other_keys),
        "differs_from": new.differs_from,
    }


def _content(line: StatementLine) -> tuple[object, ...]:
    return (line.amount.currency, line.amount.minor_units, line.fee.minor_units, line.reference)


def _is_contradicted(kept: StatementLine, line: StatementLine) -> bool:
    """Another time is another way to write it. A bank's lines have a former key: theirs hold what
    they moved, and its notices say less than its statements.
    """
    if line.former_key:
        return False
    return _content(kept) != _content(line)


def _said(line: StatementLine) -> str:
    amount, fee = to_major(line.amount), to_major(line.fee)
    reference = line.reference or "no reference of ours"
    return f"{line.amount.currency} {amount}, fee {fee}, {reference}"
