"""The second place: each block's header and signature, one JSON line each, in files outside the
database that are only ever added to.

Put the folder on other storage, or the one who can change the database can change this as well.
"""

import fcntl
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sync_server.audit.blocks import SealedBlock, block_from_document
from sync_server.audit.rules import Log
from sync_server.kit.services import Services

_FOLDER_NAME: Final = "anchors"
_TAIL_BYTES: Final = 4096


@dataclass(frozen=True, slots=True)
class UnreadableAnchor:
    """A line that is no block: torn by a full disk, or changed by somebody."""

    line: int


@dataclass(frozen=True, slots=True)
class FileAnchors:
    """One file for each log."""

    folder: Path

    def path(self, log: Log) -> Path:
        return self.folder / f"{log.value}.jsonl"

    def last(self, log: Log) -> SealedBlock | None:
        """Give the newest block that was anchored, without reading what came before."""
        path = self.path(log)
        if not path.exists():
            return None
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL_BYTES))
            lines = file.read().splitlines()
        readable = (block for block in map(_parse, reversed(lines)) if block is not None)
        return next(readable, None)

    def read(self, log: Log) -> Iterator[SealedBlock | UnreadableAnchor]:
        path = self.path(log)
        if not path.exists():
            return
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                yield _parse(line) or UnreadableAnchor(number)

    def append(self, log: Log, blocks: Iterable[SealedBlock]) -> None:
        """Write blocks that are not there yet, and let no other process in between."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with _locked(self.path(log)) as descriptor:
            last = self.last(log)
            known = 0 if last is None else last.header.number
            new = [block for block in blocks if block.header.number > known]
            lines = "".join(json.dumps(block.to_document()) + "\n" for block in new)
            if new:
                os.write(descriptor, (_line_end(descriptor) + lines).encode())
                os.fsync(descriptor)


def file_anchors(services: Services) -> FileAnchors:
    return FileAnchors(services.anchor_directory or services.data_directory / _FOLDER_NAME)


@contextmanager
def _locked(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o640)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)


def _line_end(descriptor: int) -> str:
    """End a line that was torn, so that what follows can be read."""
    size = os.lseek(descriptor, 0, os.SEEK_END)
    return "\n" if size and os.pread(descriptor, 1, size - 1) != b"\n" else ""


def _parse(line: bytes) -> SealedBlock | None:
    try:
        return block_from_document(json.loads(line))
    except (ValueError, KeyError, TypeError):
        return None
