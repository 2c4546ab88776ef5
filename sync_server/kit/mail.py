"""Letters by e-mail through a port: SMTP for real people, a folder of letters for development and
tests.
"""

import asyncio
import smtplib
import ssl
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from email.message import EmailMessage
from itertools import count
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Final, Protocol
from urllib.parse import unquote, urlsplit

import structlog

from shared.clock import Clock
from sync_server.kit.instants import instant
from sync_server.settings import is_loopback

SENDING_SECONDS_MAX: Final = 20
_PORTS: Final[Mapping[str, int]] = {"smtp": 587, "smtps": 465}
_LOG: Final = structlog.get_logger(__name__)


class MailUndeliverableError(Exception):
    """The letter did not leave; the cause names no address."""


class MailUrlError(ValueError):
    """The mail server's URL cannot be used."""


@dataclass(frozen=True, slots=True)
class Letter:
    """Plain text to one person; neither address nor text shows in a representation."""

    recipient: str = field(repr=False)
    subject: str
    text: str = field(repr=False)


class MailSender(Protocol):
    async def send(self, letter: Letter) -> None:
        """Hand the letter over, else raise MailUndeliverableError."""


@dataclass(frozen=True, slots=True)
class SmtpServer:
    """Where letters are handed in; `implicit_tls` is TLS from the first byte (port 465)."""

    host: str
    port: int
    implicit_tls: bool
    user: str = ""
    password: str = field(default="", repr=False)

    @property
    def is_on_this_machine(self) -> bool:
        return is_loopback(self.host)


def parse_mail_url(url: str) -> SmtpServer:
    """Read smtp://user:password@host:587 (STARTTLS) or smtps:// (TLS at once), else raise
    MailUrlError.
    """
    parts = urlsplit(url)
    if parts.scheme not in _PORTS or not parts.hostname:
        message = "give smtp://USER:PASSWORD@HOST:PORT or smtps://…"
        raise MailUrlError(message)
    return SmtpServer(
        host=parts.hostname,
        port=parts.port or _PORTS[parts.scheme],
        implicit_tls=parts.scheme == "smtps",
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
    )


@dataclass(frozen=True, slots=True)
class SmtpSender:
    """Speaks SMTP in a thread of its own; unencrypted to this machine alone."""

    server: SmtpServer
    clock: Clock
    sender: str

    async def send(self, letter: Letter) -> None:
        try:
            await asyncio.to_thread(self._send, letter)
        except (smtplib.SMTPException, OSError) as error:
            raise MailUndeliverableError(type(error).__name__) from error

    def _send(self, letter: Letter) -> None:
        with self._connected() as connection:
            if not (self.server.implicit_tls or self.server.is_on_this_machine):
                connection.starttls(context=ssl.create_default_context())
            if self.server.user:
                connection.login(self.server.user, self.server.password)
            connection.send_message(written(letter, self.sender, self.clock.now_ms()))

    def _connected(self) -> smtplib.SMTP:
        host, port = self.server.host, self.server.port
        if not self.server.implicit_tls:
            return smtplib.SMTP(host, port, timeout=SENDING_SECONDS_MAX)
        context = ssl.create_default_context()
        return smtplib.SMTP_SSL(host, port, timeout=SENDING_SECONDS_MAX, context=context)


@dataclass(frozen=True, slots=True)
class MailboxFolder:
    """Keeps letters as files, for their owner only; the newest name sorts last."""

    folder: Path
    clock: Clock
    sender: str

    async def send(self, letter: Letter) -> None:
        try:
            await asyncio.to_thread(self._write, letter)
        except OSError as error:
            raise MailUndeliverableError(type(error).__name__) from error

    def _write(self, letter: Letter) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        now_ms = self.clock.now_ms()
        with NamedTemporaryFile(dir=self.folder, suffix=".draft") as draft:
            draft.write(bytes(written(letter, self.sender, now_ms)))
            draft.flush()
            self._put_down(Path(draft.name), now_ms)

    def _put_down(self, draft: Path, now_ms: int) -> None:
        """Whole, and under a name of its own: letters of one moment are written side by side."""
        for number in count(len(list(self.folder.glob("*.eml")))):
            with suppress(FileExistsError):
                (self.folder / f"{now_ms:015}-{number:05}.eml").hardlink_to(draft)
                return


def written(letter: Letter, sender: str, now_ms: int) -> EmailMessage:
    message = EmailMessage()
    message["From"] = sender
    message["To"] = letter.recipient
    message["Subject"] = letter.subject
    message["Date"] = instant(now_ms)
    # Nobody's holiday notice answers it.
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(letter.text)
    return message


async def send_quietly(sender: MailSender, letter: Letter) -> None:
    """Send after the answer has left: whether it could be sent must not show in it."""
    try:
        await sender.send(letter)
    except MailUndeliverableError as error:
        _LOG.error("mail.undeliverable", reason=str(error))
