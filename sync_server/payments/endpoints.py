"""HTTP for payment providers: a callback is kept and acknowledged, and a job asks the provider."""

from collections.abc import Mapping

from fastapi import APIRouter, Request

from sync_server.kit.bodies import ContentTooLargeError, read_body
from sync_server.kit.problems import RequestInvalidError, problem_responses
from sync_server.kit.services import ServicesDependency
from sync_server.payments import callbacks
from sync_server.payments.errors import CallbackNotUnderstoodError, CallbackSourceNotFoundError
from sync_server.payments.ports import Notice
from sync_server.payments.rules import Provider

router = APIRouter(
    prefix="/api/public/payments",
    tags=["payments"],
    responses=problem_responses(
        CallbackSourceNotFoundError,
        CallbackNotUnderstoodError,
        ContentTooLargeError,
        RequestInvalidError,
    ),
)


@router.get("/{provider}")
@router.post("/{provider}")
@router.put("/{provider}")
async def receive_callback(
    provider: Provider, request: Request, services: ServicesDependency
) -> Mapping[str, object]:
    """Keep a callback, a hint and never proof; the answer is in the provider's own words."""
    body = await read_body(request, callbacks.BODY_BYTES_MAX)
    query = dict(request.query_params)
    notice = Notice(request.method, dict(request.headers), query, body)
    return await callbacks.take_in(services, provider, notice)
