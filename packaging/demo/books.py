"""The steps in which the books are looked at: they sum to nothing, and agree with what happened."""

import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Final

from organizer import Json, Organizer
from processes import ServerProcess
from rails import FLOAT
from report import Report, Step, Table
from sales import sold_by_rail

_BALANCED: Final = "0"
_CHECKED: Final = ("check", "verdict", "found")
_CURRENCY: Final = "UGX"
_FILLED: Final = ("mtn", str(FLOAT), _CURRENCY, "FT26330XQ71")
_SETTLING: Final = "pesapal"
_SETTLED_AS: Final = "ST-2026-11-26"
_BOOKED: Final = "booked"
_NOTHING: Final = "0 drifts, 0 notes"


def close_books(organizer: Organizer, server: ServerProcess, report: Report) -> None:
    """Sum up what was sold, lay the trial balance out, and have everything reconciled."""
    report.tables.append(sold_by_rail(organizer.orders()))
    balances = organizer.balances()
    report.tables.append(_trial_balance(balances))
    report.check("money stands in the books", sys.stdout, held=any(_by_kind(balances).values()))
    for currency, amounts in _by_currency(balances).items():
        step = Step(f"trial balance in {currency}", _BALANCED, str(sum(amounts)))
        report.add(step, sys.stdout)
    _reconcile(balances, server, report)


def _reconcile(balances: Sequence[Json], server: ServerProcess, report: Report) -> None:
    """Say what went from our bank to a float, and what came to it from a provider; then compare."""
    clearing = f"provider_clearing:{_SETTLING}"
    held = [row["balance"] for row in balances if row["account"] == clearing]
    settled = (_SETTLING, str(sum(held)), _CURRENCY, _SETTLED_AS)
    reconciled = server.run("reconcile", "--top-up", *_FILLED, "--settled", *settled)
    lines = reconciled.stdout.splitlines()
    for title, (provider, amount, currency, reference) in (
        ("a float filled from the bank", _FILLED),
        ("money settled to the bank", settled),
    ):
        said = next((line for line in lines if line.startswith(f"{reference}: ")), "")
        name = f"{title}, {provider}, {currency} {int(amount):,}"
        report.add(Step(name, _BOOKED, said.rpartition(": ")[2]), sys.stdout)
    begun = next((at for at, line in enumerate(lines) if line.startswith("run ")), len(lines))
    checks = tuple(map(_check, lines[begun + 1 :]))
    report.tables.append(Table("Reconciliation", _CHECKED, checks))
    agrees = bool(checks) and all(found == _NOTHING for _, _, found in checks)
    held_up = reconciled.returncode == 0 and agrees
    report.check("reconciliation finds no drift and notes nothing", sys.stdout, held=held_up)


def _check(line: str) -> tuple[str, str, str]:
    """Take a line of the command apart; what a check found stands below it, further in."""
    words = line.split(maxsplit=2)
    if line.startswith(" ") or len(words) < len(_CHECKED):
        return ("", "", line.strip())
    check, verdict, found = words
    return (check, verdict, found)


def _trial_balance(balances: Sequence[Json]) -> Table:
    """Sum accounts up by kind and currency, debits and credits in columns of their own."""
    kinds = sorted(_by_kind(balances).items())
    rows = [(kind, currency, *_sides([amount])) for (kind, currency), amount in kinds]
    for total in _by_currency(balances):
        ours = [amount for (_, currency), amount in kinds if currency == total]
        rows.append(("sum", total, *_sides(ours)))
    return Table("Trial balance", ("account", "currency", "debit", "credit"), tuple(rows))


def _by_kind(balances: Sequence[Json]) -> Mapping[tuple[str, str], int]:
    sums: dict[tuple[str, str], int] = defaultdict(int)
    for row in balances:
        sums[row["account"].partition(":")[0], row["currency"]] += row["balance"]
    return sums


def _by_currency(balances: Sequence[Json]) -> Mapping[str, list[int]]:
    amounts: dict[str, list[int]] = defaultdict(list)
    for row in balances:
        amounts[row["currency"]].append(row["balance"])
    return amounts


def _sides(amounts: Sequence[int]) -> tuple[str, str]:
    """Write what is debit and what is credit."""
    debit = sum(amount for amount in amounts if amount > 0)
    credit = -sum(amount for amount in amounts if amount < 0)
    return (f"{debit:,}" if debit else "", f"{credit:,}" if credit else "")
