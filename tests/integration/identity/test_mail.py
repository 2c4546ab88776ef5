"""Both mail senders keep one contract: the letter arrives as written, or the sender says it did
not.
"""

import asyncio
import email
import stat
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.policy import default as default_policy
from pathlib import Path

import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session

from shared.clock import SettableClock
from sync_server.kit.mail import (
    Letter,
    MailboxFolder,
    MailSender,
    MailUndeliverableError,
    SmtpSender,
    SmtpServer,
    parse_mail_url,
    send_quietly,
)

SENDER = "ZERAKET <no-reply@gate.example.org>"
CLOCK = SettableClock(1_795_000_000_000)
LETTER = Letter("grace@example.org", "Karibu, Éloïse", "Fungua kiungo hiki:\nhttps://x/#abc\n")


@dataclass  # Without slots: aiosmtpd looks at every attribute, and early 3.11 cannot bear that.
class _Inbox:
    """What the mail server took; refuses whom it does not know."""

    letters: list[bytes] = field(default_factory=list)

    async def handle_RCPT(  # noqa: N802 - aiosmtpd calls it so
        self,
        _server: SMTP,
        _session: Session,
        envelope: Envelope,
        address: str,
        _options: list[str],
    ) -> str:
        if address.startswith("nobody"):
            return "550 no such person"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802
        self, _server: SMTP, _session: Session, envelope: Envelope
    ) -> str:
        assert isinstance(envelope.content, bytes)
        self.letters.append(envelope.content)
        return "250 OK"


@dataclass(frozen=True, slots=True)
class Post:
    """A sender, and what arrived through it."""

    sender: MailSender
    arrived: Callable[[], list[bytes]]


@pytest.fixture
async def smtp_inbox() -> AsyncIterator[tuple[_Inbox, SmtpServer]]:
    """A mail server on loopback."""
    inbox = _Inbox()
    running = asyncio.get_running_loop()
    server = await running.create_server(lambda: SMTP(inbox), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    yield inbox, SmtpServer("127.0.0.1", port, implicit_tls=False)
    server.close()
    await server.wait_closed()


@pytest.fixture(params=["smtp", "folder"])
def post(
    request: pytest.FixtureRequest, smtp_inbox: tuple[_Inbox, SmtpServer], tmp_path: Path
) -> Post:
    inbox, server = smtp_inbox
    folder = tmp_path / "mail"
    posts = {
        "smtp": Post(SmtpSender(server, CLOCK, SENDER), lambda: inbox.letters),
        "folder": Post(
            MailboxFolder(folder, CLOCK, SENDER),
            lambda: [path.read_bytes() for path in sorted(folder.iterdir())],
        ),
    }
    return posts[str(request.param)]


def _read(raw: bytes) -> EmailMessage:
    message = email.message_from_bytes(raw, policy=default_policy)
    assert isinstance(message, EmailMessage)
    return message


async def test_a_letter_arrives_as_it_was_written(post: Post) -> None:
    await post.sender.send(LETTER)
    (message,) = map(_read, post.arrived())
    assert (message["To"], message["Subject"]) == (LETTER.recipient, LETTER.subject)
    assert (message["From"], message["Auto-Submitted"]) == (SENDER, "auto-generated")
    assert message["Date"] == "Wed, 18 Nov 2026 11:06:40 +0000"
    assert message.get_content().replace("\r\n", "\n") == LETTER.text


async def test_letters_arrive_in_order(post: Post) -> None:
    for subject in ("first", "second"):
        await post.sender.send(Letter("grace@example.org", subject, "text\n"))
    assert [_read(raw)["Subject"] for raw in post.arrived()] == ["first", "second"]


def test_a_letter_file_is_for_its_owner_only(tmp_path: Path) -> None:
    asyncio.run(MailboxFolder(tmp_path, CLOCK, SENDER).send(LETTER))
    (path,) = tmp_path.glob("*.eml")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_letters_of_one_moment_are_all_kept(tmp_path: Path) -> None:
    folder = MailboxFolder(tmp_path, CLOCK, SENDER)

    async def send_all() -> None:
        await asyncio.gather(*(folder.send(LETTER) for _ in range(30)))

    asyncio.run(send_all())
    assert len(list(tmp_path.glob("*.eml"))) == 30
    assert list(tmp_path.glob("*.draft")) == []


async def test_a_refused_recipient_is_undeliverable(
    smtp_inbox: tuple[_Inbox, SmtpServer],
) -> None:
    sender = SmtpSender(smtp_inbox[1], CLOCK, SENDER)
    with pytest.raises(MailUndeliverableError) as refused:
        await sender.send(Letter("nobody@example.org", "Hello", "text\n"))
    assert "nobody" not in str(refused.value)


async def test_a_silent_server_is_undeliverable(refusing_port: int) -> None:
    server = SmtpServer("127.0.0.1", refusing_port, implicit_tls=False)
    with pytest.raises(MailUndeliverableError):
        await SmtpSender(server, CLOCK, SENDER).send(LETTER)


async def test_a_folder_that_cannot_be_made_is_undeliverable(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.touch()
    with pytest.raises(MailUndeliverableError):
        await MailboxFolder(blocked / "mail", CLOCK, SENDER).send(LETTER)


async def test_a_server_that_offers_no_encryption_gets_no_letter(
    smtp_inbox: tuple[_Inbox, SmtpServer],
) -> None:
    inbox, server = smtp_inbox
    elsewhere = parse_mail_url(f"smtp://127.1:{server.port}")
    with pytest.raises(MailUndeliverableError):
        await SmtpSender(elsewhere, CLOCK, SENDER).send(LETTER)
    assert inbox.letters == []


async def test_what_is_sent_quietly_fails_quietly(
    refusing_port: int, capfd: pytest.CaptureFixture[str]
) -> None:
    server = SmtpServer("127.0.0.1", refusing_port, implicit_tls=False)
    await send_quietly(SmtpSender(server, CLOCK, SENDER), LETTER)
    told = capfd.readouterr()
    assert "mail.undeliverable" in told.out + told.err
    assert LETTER.recipient not in told.out + told.err
