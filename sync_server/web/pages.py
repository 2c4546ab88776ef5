"""The pages that people meet first, one function each; what they do is done by their scripts
through the API.
"""

from typing import Annotated, Final

from fastapi import APIRouter, Query, Response, status
from fastapi.responses import RedirectResponse

from sync_server.identity.schemas import PASSWORD_CHARACTERS_MAX, PASSWORD_CHARACTERS_MIN
from sync_server.organizers.rules import Capability
from sync_server.web.rendering import render
from sync_server.web.rules import HOME_AFTER_SIGN_IN, local_path
from sync_server.web.viewers import VisitDependency, has_second_factor

router = APIRouter(include_in_schema=False)
_READING: Final = ["GET", "HEAD"]
_PASSWORD: Final = {
    "password_min": PASSWORD_CHARACTERS_MIN,
    "password_max": PASSWORD_CHARACTERS_MAX,
}
Next = Annotated[str | None, Query(alias="next")]


@router.api_route("/", methods=_READING)
async def show_home(visit: VisitDependency) -> Response:
    return render(visit, "home")


@router.api_route("/sign-in", methods=_READING)
async def show_sign_in(visit: VisitDependency, wanted: Next = None) -> Response:
    path = local_path(wanted)
    if visit.viewer is not None:
        return _go_to(path)
    return render(visit, "sign-in", next=path, is_next_asked=wanted is not None)


@router.api_route("/sign-in/google", methods=_READING)
async def show_google_return(visit: VisitDependency) -> Response:
    """Where Google sends people back to, with a code for the script to hand in."""
    return render(visit, "sign-in-google")


@router.api_route("/sign-up", methods=_READING)
async def show_sign_up(visit: VisitDependency) -> Response:
    return render(visit, "sign-up", **_PASSWORD)


@router.api_route("/password-reset", methods=_READING)
async def show_password_reset(visit: VisitDependency) -> Response:
    return render(visit, "password-reset", **_PASSWORD)


@router.api_route("/invitation", methods=_READING)
async def show_invitation(visit: VisitDependency) -> Response:
    capabilities = [capability.value for capability in Capability]
    return render(visit, "invitation", capabilities=capabilities)


@router.api_route("/shop/{organizer_id:uuid}/{event_id:uuid}", methods=_READING)
async def show_shop(visit: VisitDependency) -> Response:
    """Where tickets of one event are bought; the script reads from the address which."""
    return render(visit, "shop")


@router.api_route("/order", methods=_READING)
async def show_order(visit: VisitDependency) -> Response:
    """Where a buyer comes back to, from a provider's page as well; whose order it is, stands behind
    `#`, and what a provider adds to the address is nobody's word for anything.
    """
    return render(visit, "order")


@router.api_route("/account", methods=_READING)
async def show_account(visit: VisitDependency) -> Response:
    if visit.viewer is None:
        return _go_to(f"/sign-in?next={HOME_AFTER_SIGN_IN}")
    is_on = await has_second_factor(visit.services, visit.viewer)
    return render(visit, "account", has_second_factor=is_on, **_PASSWORD)


def _go_to(path: str) -> Response:
    headers = {"Cache-Control": "no-store"}
    return RedirectResponse(path, status.HTTP_303_SEE_OTHER, headers)
