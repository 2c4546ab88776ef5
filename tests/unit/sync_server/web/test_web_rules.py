from urllib.parse import urljoin, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync_server.identity.rules import Language
from sync_server.web.rules import (
    HOME_AFTER_SIGN_IN,
    chosen_language,
    local_path,
    preferred_language,
)


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("", "en"),
        ("sw", "sw"),
        ("sw-KE,sw;q=0.9,en;q=0.8", "sw"),
        ("en-GB,fr;q=0.9", "en"),
        ("de-DE,de;q=0.9,fr-RW;q=0.7,en;q=0.3", "fr"),
        ("en;q=0.2, rw;q=0.9", "rw"),
        ("LG", "lg"),
        ("fr;q=0, en;q=0.1", "en"),
        ("fr;q=0", "en"),
        ("fr;q=high, sw;q=0.1", "sw"),
        ("sw;q=0.5,fr;q=0.50", "sw"),
        ("*", "en"),
        ("zh-CN, ja", "en"),
        ("swahili", "en"),
    ],
)
def test_the_language_a_browser_likes_best_is_taken(accepted: str, language: str) -> None:
    assert preferred_language(accepted) == language


@given(st.text())
def test_any_header_gives_a_language(accepted: str) -> None:
    assert preferred_language(accepted) in Language


@pytest.mark.parametrize(
    ("asked", "language"), [("fr", "fr"), ("FR", None), ("de", None), ("", None), (None, None)]
)
def test_only_languages_of_ours_can_be_asked_for(asked: str | None, language: str | None) -> None:
    assert chosen_language(asked) == language


@pytest.mark.parametrize(
    "path", ["/account", "/invitation", "/sign-in/google", "/events/0190a0b1-c2d3-7e4f-8a9b-0c1d"]
)
def test_a_path_of_ours_is_gone_to(path: str) -> None:
    assert local_path(path) == path


@pytest.mark.parametrize(
    "wanted",
    [
        None,
        "",
        "/",
        "account",
        "//evil.example",
        "/\\evil.example",
        "/account//evil.example",
        "https://evil.example/",
        "javascript:alert(1)",
        "/account?next=/x",
        "/account#zgl_x",
        "/account\n",
        "/../account",
        "/%2f/evil.example",
        "/" + "a" * 300,
    ],
)
def test_whatever_could_lead_elsewhere_leads_home(wanted: str | None) -> None:
    assert local_path(wanted) == HOME_AFTER_SIGN_IN


@given(st.text(alphabet="/\\.:@?#-abc%\t\n", max_size=30) | st.text())
def test_no_path_leads_to_another_host(wanted: str) -> None:
    assert urlsplit(urljoin("https://gate.example.org/sign-in", local_path(wanted))).netloc == (
        "gate.example.org"
    )
