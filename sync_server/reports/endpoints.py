"""HTTP: statements, invoices and settlement reports of an organizer, as CSV or PDF."""

from datetime import date
from typing import Annotated, Any, Final

from fastapi import Depends, Query, Response

from shared.money import CURRENCY_EXPONENTS
from sync_server.identity.rules import Language
from sync_server.kit.problems import RequestInvalidError, problem_responses
from sync_server.kit.requests import AuthenticationRequiredError
from sync_server.kit.routing import ProblemRouter
from sync_server.kit.services import ServicesDependency
from sync_server.organizers.callers import FinanceViewer
from sync_server.organizers.errors import CapabilityMissingError, OrganizerNotFoundError
from sync_server.reports import service
from sync_server.reports.errors import PeriodInvalidError, ReportTooLongError
from sync_server.reports.rules import ReportKind
from sync_server.reports.service import MEDIA_TYPES, ReportFormat, WantedReport

router = ProblemRouter(
    prefix="/v1/organizers/{organizer_id}/reports",
    tags=["reports"],
    responses=problem_responses(
        AuthenticationRequiredError,
        OrganizerNotFoundError,
        CapabilityMissingError,
        RequestInvalidError,
    ),
)
_FILES: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "The report as a file.",
        "content": {media: {"schema": {"type": "string"}} for media in MEDIA_TYPES.values()},
    }
}
_CURRENCIES = "|".join(sorted(CURRENCY_EXPONENTS))


def wanted_report(
    kind: ReportKind,
    since: Annotated[date, Query(examples=["2026-12-01"])],
    until: Annotated[date, Query(examples=["2027-01-01"])],
    currency: Annotated[str, Query(pattern=f"^({_CURRENCIES})$")] = "UGX",
    language: Language = Language.ENGLISH,
) -> WantedReport:
    return WantedReport(kind, currency, since, until, language)


@router.get(
    "/{kind}.{form}",
    response_class=Response,
    responses={**problem_responses(PeriodInvalidError, ReportTooLongError), **_FILES},
)
async def read_report(
    form: ReportFormat,
    wanted: Annotated[WantedReport, Depends(wanted_report)],
    caller: FinanceViewer,
    services: ServicesDependency,
) -> Response:
    """Make a report of the days from `since` to before `until`, from the books as they stand."""
    made = await service.make_report(caller, services, wanted, form)
    headers = {"Content-Disposition": f'attachment; filename="{made.name}"'}
    return Response(made.content, media_type=made.media_type, headers=headers)
