import pytest

from sync_server.identity.addresses import normalised_address
from sync_server.identity.passwords import decoy_hash, hash_password
from sync_server.identity.rules import (
    TOKEN_BYTES,
    Language,
    device_name,
    network_of,
    opaque_token,
)
from sync_server.identity.writing import Occasion, texts, write_letter

_CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko)"
    " Chrome/142.0.0.0 Safari/537.36"
)


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        ("grace@example.org", "grace@example.org"),
        (" Grace.Akello@Example.ORG ", "grace.akello@example.org"),
        ("grâce@exämple.org", "grâce@exämple.org"),
        ("grace@xn--exmple-cua.org", "grace@exämple.org"),
    ],
)
def test_an_address_has_one_spelling(written: str, stored: str) -> None:
    assert normalised_address(written) == stored
    assert normalised_address(stored) == stored


@pytest.mark.parametrize("written", ["", "grace", "grace@", "@x.org", "a@b@c.org", "a@x.org\nB: c"])
def test_what_is_no_address_is_refused_without_repeating_it(written: str) -> None:
    with pytest.raises(ValueError, match=r"^this is not an e-mail address$"):
        normalised_address(written)


@pytest.mark.parametrize(
    ("host", "network"),
    [
        ("192.0.2.77", "192.0.2.0/24"),
        ("2001:db8:1:2:3::4", "2001:db8:1::/56"),
        (None, "unknown"),
        ("testclient", "unknown"),
    ],
)
def test_neighbours_are_one_network(host: str | None, network: str) -> None:
    assert network_of(host) == network


@pytest.mark.parametrize(
    ("user_agent", "name"),
    [
        (_CHROME, "Chrome · Windows"),
        (_CHROME + " Edg/142.0", "Edge · Windows"),
        ("Mozilla/5.0 (Android 14; Mobile; rv:140.0) Firefox/140.0", "Firefox · Android"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) Safari/604.1", "Safari · iPhone"),
        ("curl/8.5.0", "curl"),
        ("", ""),
    ],
)
def test_a_device_has_a_name_its_owner_knows(user_agent: str, name: str) -> None:
    assert device_name(user_agent) == name


def test_a_token_takes_exactly_its_randomness() -> None:
    assert opaque_token("zgu_", bytes(TOKEN_BYTES)) == "zgu_" + "A" * 43
    with pytest.raises(ValueError, match="32 random bytes"):
        opaque_token("zgu_", bytes(16))


async def test_checking_a_decoy_takes_the_same_work() -> None:
    parameters = (await hash_password("any password")).rsplit("$", 2)[0]
    assert decoy_hash().startswith(parameters)


@pytest.mark.parametrize("occasion", Occasion)
@pytest.mark.parametrize("language", Language)
def test_every_letter_exists_in_every_language(language: Language, occasion: Occasion) -> None:
    words = {"name": "Grace {0}", "organizer": "Nile Nights", "link": "https://x/#t"}
    words["provider"] = "Sandbox Inc."
    words["passkey"] = "Grace's phone"
    words |= {"event": "Night One", "number": "ZG-00000-00001"}
    letter = write_letter("grace@example.org", language, occasion, **words)
    english = texts(Language.ENGLISH)[occasion]
    assert ("{link}" in english[1]) == ("https://x/#t" in letter.text)
    assert ("{name}" in english[1]) == ("Grace {0}" in letter.text)
    assert ("{provider}" in english[1]) == ("Sandbox Inc." in letter.text)
    assert ("{passkey}" in english[1]) == ("Grace's phone" in letter.text)
    assert ("{event}" in english[1]) == ("Night One" in letter.text)
    assert ("{number}" in english[1]) == ("ZG-00000-00001" in letter.text)
    assert "Nile Nights" in letter.text or occasion is not Occasion.INVITATION
    assert "\n" not in letter.subject


def test_no_two_languages_say_the_same() -> None:
    subjects = [texts(language)[Occasion.SIGN_UP][0] for language in Language]
    assert len(set(subjects)) == len(Language)
