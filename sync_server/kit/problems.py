"""Refusals over HTTP as RFC 9457 problems with stable codes; nothing of an unexpected error leaves
the server.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, ClassVar, Final

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.exceptions import HTTPException

from sync_server.kit.database import sqlstate

PROBLEM_MEDIA_TYPE: Final = "application/problem+json"
IDEMPOTENCY_KEY_HEADER: Final = "Idempotency-Key"
_KEY_MISSING: Final = ("missing", "header", IDEMPOTENCY_KEY_HEADER)
_LOG: Final = structlog.get_logger(__name__)
_HTTP_CODES: Final = {
    400: "bad_request",
    401: "authentication_required",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    413: "content_too_large",
    415: "unsupported_media_type",
    429: "too_many_requests",
}


class ProblemError(Exception):
    """A refusal a caller can act on. Subclasses set status, code and title; `extra` joins the
    answer's members.
    """

    status: ClassVar[int] = 400
    code: ClassVar[str] = "bad_request"
    title: ClassVar[str] = "The request cannot be served"

    def __init__(
        self,
        detail: str | None = None,
        *,
        extra: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail or self.title)
        self.detail = detail
        self.extra = dict(extra or {})
        self.headers = dict(headers or {})


class ForbiddenError(ProblemError):
    status = 403
    code = "forbidden"
    title = "You may not do this"


class NotFoundError(ProblemError):
    status = 404
    code = "not_found"
    title = "There is no such thing here, or it is not yours to see"


class UnknownSecret(StrEnum):
    """What somebody may try to guess."""

    CLAIM = "claim_token"
    ENROLMENT = "enrolment_code"
    LETTER = "letter_token"
    ORDER = "order_token"
    SERVICE = "service_token"


class UnknownSecretError(ProblemError):
    """A code or token that nobody has: a slip of the hand, or a guess. Those are counted
    (`identity.guessing`).
    """

    secret: ClassVar[UnknownSecret]


class TooManyGuessesError(ProblemError):
    status = 429
    code = "too_many_guesses"
    title = "Too many unknown codes or tokens came from where you are; wait a while"


class BusyError(ProblemError):
    status = 503
    code = "busy"
    title = "The server could not finish in time; try again"


class DatabaseUnavailableError(ProblemError):
    status = 503
    code = "database_unavailable"
    title = "The server cannot reach its database; try again"


class InternalError(ProblemError):
    status = 500
    code = "internal_error"
    title = "Something went wrong on the server"


class Problem(BaseModel):
    """The body of every refusal; further members depend on the code."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    code: str
    detail: str | None = None
    instance: str | None = None


def problem_responses(*problems: type[ProblemError]) -> dict[int | str, dict[str, Any]]:
    """Describe in OpenAPI which problems an endpoint answers with; where something can be guessed
    that is one of them.
    """
    if any(issubclass(problem, UnknownSecretError) for problem in problems):
        problems = (*problems, TooManyGuessesError)
    responses: dict[int | str, dict[str, Any]] = {}
    for problem in problems:
        known = responses.get(problem.status, {"model": Problem, "description": ""})
        described = f"`{problem.code}`: {problem.title}"
        text = "; ".join(filter(None, [known["description"], described]))
        responses[problem.status] = {**known, "description": text}
    return responses


def answer(problem: ProblemError, request: Request) -> JSONResponse:
    members = {
        "type": f"urn:zeraket:problem:{problem.code}",
        "title": problem.title,
        "status": problem.status,
        "code": problem.code,
        "detail": problem.detail,
        "instance": _instance(request),
    }
    body = {name: value for name, value in members.items() if value is not None}
    # Whoever stands around the application learns what was refused without reading the body.
    request.state.problem_code = problem.code
    return JSONResponse(
        {**problem.extra, **body},
        status_code=problem.status,
        headers=problem.headers,
        media_type=PROBLEM_MEDIA_TYPE,
    )


def _instance(request: Request) -> str | None:
    request_id = request.scope.get("state", {}).get("request_id")
    return f"urn:zeraket:request:{request_id}" if request_id else None


async def _answer_problem(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, ProblemError)  # noqa: S101 - registered for this class alone
    return answer(error, request)


async def _answer_invalid(request: Request, error: Exception) -> JSONResponse:
    """Say which fields are wrong without sending back what was in them."""
    assert isinstance(error, RequestValidationError)  # noqa: S101
    faults = error.errors()
    if any((fault["type"], *fault["loc"]) == _KEY_MISSING for fault in faults):
        return answer(IdempotencyKeyRequiredError(), request)
    errors = [
        {"pointer": "/" + "/".join(str(step) for step in fault["loc"]), "reason": fault["msg"]}
        for fault in faults
    ]
    return answer(RequestInvalidError(extra={"errors": errors}), request)


async def _answer_http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101
    problem = ProblemError(headers=error.headers)
    code = _HTTP_CODES.get(error.status_code, f"http_{error.status_code}")
    body = {
        "type": f"urn:zeraket:problem:{code}",
        "title": error.detail,
        "status": error.status_code,
        "code": code,
        "instance": _instance(request),
    }
    return JSONResponse(
        body,
        status_code=error.status_code,
        headers=problem.headers,
        media_type=PROBLEM_MEDIA_TYPE,
    )


class RequestInvalidError(ProblemError):
    status = 422
    code = "request_invalid"
    title = "Some fields are missing or wrong"


class IdempotencyKeyRequiredError(ProblemError):
    status = 400
    code = "idempotency_key_required"
    title = (
        "Send an Idempotency-Key header, a new one for each thing to make: a repeat under the same"
        " key is answered again and makes nothing twice"
    )


_DATABASE_PROBLEMS: Final[dict[str, type[ProblemError]]] = {
    "42501": ForbiddenError,
    "57014": BusyError,
    "55P03": BusyError,
    "40001": BusyError,
    "40P01": BusyError,
    "25P03": BusyError,
    # A NUL: JSON can say it, and no text of PostgreSQL holds it.
    "22021": RequestInvalidError,
}


async def _answer_database(request: Request, error: Exception) -> JSONResponse:
    """Row-level security has the last word: what it refuses is forbidden, whatever the code above
    it thought.
    """
    assert isinstance(error, DBAPIError)  # noqa: S101
    problem = _DATABASE_PROBLEMS.get(sqlstate(error.orig) or "")
    if problem is None and error.connection_invalidated:
        problem = DatabaseUnavailableError
    if problem is None:
        return await _answer_unknown(request, error)
    _LOG.warning("database.refused", sqlstate=sqlstate(error.orig), code=problem.code)
    headers = {"Retry-After": "1"} if problem.status == BusyError.status else {}
    return answer(problem(headers=headers), request)


async def _answer_unreachable(request: Request, error: Exception) -> JSONResponse:
    _LOG.error("database.unreachable", reason=type(error).__name__)
    return answer(DatabaseUnavailableError(headers={"Retry-After": "1"}), request)


async def _answer_pool_exhausted(request: Request, _: Exception) -> JSONResponse:
    _LOG.warning("database.pool_exhausted")
    return answer(BusyError(headers={"Retry-After": "1"}), request)


async def _answer_unknown(request: Request, error: Exception) -> JSONResponse:
    # Messages of driver errors carry parameters, which may be tokens: the type and the place are
    # enough.
    _LOG.error("request.failed", error=type(error).__name__, place=place_of(error))
    return answer(InternalError(), request)


def place_of(error: BaseException) -> str | None:
    """Name where an error arose; its message, which may hold anything, is left out."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_qualname}:{trace.tb_lineno}" if trace else None


def install_problem_handlers(app: FastAPI) -> None:
    app.add_exception_handler(ProblemError, _answer_problem)
    app.add_exception_handler(RequestValidationError, _answer_invalid)
    app.add_exception_handler(HTTPException, _answer_http)
    app.add_exception_handler(DBAPIError, _answer_database)
    app.add_exception_handler(PoolTimeoutError, _answer_pool_exhausted)
    app.add_exception_handler(ConnectionError, _answer_unreachable)
    app.add_exception_handler(Exception, _answer_unknown)
