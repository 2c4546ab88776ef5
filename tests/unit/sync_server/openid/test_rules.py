import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from shared.ids import new_uuid7
from sync_server.identity.rules import UserId
from sync_server.identity.schemas import DisplayName
from sync_server.openid.rules import (
    Entrance,
    Known,
    Link,
    ProvenPerson,
    Refuse,
    SignIn,
    SignUp,
    display_name,
    entrance,
    is_authoritative,
)

AMINA, GRACE = (UserId(new_uuid7(1, bytes([number] * 10))) for number in (1, 2))


def person(
    address: str = "grace@gmail.com", name: str = "", hosted_domain: str | None = None
) -> ProvenPerson:
    return ProvenPerson("https://accounts.google.com", "1", address, name, hosted_domain)


@pytest.mark.parametrize(
    ("provider", "address", "hosted_domain", "expected"),
    [
        ("google", "grace@gmail.com", None, True),
        ("google", "grace@googlemail.com", None, True),
        ("google", "moses@nile.example", "nile.example", True),
        ("google", "moses@nile.example", "NILE.example", True),
        ("google", "moses@nile.example", None, False),
        ("google", "moses@nile.example", "", False),
        ("google", "moses@nile.example", "lake.example", False),
        ("google", "moses@sub.nile.example", "nile.example", False),
        ("google", "moses@xgmail.com", None, False),
        ("google", '"x@gmail.com"@evil.example', None, False),
        ("another", "grace@gmail.com", "gmail.com", False),
    ],
)
def test_a_provider_speaks_for_its_own_mailboxes(
    provider: str, address: str, hosted_domain: str | None, expected: bool
) -> None:
    told = person(address, hosted_domain=hosted_domain)
    assert is_authoritative(provider, told) is expected


@pytest.mark.parametrize(
    ("known", "authoritative", "expected"),
    [
        (Known(), False, SignUp()),
        (Known(), True, SignUp()),
        (Known(linked=AMINA), False, SignIn(AMINA)),
        (Known(linked=AMINA, owner=GRACE), True, SignIn(AMINA)),
        (Known(owner=GRACE), True, Link(GRACE)),
        (Known(owner=GRACE), False, Refuse()),
        (Known(owner=GRACE, owner_has_linked=True), True, Refuse()),
        (Known(owner=GRACE, owner_has_linked=True), False, Refuse()),
    ],
)
def test_the_subject_goes_before_the_address(
    known: Known, authoritative: bool, expected: Entrance
) -> None:
    assert entrance(known, authoritative=authoritative) == expected


@pytest.mark.parametrize(
    ("name", "address", "expected"),
    [
        ("Grace Akello", "g@gmail.com", "Grace Akello"),
        ("  Grace \n Akello ", "g@gmail.com", "Grace Akello"),
        ("<b>Grace</b>", "g@gmail.com", "b Grace /b"),
        ("", "grace.akello@gmail.com", "grace.akello"),
        ("\x00<>", "grace@gmail.com", "grace"),
        ("x" * 300, "g@gmail.com", "x" * 100),
    ],
)
def test_a_name_is_what_we_show(name: str, address: str, expected: str) -> None:
    assert display_name(person(address, name)) == expected


@given(st.text(max_size=300))
def test_any_name_can_stand_in_a_letter(name: str) -> None:
    shown = display_name(person("grace@gmail.com", name))
    assert TypeAdapter(DisplayName).validate_python(shown) == shown
