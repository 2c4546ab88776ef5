"""HTTP: sign in at another provider, and what is linked to one's account."""

from uuid import UUID

from fastapi import BackgroundTasks, Depends, Response, status

from sync_server.identity.callers import FreshlyProvedPerson, SignedInUser
from sync_server.identity.door import keep_nothing, shown
from sync_server.identity.errors import (
    FreshProofNeededError,
    LastWayInError,
    SecondFactorRequiredError,
    SecondFactorWrongError,
    TooManyAttemptsError,
)
from sync_server.identity.schemas import SignedInShown
from sync_server.identity.visitors import VisitorDependency
from sync_server.kit.mail import Letter, send_quietly
from sync_server.kit.pagination import CursorInvalidError, Page, PageDependency
from sync_server.kit.problems import RequestInvalidError, problem_responses
from sync_server.kit.requests import AuthenticationRequiredError
from sync_server.kit.routing import ProblemRouter
from sync_server.kit.services import Services, ServicesDependency
from sync_server.openid import service
from sync_server.openid.errors import (
    AccountDisabledError,
    OpenidAddressTakenError,
    OpenidAddressUnverifiedError,
    OpenidCodeRefusedError,
    OpenidFlowInvalidError,
    OpenidIdentityNotFoundError,
    OpenidIdentityTakenError,
    OpenidProviderUnavailableError,
    OpenidProviderUnknownError,
    OpenidTokenRefusedError,
)
from sync_server.openid.providers import ConfiguredProvider
from sync_server.openid.schemas import (
    IdentityShown,
    NewOpenidRequest,
    NewOpenidSession,
    OpenidAnswer,
    OpenidProviderShown,
    OpenidProvidersShown,
    OpenidRequestMade,
)

router = ProblemRouter(
    prefix="/v1/openid", tags=["openid"], responses=problem_responses(RequestInvalidError)
)
identities_router = ProblemRouter(
    prefix="/v1/me/identities",
    tags=["openid"],
    responses=problem_responses(AuthenticationRequiredError, RequestInvalidError),
)
_PROVIDER = (OpenidProviderUnknownError, OpenidProviderUnavailableError)
_REDEEMING = (
    *_PROVIDER,
    OpenidFlowInvalidError,
    OpenidCodeRefusedError,
    OpenidTokenRefusedError,
    OpenidAddressUnverifiedError,
)


@router.get("/providers")
async def list_providers(services: ServicesDependency) -> OpenidProvidersShown:
    """Say which providers people can sign in at; there may be none."""
    clients = services.openid_clients
    items = [OpenidProviderShown(id=client.provider, name=client.name) for client in clients]
    return OpenidProvidersShown(items=items)


@router.post(
    "/{provider}/requests",
    status_code=status.HTTP_201_CREATED,
    responses=problem_responses(*_PROVIDER, TooManyAttemptsError),
    dependencies=[Depends(keep_nothing)],
)
async def begin(
    wanted: NewOpenidRequest,
    provider: ConfiguredProvider,
    services: ServicesDependency,
    visitor: VisitorDependency,
    response: Response,
) -> OpenidRequestMade:
    """Begin to sign in, or to link: send the browser to the address that is answered."""
    begun, standing = await service.begin(services, provider, wanted.language, visitor)
    response.headers.update(standing.headers)
    return OpenidRequestMade(
        authorization_url=begun.authorization_url,
        flow_token=begun.flow_token,
        expires_at=begun.expires_at,
    )


@router.post(
    "/{provider}/sessions",
    status_code=status.HTTP_201_CREATED,
    responses=problem_responses(
        *_REDEEMING,
        AccountDisabledError,
        OpenidAddressTakenError,
        SecondFactorRequiredError,
        SecondFactorWrongError,
        TooManyAttemptsError,
    ),
    dependencies=[Depends(keep_nothing)],
)
async def sign_in(
    wanted: NewOpenidSession,
    provider: ConfiguredProvider,
    services: ServicesDependency,
    visitor: VisitorDependency,
    background: BackgroundTasks,
) -> SignedInShown:
    """Sign in with what the provider sent the browser back with; a first visit signs up."""
    entered = await service.sign_in(services, provider, wanted, visitor)
    _post(entered.letter, services, background)
    return shown(entered.welcome)


@identities_router.get("", responses=problem_responses(CursorInvalidError))
async def list_identities(caller: SignedInUser, page: PageDependency) -> Page[IdentityShown]:
    return await service.list_own_identities(caller.session, caller.user_id, page)


@identities_router.post(
    "/{provider}",
    status_code=status.HTTP_201_CREATED,
    responses=problem_responses(*_REDEEMING, OpenidIdentityTakenError, FreshProofNeededError),
)
async def link_identity(
    answer: OpenidAnswer,
    provider: ConfiguredProvider,
    current: FreshlyProvedPerson,
    services: ServicesDependency,
    background: BackgroundTasks,
) -> IdentityShown:
    """Link an account at the provider to one's own; both can sign in from then on."""
    linked = await service.link(services, provider, current, answer)
    _post(linked.letter, services, background)
    return linked.shown


@identities_router.delete(
    "/{identity_id}",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=problem_responses(OpenidIdentityNotFoundError, LastWayInError, FreshProofNeededError),
)
async def unlink_identity(
    identity_id: UUID,
    current: FreshlyProvedPerson,
    services: ServicesDependency,
    background: BackgroundTasks,
) -> None:
    _post(await service.unlink(services, current.user_id, identity_id), services, background)


def _post(letter: Letter | None, services: Services, background: BackgroundTasks) -> None:
    if letter is not None:
        background.add_task(send_quietly, services.mail, letter)
