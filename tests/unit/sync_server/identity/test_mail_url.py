import pytest

from sync_server.kit.mail import MailUrlError, SmtpServer, parse_mail_url


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("smtp://mail.example.org", SmtpServer("mail.example.org", 587, implicit_tls=False)),
        ("smtps://mail.example.org", SmtpServer("mail.example.org", 465, implicit_tls=True)),
        (
            "smtp://grace%40example.org:p%2Fw@mail.example.org:2525",
            SmtpServer(
                "mail.example.org",
                2525,
                implicit_tls=False,
                user="grace@example.org",
                password="p/w",
            ),
        ),
    ],
)
def test_a_mail_url_says_where_and_how(url: str, server: SmtpServer) -> None:
    assert parse_mail_url(url) == server


@pytest.mark.parametrize("url", ["", "mail.example.org", "https://mail.example.org", "smtp://"])
def test_other_urls_are_refused(url: str) -> None:
    with pytest.raises(MailUrlError):
        parse_mail_url(url)


def test_the_password_does_not_show() -> None:
    assert "hidden" not in repr(parse_mail_url("smtp://user:hidden@mail.example.org"))


@pytest.mark.parametrize(
    ("host", "local"),
    [("127.0.0.1", True), ("::1", True), ("localhost", True), ("mail.example.org", False)],
)
def test_only_this_machine_may_do_without_encryption(host: str, local: bool) -> None:
    assert SmtpServer(host, 25, implicit_tls=False).is_on_this_machine is local
