"""Turns a template and a visit into a page; what is on it, its caller says."""

from functools import cache
from typing import Final

from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined

from sync_server.kit.session_cookies import is_served_securely
from sync_server.web.assets import asset
from sync_server.web.headers import PAGE_HEADERS
from sync_server.web.texts import language_names, texts
from sync_server.web.viewers import LANGUAGE_COOKIE, Visit

_LANGUAGE_KEPT_SECONDS: Final = 365 * 86_400


def render(visit: Visit, template: str, status: int = 200, /, **words: object) -> HTMLResponse:
    """Answer with a page; everything written into it is escaped."""
    page = _environment().get_template(f"{template}.html")
    html = page.render(
        language=visit.language.value,
        language_names=language_names(),
        is_signed_in=visit.is_signed_in,
        viewer=visit.viewer,
        texts=texts(visit.language),
        **words,
    )
    headers = {**PAGE_HEADERS, "Content-Language": visit.language.value}
    response = HTMLResponse(html, status, headers)
    if visit.has_chosen:
        response.set_cookie(
            LANGUAGE_COOKIE,
            visit.language.value,
            max_age=_LANGUAGE_KEPT_SECONDS,
            secure=is_served_securely(visit.services),
            httponly=True,
            samesite="lax",
        )
    return response


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("sync_server.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.globals["asset"] = asset
    return environment
