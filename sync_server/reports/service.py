"""Reports made when they are asked for, from the books as they stand."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from shared.ids import EventId
from sync_server.catalog import service as catalog
from sync_server.catalog.errors import EventNotFoundError
from sync_server.identity.rules import Language
from sync_server.kit.instants import instant
from sync_server.kit.services import Services
from sync_server.ledger import books
from sync_server.organizers import service as organizers
from sync_server.organizers.callers import OrganizerCaller
from sync_server.reports.documents import Document, Heading, Writer
from sync_server.reports.errors import PeriodInvalidError, ReportTooLongError
from sync_server.reports.pages import pdf_of
from sync_server.reports.rules import Posted, ReportKind, transactions
from sync_server.reports.sheets import csv_of
from sync_server.reports.texts import texts

ZONE: Final = ZoneInfo("Africa/Kampala")
"""Days begin and end where the platform is at home."""
PDF_ROWS_MAX: Final = 1_000
"""Laying out takes milliseconds a row, while a transaction waits."""
FIRST_YEAR: Final = 2000
LAST_YEAR: Final = 2999
PERIOD_MAX: Final = timedelta(days=366)


class ReportFormat(StrEnum):
    CSV = "csv"
    PDF = "pdf"


MEDIA_TYPES: Final = {
    ReportFormat.CSV: "text/csv; charset=utf-8",
    ReportFormat.PDF: "application/pdf",
}


@dataclass(frozen=True, slots=True)
class WantedReport:
    """`since` and `until` are days; the second is the first that is not in it."""

    kind: ReportKind
    currency: str
    since: date
    until: date
    language: Language


@dataclass(frozen=True, slots=True)
class MadeReport:
    name: str
    media_type: str
    content: bytes


async def make_report(
    caller: OrganizerCaller, services: Services, wanted: WantedReport, form: ReportFormat
) -> MadeReport:
    """Make a report as a file; raises PeriodInvalidError or ReportTooLongError."""
    made_at = instant(services.clock.now_ms())
    document = await make_document(caller, wanted, made_at)
    if form is ReportFormat.PDF and len(document.rows) > PDF_ROWS_MAX:
        raise ReportTooLongError(extra={"rows": len(document.rows), "rows_max": PDF_ROWS_MAX})
    content = await asyncio.to_thread(_written, document, form, made_at)
    name = f"zeraket-{wanted.kind}-{wanted.since}-{wanted.until}-{wanted.currency}.{form}"
    return MadeReport(name, MEDIA_TYPES[form], content)


async def make_document(
    caller: OrganizerCaller, wanted: WantedReport, made_at: datetime
) -> Document:
    is_known = FIRST_YEAR <= wanted.since.year <= wanted.until.year <= LAST_YEAR
    if not is_known or not timedelta(0) < wanted.until - wanted.since <= PERIOD_MAX:
        raise PeriodInvalidError
    since, until = _midnight(wanted.since), _midnight(wanted.until)
    place = (caller.session, caller.organizer_id, wanted.currency)
    before = await books.balances_before(*place, since)
    posted = transactions(await books.entries_between(*place, since, until))
    organizer = await organizers.find_organizer(caller, caller.organizer_id)
    heading = Heading(
        organizer=organizer.name,
        number=_number(wanted, caller.organizer_id),
        currency=wanted.currency,
        since=since,
        until=until,
        made_at=made_at,
        zone=ZONE,
        event_names=await _event_names(caller, posted),
    )
    return Writer(heading, texts(wanted.language)).document(wanted.kind, before, posted)


async def _event_names(caller: OrganizerCaller, posted: list[Posted]) -> dict[str, str]:
    """What sales name and the catalogue knows no more keeps its id for a name."""
    names = {}
    for event in sorted({each.event for each in posted} - {""}):
        with suppress(EventNotFoundError):
            found = await catalog.find_event(
                caller.session, caller.organizer_id, EventId(UUID(event))
            )
            names[event] = found.name
    return names


def _written(document: Document, form: ReportFormat, made_at: datetime) -> bytes:
    return csv_of(document) if form is ReportFormat.CSV else pdf_of(document, made_at)


def _number(wanted: WantedReport, organizer_id: UUID) -> str:
    """The same for the same report, whenever it is made; one currency's is not another's."""
    place = organizer_id.hex[-8:].upper()
    days = f"{wanted.since:%Y%m%d}-{wanted.until:%Y%m%d}"
    return f"{wanted.kind[:3].upper()}-{place}-{wanted.currency}-{days}"


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, ZONE).astimezone(UTC)
