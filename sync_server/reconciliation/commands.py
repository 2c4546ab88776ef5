"""`zeraket-server reconcile`: take statements in, compare everything, and say what was found."""

import argparse
import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from shared.money import CURRENCY_EXPONENTS, Money
from sync_server.kit.services import Services
from sync_server.ledger.errors import ReplayDiffersError, TransactionNotFoundError
from sync_server.ledger.postings import key_without_number
from sync_server.payments.providers.amounts import to_major
from sync_server.payments.rules import Provider
from sync_server.reconciliation import service
from sync_server.reconciliation.corrections import correction_of, take_back
from sync_server.reconciliation.errors import StatementUnreadableError
from sync_server.reconciliation.fees import book_fees
from sync_server.reconciliation.rules import Item, Severity
from sync_server.reconciliation.service import RunReport, RunSource
from sync_server.reconciliation.statements import FILE_BYTES_MAX
from sync_server.reconciliation.transfers import (
    Booked,
    Transfer,
    book_settlement,
    book_settlements,
    book_top_up,
    transfer_of,
)

_WIDTH: Final = 18
_Book = Callable[[Services, Transfer], Awaitable[Booked]]


@dataclass(frozen=True, slots=True)
class CommandReport:
    """Lines to print, and whether all is well."""

    lines: tuple[str, ...]
    well: bool


def add_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--statement",
        nargs=2,
        action="append",
        default=[],
        metavar=("PROVIDER", "FILE"),
        help="take in a provider's export before comparing; may be repeated",
    )
    command.add_argument(
        "--book-fees",
        action="store_true",
        help="post the fees that statements name, each in the books of what it was kept of",
    )
    command.add_argument(
        "--top-up",
        nargs=4,
        action="append",
        default=[],
        metavar=("PROVIDER", "AMOUNT", "CURRENCY", "REFERENCE"),
        help="post that a provider's float was filled from our bank; a reference posts once",
    )
    command.add_argument(
        "--settled",
        nargs=4,
        action="append",
        default=[],
        metavar=("PROVIDER", "AMOUNT", "CURRENCY", "REFERENCE"),
        help="post that a provider paid what it held to our bank; a reference posts once",
    )
    command.add_argument(
        "--take-back",
        nargs=2,
        action="append",
        default=[],
        metavar=("KEY", "REASON"),
        help="take back a top-up or a settlement that was booked wrongly, as"
        " settlement:pesapal:REFERENCE, before anything else is booked; then book it anew",
    )
    command.add_argument(
        "--book-settlements",
        action="store_true",
        help="post what providers' statements say they paid to our bank",
    )
    command.add_argument(
        "--account", default=service.OUR_ACCOUNT, help="which of our accounts the statements are of"
    )


async def run(services: Services, arguments: argparse.Namespace) -> CommandReport:
    """Take in what is named, then compare; a file that cannot be read stops before that."""
    lines: list[str] = []
    for provider, path in arguments.statement:
        try:
            content = await asyncio.to_thread(_read, Path(path))
            imported = await service.import_statement(
                services, Provider(provider), arguments.account, Path(path).name, content
            )
        except (OSError, ValueError, StatementUnreadableError) as error:
            return CommandReport((*lines, f"{path}: {error}"), well=False)
        lines.append(f"{path}: {imported.lines} lines, {imported.new} of them new")
    for name, act in _wanted(services, arguments):
        try:
            lines.append(f"{name}: {await act()}")
        except (ValueError, ReplayDiffersError, TransactionNotFoundError) as error:
            return CommandReport((*lines, f"{name}: {error}"), well=False)
    if arguments.book_settlements:
        lines.append(f"{await book_settlements(services)} settlements booked")
    if arguments.book_fees:
        lines.append(f"{await book_fees(services)} fees booked")
    report = await service.run(services, RunSource.OPERATOR)
    return CommandReport((*lines, *report_lines(report)), report.is_clean)


def _wanted(
    services: Services, arguments: argparse.Namespace
) -> Iterator[tuple[str, Callable[[], Awaitable[str]]]]:
    """Name what an operator says about the books, each with what does it: what is taken back goes
    first, so that one command can correct.
    """
    for key, reason in arguments.take_back:
        yield key, partial(_take_back, services, key, reason)
    for words in arguments.top_up:
        yield words[-1], partial(_book, services, book_top_up, words)
    for words in arguments.settled:
        yield words[-1], partial(_book, services, book_settlement, words)


async def _take_back(services: Services, key: str, reason: str) -> str:
    taken = await take_back(services, correction_of(key, reason))
    if taken.is_new:
        return "taken back"
    stands = "" if taken.stands is None else f"; {taken.stands} stands"
    return f"taken back before{stands}"


async def _book(services: Services, book: _Book, words: Sequence[str]) -> str:
    booked = await book(services, transfer_of(*words))
    # Who takes back what was booked anew must know its number.
    is_first = key_without_number(booked.key) == booked.key
    named = "" if is_first else f" as {booked.key}"
    return f"{'booked' if booked.is_new else 'booked before'}{named}"


def report_lines(report: RunReport) -> list[str]:
    """Say for each check whether it is well, and name each row that is not."""
    lines = [f"run {report.run_id}"]
    for check in report.checked:
        found = [item for item in report.items if item.check is check]
        drifted = sum(item.severity is Severity.DRIFT for item in found)
        verdict = "drift" if drifted else "well"
        noted = len(found) - drifted
        lines.append(f"{check:<{_WIDTH}} {verdict:<6} {drifted} drifts, {noted} notes")
        lines += [f"  {_said(item)}" for item in found]
    return lines


def _said(item: Item) -> str:
    parts = [item.severity.value, item.finding.value, item.subject]
    if item.currency is not None:
        sides = (("expected", item.expected), ("found", item.found))
        parts += [f"{side} {_amount(value, item.currency)}" for side, value in sides]
    if item.books_of is not None:
        parts.append(f"books of {item.books_of}")
    return " · ".join(parts)


def _amount(value: int | None, currency: str) -> str:
    if value is None:
        return "nothing"
    known = currency in CURRENCY_EXPONENTS
    return f"{currency} {to_major(Money(value, currency)) if known else value}"


def _read(path: Path) -> bytes:
    if path.stat().st_size > FILE_BYTES_MAX:
        message = "this file is larger than any statement"
        raise ValueError(message)
    return path.read_bytes()
