"""Whom passkeys are made for, and what a counter tells."""

from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync_server.passkeys.rules import RelyingParty, counter_went_back, relying_party


@pytest.mark.parametrize(
    ("public_url", "host", "origin"),
    [
        ("https://gate.example.org", "gate.example.org", "https://gate.example.org"),
        ("https://gate.example.org/", "gate.example.org", "https://gate.example.org"),
        ("https://Gate.Example.org:443", "gate.example.org", "https://gate.example.org"),
        ("https://gate.example.org:8443", "gate.example.org", "https://gate.example.org:8443"),
        ("http://localhost:8080", "localhost", "http://localhost:8080"),
        ("http://gate.localhost:8080", "gate.localhost", "http://gate.localhost:8080"),
        ("http://localhost:80", "localhost", "http://localhost"),
    ],
)
def test_passkeys_are_made_for_a_host_and_its_pages(
    public_url: str, host: str, origin: str
) -> None:
    assert relying_party(public_url) == RelyingParty(host, origin)


@pytest.mark.parametrize(
    "public_url",
    [
        "http://127.0.0.1:8080",
        "https://192.0.2.7",
        "https://127.1",
        "https://[2001:db8::7]:8443",
        "http://gate.example.org",
        "http://notlocalhost",
        "ftp://localhost",
        "https://gate.example.org:port",
        "https://[gate",
        "gate.example.org",
        "https://",
        "",
    ],
)
def test_for_other_addresses_browsers_make_none(public_url: str) -> None:
    assert relying_party(public_url) is None


@given(st.sampled_from(["https://", "http://", ""]), st.text(max_size=20))
def test_the_origin_is_of_the_host_whatever_the_address(scheme: str, rest: str) -> None:
    found = relying_party(scheme + rest)
    assert found is None or urlsplit(found.origin).hostname == found.id


@pytest.mark.parametrize(
    ("known", "told", "went_back"),
    [
        (0, 0, False),
        (0, 1, False),
        (1, 2, False),
        (7, 0, False),
        (7, 7, True),
        (7, 6, True),
        (2**32 - 1, 1, True),
    ],
)
def test_a_counter_that_does_not_grow_went_back(known: int, told: int, went_back: bool) -> None:
    assert counter_went_back(known, told) is went_back
