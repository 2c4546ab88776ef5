import pytest

from sync_server.identity.errors import PasswordGuessableError
from sync_server.identity.passwords import require_good

ABOUT_HER = ("grace.akello@example.org", "Grace Akello")


@pytest.mark.parametrize(
    ("password", "weakness"),
    [
        ("password1234", "common"),
        ("footballmonkey", "common"),
        ("grace akello 12", "personal"),
        ("zxcvbnm,./;'", "keyboard"),
        ("aaaaaaaaaaaaaa", "repeated"),
        ("abcdefghijklmn", "sequence"),
        ("1990-03-04 12", "date"),
    ],
)
def test_a_guessable_password_is_refused_for_what_it_is_made_of(
    password: str, weakness: str
) -> None:
    with pytest.raises(PasswordGuessableError) as refused:
        require_good(password, *ABOUT_HER)
    assert refused.value.extra == {"weakness": weakness}


def test_what_nobody_can_name_is_refused_all_the_same() -> None:
    with pytest.raises(PasswordGuessableError) as refused:
        require_good("kx7", *ABOUT_HER)
    assert refused.value.extra == {"weakness": None}


@pytest.mark.parametrize("password", ["lantern bicycle harvest", "kX9!vq2#Lm7pWz"])
def test_a_good_password_is_let_through(password: str) -> None:
    assert require_good(password, *ABOUT_HER) is None  # type: ignore[func-returns-value]  # that it returns is the point
