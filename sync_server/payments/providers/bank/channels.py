"""How files go to a bank and come from it: here by folders that the bank's own link empties and
fills (SFTP, host to host). A file is there whole or not at all, and one name is sent once.
"""

import asyncio
import os
import re
import stat
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from sync_server.payments.ports import Accepted, Answer, Refused, Unknown
from sync_server.payments.providers.bank.documents import FILE_BYTES_MAX

OUTBOX: Final = "outbox"
SENT: Final = "sent"
INBOX: Final = "inbox"
TAKEN_IN: Final = "taken-in"
ASIDE: Final = "unreadable"
_DRAFTS: Final = "drafts"
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}\.xml")


class BankChannel(Protocol):
    """The way to a bank."""

    async def hand_over(self, name: str, content: bytes) -> Answer:
        """Give a file to the bank, unless one of that name was given before."""

    async def was_handed_over(self, name: str) -> bool: ...

    async def check(self) -> Answer:
        """Say whether files can go and come."""


class BankInbox(Protocol):
    """The way from a bank."""

    async def waiting(self) -> Sequence[str]:
        """Name the files that came and were not put away, by name."""

    async def read(self, name: str) -> bytes | None:
        """Give a file, or nothing where it is gone or none."""

    async def put_away(self, name: str) -> None: ...

    async def set_aside(self, name: str) -> None:
        """Put away what nobody can read, for people to look at."""

    async def aside(self) -> Sequence[str]:
        """Name what lies aside."""

    async def check(self) -> Answer:
        """Say whether files can come and be put away."""


@dataclass(frozen=True, slots=True)
class FolderChannel:
    """A BankChannel and BankInbox in one folder: `outbox` and `inbox` are the bank's other end,
    `sent`, `taken-in` and `unreadable` say what was done with them.
    """

    root: Path

    async def hand_over(self, name: str, content: bytes) -> Answer:
        if not _NAME.fullmatch(name):
            return Refused("FILE_NAME")
        try:
            await asyncio.to_thread(self._hand_over, name, content)
        except OSError as error:
            return Unknown(type(error).__name__)
        return Accepted()

    async def was_handed_over(self, name: str) -> bool:
        return await asyncio.to_thread(self._was_handed_over, name)

    async def check(self) -> Answer:
        return await asyncio.to_thread(self._check)

    async def waiting(self) -> Sequence[str]:
        return await asyncio.to_thread(self._names_in, INBOX)

    async def read(self, name: str) -> bytes | None:
        return await asyncio.to_thread(_read, self.root.joinpath(INBOX, name))

    async def put_away(self, name: str) -> None:
        await asyncio.to_thread(self._move, name, TAKEN_IN)

    async def set_aside(self, name: str) -> None:
        await asyncio.to_thread(self._move, name, ASIDE)

    async def aside(self) -> Sequence[str]:
        return await asyncio.to_thread(self._names_in, ASIDE)

    def make_folders(self) -> None:
        """Make what is missing, for the owner alone."""
        for folder in (OUTBOX, SENT, INBOX, TAKEN_IN, ASIDE, _DRAFTS):
            self.root.joinpath(folder).mkdir(mode=0o700, parents=True, exist_ok=True)

    def _hand_over(self, name: str, content: bytes) -> None:
        """The mark in `sent` comes last: whoever is killed before it hands over once more, under
        the same name and ids, and the bank knows them.
        """
        sent = self.root.joinpath(SENT, name)
        if sent.exists():
            return
        descriptor, path = tempfile.mkstemp(dir=self.root.joinpath(_DRAFTS))
        draft = Path(path)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(descriptor)
            with suppress(FileExistsError):
                os.link(draft, self.root.joinpath(OUTBOX, name))
            _sync(self.root.joinpath(OUTBOX))
            draft.replace(sent)
            _sync(self.root.joinpath(SENT))
        finally:
            draft.unlink(missing_ok=True)

    def _was_handed_over(self, name: str) -> bool:
        return any(self.root.joinpath(folder, name).exists() for folder in (SENT, OUTBOX))

    def _check(self) -> Answer:
        for folder in (OUTBOX, SENT, INBOX, TAKEN_IN, ASIDE):
            name = folder.upper().replace("-", "_")
            if not self.root.joinpath(folder).is_dir():
                return Refused(f"NO_{name}")
            if not os.access(self.root.joinpath(folder), os.R_OK | os.W_OK | os.X_OK):
                return Refused(f"NO_RIGHT_TO_{name}")
        return Accepted()

    def _names_in(self, folder: str) -> list[str]:
        try:
            found = list(self.root.joinpath(folder).iterdir())
        except OSError:
            return []
        return sorted(path.name for path in found if _NAME.fullmatch(path.name))

    def _move(self, name: str, folder: str) -> None:
        """Whoever is not the first finds it gone, which is well."""
        origin = self.root.joinpath(INBOX, name)
        try:
            origin.replace(self.root.joinpath(folder, name))
        except FileNotFoundError:
            if origin.exists():
                raise


def _read(path: Path) -> bytes | None:
    """Follow no link, and read no more than a file may hold."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        return None
    with os.fdopen(descriptor, "rb") as file:
        return file.read(FILE_BYTES_MAX + 1)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
