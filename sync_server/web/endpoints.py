"""HTTP for our own pages: a session kept in a cookie, and a picture of a second factor's secret."""

from io import BytesIO
from typing import Annotated

import segno
from fastapi import APIRouter, Depends, Request, Response, status

from sync_server.identity import service
from sync_server.identity.callers import Person
from sync_server.kit.claims import user_claims
from sync_server.kit.instants import instant
from sync_server.kit.problems import RequestInvalidError, problem_responses
from sync_server.kit.requests import (
    AuthenticationRequiredError,
    CrossSiteRequestError,
    bearer_token,
    header_token,
    presented_token,
    require_own_page,
)
from sync_server.kit.services import ServicesDependency
from sync_server.kit.session_cookies import forget_cookie, keep_in_cookie
from sync_server.web.schemas import NewQrCode

router = APIRouter(prefix="/web", tags=["pages"])
_SESSION = "/session"


def fresh_token(request: Request, _: Annotated[str, Depends(bearer_token)]) -> str:
    """Take a token from the header alone: a cookie is not made from a cookie."""
    token = header_token(request)
    if token is None:
        raise AuthenticationRequiredError
    return token


@router.post(
    _SESSION,
    status_code=status.HTTP_204_NO_CONTENT,
    responses=problem_responses(AuthenticationRequiredError),
)
async def keep_session(
    token: Annotated[str, Depends(fresh_token)], services: ServicesDependency, response: Response
) -> None:
    """Move a session from a page's script into a cookie that no script can read."""
    async with services.database.reading(user_claims(token)) as session:
        last_day = await service.find_last_day(session)
    if last_day is None:
        raise AuthenticationRequiredError
    left = last_day - instant(services.clock.now_ms())
    # It ends sooner on the server, if it is not used.
    keep_in_cookie(response, services, token, int(left.total_seconds()))


@router.delete(
    _SESSION,
    status_code=status.HTTP_204_NO_CONTENT,
    responses=problem_responses(CrossSiteRequestError),
)
async def end_session(request: Request, services: ServicesDependency, response: Response) -> None:
    """Sign out here: the session is over and the cookie gone, also where it was over already."""
    presented = presented_token(request, services)
    if presented is not None:
        require_own_page(request, services, presented)
        async with services.database.transaction(user_claims(presented.text)) as session:
            current = await service.resolve_session(session)
            if current is not None:
                user_id, session_id = current.user_id, current.session_id
                await service.revoke_own_session(session, services, user_id, session_id)
    forget_cookie(response, services)


@router.post(
    "/qr-codes",
    response_class=Response,
    responses={
        status.HTTP_200_OK: {"content": {"image/svg+xml": {"schema": {"type": "string"}}}},
        **problem_responses(AuthenticationRequiredError, CrossSiteRequestError),
        **problem_responses(RequestInvalidError),
    },
)
async def draw_qr_code(wanted: NewQrCode, _person: Person) -> Response:
    """Draw a second factor's address for a phone to scan; it is kept nowhere."""
    drawn = BytesIO()
    segno.make(wanted.text, error="m", micro=False).save(drawn, kind="svg", scale=4, light="#fff")
    headers = {"Cache-Control": "no-store"}
    return Response(drawn.getvalue(), media_type="image/svg+xml", headers=headers)
