"""Runs of reconciliation, and statements taken in. A run is kept with all it found; each check that
found a drift raises an alarm, and the next run without one clears it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from itertools import groupby
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from sync_server.kit.alarms import Alarm, settle_alarms
from sync_server.kit.claims import WORKER
from sync_server.kit.instants import instant
from sync_server.kit.services import Services
from sync_server.payments.rails import rails_of
from sync_server.payments.rules import Provider
from sync_server.payments.statements import StatementLine
from sync_server.reconciliation import repository
from sync_server.reconciliation.balances import ask_balances, find_differences
from sync_server.reconciliation.checks import CHECKS, Check
from sync_server.reconciliation.lines import keep_lines
from sync_server.reconciliation.models import ReconItem, ReconRun
from sync_server.reconciliation.rules import CheckName, Item, Severity, counts, drifts
from sync_server.reconciliation.statements import read_statement

DRIFT: Final = "reconciliation.drift"
OUR_ACCOUNT: Final = "main"
"""Which of our accounts a statement is of, where nobody says another."""
_NAMED_MAX: Final = 10


class RunSource(StrEnum):
    SCHEDULE = "schedule"
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class RunReport:
    """What a run found; `is_clean` where nothing has drifted, whatever was noted."""

    run_id: UUID
    started_at: datetime
    ended_at: datetime
    checked: tuple[CheckName, ...]
    items: tuple[Item, ...]

    @property
    def is_clean(self) -> bool:
        return not drifts(self.items)


@dataclass(frozen=True, slots=True)
class Imported:
    """How many lines a file has, and how many of them are new."""

    lines: int
    new: int


async def run(
    services: Services, source: RunSource, checks: Sequence[Check] | None = None
) -> RunReport:
    """Compare everything in one snapshot, and keep what was found."""
    started_at = instant(services.clock.now_ms())
    if checks is None:
        checks = (*CHECKS, await _balances_told(services))
    items: list[Item] = []
    # What is committed meanwhile must be seen by all checks or by none.
    async with services.database.reading_one_moment(WORKER) as session:
        for check in checks:
            items += await check.find(session, started_at)
    ended_at = max(started_at, instant(services.clock.now_ms()))
    checked = tuple(name for check in checks for name in check.names)
    report = RunReport(services.new_id(), started_at, ended_at, checked, tuple(items))
    async with services.database.transaction(WORKER) as session:
        await _keep(session, report, source)
        await settle_alarms(session, services, DRIFT, _alarms(report))
    return report


async def _balances_told(services: Services) -> Check:
    """Rails are asked before the snapshot: none is open while somebody else is waited for."""
    told = await ask_balances(services, rails_of(services).disbursers)

    async def find(session: AsyncSession, _: datetime) -> list[Item]:
        return await find_differences(session, told)

    return Check((CheckName.BALANCES,), find)


async def import_statement(
    services: Services, provider: Provider, account: str, name: str, content: bytes
) -> Imported:
    """Read a file and keep its lines; raises StatementUnreadableError before anything is kept."""
    lines = read_statement(provider, content)
    return await keep_statement(services, provider, account, name, (content, lines))


async def keep_statement(
    services: Services,
    provider: Provider,
    account: str,
    name: str,
    read: tuple[bytes, Sequence[StatementLine]],
) -> Imported:
    """Keep a statement that was read elsewhere, as a bank's is; the same line is kept once."""
    content, lines = read
    digest = sha256(content).digest()
    file = {
        "sha256": digest,
        "provider": provider,
        "account": account,
        "name": name,
        "lines": len(lines),
        "imported_at": instant(services.clock.now_ms()),
    }
    async with services.database.transaction(WORKER) as session:
        is_new = await repository.keep_file(session, file)
        new = await keep_lines(session, (provider, account), lines, digest) if is_new else 0
    return Imported(len(lines), new)


async def _keep(session: AsyncSession, report: RunReport, source: RunSource) -> None:
    drifted = len(drifts(report.items))
    run_row = ReconRun(
        id=report.run_id,
        source=source,
        started_at=report.started_at,
        ended_at=report.ended_at,
        counts=counts(report.items, report.checked),
        drifts=drifted,
        notes=len(report.items) - drifted,
    )
    await repository.add(session, run_row)
    rows = [
        ReconItem(
            run_id=report.run_id,
            item_no=number,
            check_name=item.check,
            finding=item.finding,
            severity=item.severity,
            books_of=item.books_of,
            subject=item.subject,
            currency=item.currency,
            expected=item.expected,
            found=item.found,
        )
        for number, item in enumerate(report.items, start=1)
    ]
    await repository.add_all(session, rows)


def _alarms(report: RunReport) -> list[Alarm]:
    """One for each check that found a drift; it names the first rows."""
    wrong = sorted(
        (item for item in report.items if item.severity is Severity.DRIFT),
        key=lambda item: item.check,
    )
    alarms = []
    for check, group in groupby(wrong, key=lambda item: item.check):
        found = list(group)
        named = [f"{item.finding}: {item.subject}" for item in found[:_NAMED_MAX]]
        detail = {"run_id": str(report.run_id), "drifts": len(found), "first": named}
        alarms.append(Alarm(DRIFT, check, detail))
    return alarms
