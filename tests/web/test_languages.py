"""A page's language: asked for in its address, remembered from before, or liked by the browser."""

import httpx
import pytest

from sync_server.kit.services import Services
from tests.factories.tenants import make_person

TITLES = {
    "en": "Sign in",
    "sw": "Ingia",
    "lg": "Yingira",
    "rw": "Injira",
    "fr": "Se connecter",
}


@pytest.mark.parametrize(
    ("query", "cookie", "accepted", "language"),
    [
        ("?lang=sw", "fr", "rw", "sw"),
        ("", "fr", "rw", "fr"),
        ("", None, "rw", "rw"),
        ("", None, "de", "en"),
        ("?lang=xx", "lg", "rw", "lg"),
        ("?lang=xx", "xx", "rw", "rw"),
    ],
)
async def test_the_nearest_wish_wins(
    app_client: httpx.AsyncClient, query: str, cookie: str | None, accepted: str, language: str
) -> None:
    headers = {"Accept-Language": accepted, "Cookie": f"zeraket-language={cookie or ''}"}
    answer = await app_client.get(f"/sign-in{query}", headers=headers)
    assert f"<h1>{TITLES[language]}</h1>" in answer.text
    assert f'<html lang="{language}">' in answer.text
    assert answer.headers["content-language"] == language


async def test_what_was_asked_for_is_remembered(app_client: httpx.AsyncClient) -> None:
    asked = await app_client.get("/sign-in?lang=lg")
    again = await app_client.get("/sign-up")
    attributes = set(asked.headers["set-cookie"].lower().split("; "))
    assert {"zeraket-language=lg", "httponly", "samesite=lax", "path=/"} <= attributes
    assert '<html lang="lg">' in again.text


async def test_what_the_browser_likes_is_not_remembered(app_client: httpx.AsyncClient) -> None:
    answer = await app_client.get("/sign-in", headers={"Accept-Language": "fr"})
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("path", ["/", "/sign-in", "/sign-up", "/invitation", "/nowhere"])
async def test_every_page_has_the_menu(app_client: httpx.AsyncClient, path: str) -> None:
    html = (await app_client.get(path, headers={"Accept": "text/html"})).text
    offered = [language for language in TITLES if f'href="?lang={language}"' in html]
    assert offered == list(TITLES)


async def test_another_language_leads_to_the_same_place(app_client: httpx.AsyncClient) -> None:
    html = (await app_client.get("/sign-in?next=/invitation")).text
    assert 'href="?lang=sw&amp;next=/invitation"' in html
    assert 'data-next="/invitation"' in html


async def test_a_place_elsewhere_is_not_passed_on(app_client: httpx.AsyncClient) -> None:
    html = (await app_client.get("/sign-in?next=//evil.example")).text
    assert "evil.example" not in html
    assert 'data-next="/account"' in html


async def test_a_name_is_shown_as_it_is_and_runs_nothing(
    app_client: httpx.AsyncClient, services: Services
) -> None:
    odd = await make_person(services, '{0} "Ω" & co')
    cookie = {"Cookie": f"zeraket={odd.token}"}
    html = (await app_client.get("/account", headers=cookie)).text
    assert "<h1>{0} &#34;Ω&#34; &amp; co</h1>" in html
