"""Who looks at a page, and in which language; a page can be looked at by nobody in particular."""

from dataclasses import dataclass, replace
from typing import Annotated, Final

from fastapi import Depends, Request

from sync_server.identity import second_factor, service
from sync_server.identity.rules import Language, UserId
from sync_server.kit.claims import WORKER, user_claims
from sync_server.kit.services import Services, ServicesDependency
from sync_server.kit.session_cookies import cookie_token
from sync_server.web.rules import chosen_language, preferred_language

LANGUAGE_COOKIE: Final = "zeraket-language"
LANGUAGE_PARAMETER: Final = "lang"


@dataclass(frozen=True, slots=True)
class Viewer:
    """A person whose browser keeps a session of theirs."""

    user_id: UserId
    display_name: str


@dataclass(frozen=True, slots=True)
class Visit:
    """One look at one page."""

    request: Request
    services: Services
    language: Language
    has_chosen: bool
    """Whether the address asks for this language, so that it is remembered."""
    is_signed_in: bool
    viewer: Viewer | None = None


def hasty_visit(request: Request, services: Services) -> Visit:
    """Ask no database: error pages need none, and take a cookie's word."""
    asked = chosen_language(request.query_params.get(LANGUAGE_PARAMETER))
    kept = chosen_language(request.cookies.get(LANGUAGE_COOKIE))
    liked = preferred_language(request.headers.get("accept-language", ""))
    return Visit(
        request,
        services,
        asked or kept or liked,
        has_chosen=asked is not None,
        is_signed_in=cookie_token(request, services) is not None,
    )


async def visit(request: Request, services: ServicesDependency) -> Visit:
    viewer = await _find_viewer(request, services)
    hasty = hasty_visit(request, services)
    return replace(hasty, is_signed_in=viewer is not None, viewer=viewer)


VisitDependency = Annotated[Visit, Depends(visit)]


async def has_second_factor(services: Services, viewer: Viewer) -> bool:
    async with services.database.reading(WORKER) as session:
        return await second_factor.is_on(session, viewer.user_id)


async def _find_viewer(request: Request, services: Services) -> Viewer | None:
    token = cookie_token(request, services)
    if token is None:
        return None
    async with services.database.reading(user_claims(token)) as session:
        current = await service.resolve_session(session)
        if current is None:
            return None
        name = await service.find_user_name(session, current.user_id)
    return Viewer(current.user_id, name or "")
