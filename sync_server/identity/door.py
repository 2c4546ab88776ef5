"""HTTP for whoever is not signed in: sign up, sign in, choose a new password."""

from fastapi import APIRouter, BackgroundTasks, Depends, Response, status

from sync_server.identity import accounts, letters
from sync_server.identity.accounts import Welcome
from sync_server.identity.errors import (
    CredentialsWrongError,
    LetterTokenInvalidError,
    PasswordGuessableError,
    SecondFactorRequiredError,
    SecondFactorWrongError,
    TooManyAttemptsError,
)
from sync_server.identity.letters import Post
from sync_server.identity.schemas import (
    ChosenPassword,
    ForgottenPassword,
    LetterSent,
    NewSession,
    NewSignUp,
    SignedInShown,
)
from sync_server.identity.visitors import VisitorDependency
from sync_server.kit.mail import send_quietly
from sync_server.kit.problems import RequestInvalidError, problem_responses
from sync_server.kit.services import Services, ServicesDependency


def keep_nothing(response: Response) -> None:
    """Tokens are in no cache."""
    response.headers["Cache-Control"] = "no-store"


router = APIRouter(
    prefix="/v1",
    tags=["door"],
    responses=problem_responses(RequestInvalidError),
    dependencies=[Depends(keep_nothing)],
)
_CHOOSING = problem_responses(LetterTokenInvalidError, PasswordGuessableError, RequestInvalidError)
_PROVING = problem_responses(
    SecondFactorRequiredError, SecondFactorWrongError, TooManyAttemptsError
)
_LETTER = problem_responses(TooManyAttemptsError)


@router.post("/sign-ups", status_code=status.HTTP_202_ACCEPTED, responses=_LETTER)
async def sign_up(
    wanted: NewSignUp,
    services: ServicesDependency,
    visitor: VisitorDependency,
    background: BackgroundTasks,
    response: Response,
) -> LetterSent:
    """Ask for a letter with a link; the password is chosen when the link comes back."""
    post = await letters.write_sign_up(services, wanted, visitor)
    return _posted(post, services, background, response)


@router.post("/sign-ups/confirm", status_code=status.HTTP_201_CREATED, responses=_CHOOSING)
async def confirm_sign_up(
    chosen: ChosenPassword, services: ServicesDependency, visitor: VisitorDependency
) -> SignedInShown:
    """Choose the password with the letter's token, and be signed in."""
    return shown(await accounts.confirm_sign_up(services, chosen, visitor))


@router.post(
    "/sessions",
    status_code=status.HTTP_201_CREATED,
    responses=problem_responses(
        CredentialsWrongError,
        SecondFactorRequiredError,
        SecondFactorWrongError,
        TooManyAttemptsError,
    ),
)
async def sign_in(
    wanted: NewSession,
    services: ServicesDependency,
    visitor: VisitorDependency,
    response: Response,
) -> SignedInShown:
    """Sign in with address and password."""
    welcome, standing = await accounts.sign_in(services, wanted, visitor)
    response.headers.update(standing.headers)
    return shown(welcome)


@router.post("/password-resets", status_code=status.HTTP_202_ACCEPTED, responses=_LETTER)
async def forget_password(
    forgotten: ForgottenPassword,
    services: ServicesDependency,
    visitor: VisitorDependency,
    background: BackgroundTasks,
    response: Response,
) -> LetterSent:
    """Ask for a letter with a link to choose a new password."""
    post = await letters.write_password_reset(services, forgotten.address, visitor)
    return _posted(post, services, background, response)


@router.post(
    "/password-resets/confirm", status_code=status.HTTP_201_CREATED, responses=_CHOOSING | _PROVING
)
async def reset_password(
    chosen: ChosenPassword,
    services: ServicesDependency,
    visitor: VisitorDependency,
    background: BackgroundTasks,
) -> SignedInShown:
    """Choose a new password with the letter's token; every older session is over."""
    welcome, changed = await accounts.reset_password(services, chosen, visitor)
    if changed.letter is not None:
        background.add_task(send_quietly, services.mail, changed.letter)
    return shown(welcome)


def _posted(
    post: Post, services: Services, background: BackgroundTasks, response: Response
) -> LetterSent:
    response.headers.update(post.standing.headers)
    if post.letter is not None:
        background.add_task(send_quietly, services.mail, post.letter)
    return LetterSent()


def shown(welcome: Welcome) -> SignedInShown:
    """Answer as every way in does."""
    signed_in = welcome.signed_in
    return SignedInShown(
        user_id=signed_in.user_id,
        token=signed_in.token,
        device_token=welcome.device_token,
        expires_at=signed_in.expires_at,
    )
