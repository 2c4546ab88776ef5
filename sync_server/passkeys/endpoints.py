"""HTTP: add, see, name and remove one's passkeys, and sign in with them."""

from uuid import UUID

from fastapi import BackgroundTasks, Depends, Response, status

from sync_server.identity.callers import FreshlyProvedPerson, Person, SignedInUser
from sync_server.identity.door import keep_nothing, shown
from sync_server.identity.errors import (
    FreshProofNeededError,
    LastWayInError,
    SecondFactorNeededError,
    TooManyAttemptsError,
)
from sync_server.identity.schemas import SignedInShown
from sync_server.identity.visitors import VisitorDependency
from sync_server.kit.mail import send_quietly
from sync_server.kit.pagination import CursorInvalidError, Page, PageDependency
from sync_server.kit.problems import RequestInvalidError, problem_responses
from sync_server.kit.requests import AuthenticationRequiredError
from sync_server.kit.routing import ProblemRouter
from sync_server.kit.services import ServicesDependency
from sync_server.passkeys import assertions, registration, service
from sync_server.passkeys.errors import (
    PasskeyNotFoundError,
    PasskeyRefusedError,
    PasskeysOffError,
    TooManyPasskeysError,
)
from sync_server.passkeys.schemas import (
    ChallengeMade,
    NewPasskey,
    NewPasskeySession,
    PasskeyName,
    PasskeyProof,
    PasskeyShown,
    RegistrationBegun,
    SecurityShown,
)

door_router = ProblemRouter(
    prefix="/v1/passkeys",
    tags=["door"],
    responses=problem_responses(RequestInvalidError, PasskeysOffError, TooManyAttemptsError),
    dependencies=[Depends(keep_nothing)],
)
router = ProblemRouter(
    prefix="/v1/me",
    tags=["passkeys"],
    responses=problem_responses(AuthenticationRequiredError, RequestInvalidError),
)
_ADDED = (TooManyPasskeysError, PasskeysOffError, TooManyAttemptsError, SecondFactorNeededError)


@door_router.post("/challenges", status_code=status.HTTP_201_CREATED)
async def make_challenge(services: ServicesDependency, visitor: VisitorDependency) -> ChallengeMade:
    """Ask for something to sign; the answer is of the same kind for everybody."""
    return await assertions.make_challenge(services, visitor)


@door_router.post(
    "/sessions",
    status_code=status.HTTP_201_CREATED,
    responses=problem_responses(PasskeyRefusedError),
)
async def sign_in_with_passkey(
    wanted: NewPasskeySession,
    services: ServicesDependency,
    visitor: VisitorDependency,
    response: Response,
) -> SignedInShown:
    """Sign in with a passkey; the session has shown a second factor as well."""
    welcome, standing = await assertions.sign_in(services, wanted, visitor)
    response.headers.update(standing.headers)
    return shown(welcome)


@router.get("/security")
async def read_security(current: Person, services: ServicesDependency) -> SecurityShown:
    """How I sign in, and what this session has shown."""
    return await service.read_security(services, current)


@router.get("/passkeys", responses=problem_responses(CursorInvalidError))
async def list_passkeys(caller: SignedInUser, page: PageDependency) -> Page[PasskeyShown]:
    return await service.list_own(caller.session, caller.user_id, page)


@router.post(
    "/passkeys/registrations",
    status_code=status.HTTP_201_CREATED,
    responses=problem_responses(*_ADDED, FreshProofNeededError),
    dependencies=[Depends(keep_nothing)],
)
async def begin_registration(
    current: FreshlyProvedPerson, services: ServicesDependency
) -> RegistrationBegun:
    """Ask for what a browser needs to make a passkey; good for five minutes."""
    return await registration.begin(services, current)


@router.post(
    "/passkeys",
    status_code=status.HTTP_201_CREATED,
    responses=problem_responses(*_ADDED, PasskeyRefusedError),
)
async def add_passkey(
    wanted: NewPasskey,
    current: Person,
    services: ServicesDependency,
    background: BackgroundTasks,
) -> PasskeyShown:
    added = await registration.add(services, current, wanted)
    if added.letter is not None:
        background.add_task(send_quietly, services.mail, added.letter)
    return added.shown


@router.post(
    "/passkeys/proofs",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=problem_responses(PasskeyRefusedError, PasskeysOffError, TooManyAttemptsError),
)
async def prove(wanted: PasskeyProof, current: Person, services: ServicesDependency) -> None:
    """Show a passkey in this session, for what asks for a second factor or a fresh proof."""
    await assertions.prove(services, current, wanted)


@router.patch("/passkeys/{passkey_id}", responses=problem_responses(PasskeyNotFoundError))
async def rename_passkey(
    passkey_id: UUID, wanted: PasskeyName, caller: SignedInUser
) -> PasskeyShown:
    return await service.rename(caller.session, caller.user_id, passkey_id, wanted.name)


@router.delete(
    "/passkeys/{passkey_id}",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=problem_responses(
        PasskeyNotFoundError, LastWayInError, FreshProofNeededError, SecondFactorNeededError
    ),
)
async def remove_passkey(
    passkey_id: UUID,
    current: FreshlyProvedPerson,
    services: ServicesDependency,
    background: BackgroundTasks,
) -> None:
    letter = await service.remove(services, current, passkey_id)
    if letter is not None:
        background.add_task(send_quietly, services.mail, letter)
