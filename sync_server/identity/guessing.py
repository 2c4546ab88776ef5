"""Codes and tokens that nobody has, counted by kind and network: whoever sends too many waits.

A right one is never refused, so nobody is locked out by a stranger in the same network. Chance
finds none of 128 bits and more however often it is tried; the limit sheds the load and shows the
guessing.
"""

from collections.abc import Mapping
from typing import Final

import structlog
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from sqlalchemy.exc import DBAPIError

from sync_server.audit import service as audit
from sync_server.audit.rules import Access, AccessKind, AccessOutcome, Subject
from sync_server.identity import attempts
from sync_server.identity.attempts import Counted, Limit
from sync_server.identity.errors import TooManyAttemptsError
from sync_server.identity.rules import SERVICE_TOKEN_PREFIX
from sync_server.identity.visitors import visitor
from sync_server.kit.claims import WORKER
from sync_server.kit.problems import TooManyGuessesError, UnknownSecret, UnknownSecretError, answer
from sync_server.kit.services import Services, get_services

LIMITS: Final[Mapping[UnknownSecret, Limit]] = {
    # A carrier's thousands of phones may share a network, and a link that was passed on goes on
    # asking.
    UnknownSecret.CLAIM: Limit("unknown-claim-tokens", 300, 900),
    UnknownSecret.ENROLMENT: Limit("unknown-enrolment-codes", 30, 900),
    UnknownSecret.LETTER: Limit("unknown-letter-tokens", 30, 900),
    UnknownSecret.ORDER: Limit("unknown-order-tokens", 300, 900),
    UnknownSecret.SERVICE: Limit("unknown-service-tokens", 120, 900),
}
_UNAUTHENTICATED: Final = 401
_LOG: Final = structlog.get_logger(__name__)


def install_guessing_limits(app: FastAPI) -> None:
    app.add_exception_handler(UnknownSecretError, _answer_unknown)


async def _answer_unknown(request: Request, error: Exception) -> JSONResponse:
    """Count after the request's own transaction is over, and tell whoever guesses to wait."""
    assert isinstance(error, UnknownSecretError)  # noqa: S101 - registered for this class alone
    if not _is_guess(request, error):
        return answer(error, request)
    services = get_services(request)
    counted = Counted(LIMITS[error.secret], visitor(request).network)
    try:
        await attempts.count(services, counted)
    except TooManyAttemptsError as refused:
        if refused.is_first:
            await _record(services, request, error.secret)
        return answer(TooManyGuessesError(headers=refused.headers), request)
    except (DBAPIError, OSError) as lost:
        _LOG.warning("guessing.uncounted", reason=type(lost).__name__)
    return answer(error, request)


def _is_guess(request: Request, error: UnknownSecretError) -> bool:
    """A person's session that is over is everyday, and its page must hear that it is: 401."""
    presented = request.headers.get("authorization", "").partition(" ")[2].strip()
    if error.secret is UnknownSecret.SERVICE:
        return presented.startswith(SERVICE_TOKEN_PREFIX)
    return error.status != _UNAUTHENTICATED or presented != ""


async def _record(services: Services, request: Request, secret: UnknownSecret) -> None:
    """The first refusal of a window is written down; the network stands in the row."""
    template = str(getattr(request.scope.get("route"), "path", ""))
    subject = Subject(secret.value, f"{request.method} {template}")
    access = Access(AccessKind.GUESS, subject, AccessOutcome.DENIED, TooManyGuessesError.code)
    await audit.record_accesses_or_complain(services, WORKER, [access])
