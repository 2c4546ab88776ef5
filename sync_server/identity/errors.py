"""Refusals of the identity domain; none says whether somebody has an account."""

from collections.abc import Mapping

from sync_server.kit.problems import (
    ForbiddenError,
    NotFoundError,
    ProblemError,
    UnknownSecret,
    UnknownSecretError,
)


class CredentialsWrongError(ProblemError):
    status = 401
    code = "credentials_wrong"
    title = "The address or the password is wrong"

    def __init__(self, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(headers={"WWW-Authenticate": "Bearer", **(headers or {})})


class PasswordWrongError(ForbiddenError):
    code = "password_wrong"
    title = "This is not your present password"


class PasswordGuessableError(ProblemError):
    status = 422
    code = "password_guessable"
    title = "This password is easily guessed; take a longer one, or several unrelated words"

    def __init__(self, weakness: str | None) -> None:
        super().__init__(extra={"weakness": weakness})


class SecondFactorRequiredError(ProblemError):
    status = 401
    code = "second_factor_required"
    title = "Give the six digits of your authenticator app as well"


class SecondFactorWrongError(ProblemError):
    status = 403
    code = "second_factor_wrong"
    title = "These six digits are wrong, too old or used already"


class SecondFactorMissingError(NotFoundError):
    code = "second_factor_missing"
    title = "You have no second factor"


class SecondFactorExistsError(ProblemError):
    status = 409
    code = "second_factor_exists"
    title = "You have a second factor already; remove it first"


class SecondFactorNeededError(ForbiddenError):
    code = "second_factor_needed"
    title = "Admins show a passkey or the digits of an authenticator app; sign in again with one"


class FreshProofNeededError(ForbiddenError):
    code = "fresh_proof_needed"
    title = (
        "You signed in a while ago; sign in again, or show a passkey or the digits of your"
        " authenticator app"
    )


class LastWayInError(ProblemError):
    status = 409
    code = "last_way_in"
    title = "This is the last way to sign in that you have; set up another one first"


class LetterTokenInvalidError(UnknownSecretError):
    secret = UnknownSecret.LETTER
    status = 400
    code = "letter_token_invalid"
    title = "This link is unknown, used or too old; ask for a new one"


class TooManyAttemptsError(ProblemError):
    status = 429
    code = "too_many_attempts"
    title = "Too many attempts from where you are; wait a while"
    is_first: bool = False
    """Whether this attempt is the one that was too many, and not one of those after it."""


class SessionNotFoundError(NotFoundError):
    code = "session_not_found"
    title = "You have no such session"


class AdminRequiredError(ForbiddenError):
    code = "admin_required"
    title = "Only admins may do this"


class UserNotFoundError(NotFoundError):
    code = "user_not_found"
    title = "There is no such person"


class LastAdminError(ProblemError):
    status = 409
    code = "last_admin"
    title = "Somebody must be left who is an admin"
