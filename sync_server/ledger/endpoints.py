"""HTTP: an organizer's books."""

from sync_server.kit.pagination import CursorInvalidError, Page, PageDependency
from sync_server.kit.problems import RequestInvalidError, problem_responses
from sync_server.kit.requests import AuthenticationRequiredError
from sync_server.kit.routing import ProblemRouter
from sync_server.ledger import service
from sync_server.ledger.schemas import BalancesShown, TransactionShown
from sync_server.organizers.callers import FinanceViewer
from sync_server.organizers.errors import CapabilityMissingError, OrganizerNotFoundError

router = ProblemRouter(
    prefix="/v1/organizers/{organizer_id}/ledger",
    tags=["ledger"],
    responses=problem_responses(
        AuthenticationRequiredError,
        OrganizerNotFoundError,
        CapabilityMissingError,
        RequestInvalidError,
    ),
)


@router.get("/balances")
async def list_balances(caller: FinanceViewer) -> BalancesShown:
    """Every account of the organizer's books; a debit is positive, a credit negative."""
    return BalancesShown(items=await service.list_balances(caller.session, caller.organizer_id))


@router.get("/transactions", responses=problem_responses(CursorInvalidError))
async def list_transactions(caller: FinanceViewer, page: PageDependency) -> Page[TransactionShown]:
    return await service.list_transactions(caller.session, caller.organizer_id, page)
