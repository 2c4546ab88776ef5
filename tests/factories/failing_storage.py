"""Stores that fail or wait when told to; what they do take lies in a folder."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from typing import IO, Final

from sync_server.kit.services import Services
from sync_server.kit.storage import (
    FolderStorage,
    ListedObject,
    ObjectKey,
    ObjectStorage,
    StorageUnavailableError,
)

_FAULT: Final = "held up by a test"


@dataclass(frozen=True, slots=True)
class FailingStorage(FolderStorage):
    """Takes nothing more after as many objects as it may hold."""

    objects_max: int = 0

    async def put(self, key: ObjectKey, content: IO[bytes]) -> None:
        held = sum([len(page) async for page in self.list_all()])
        if held >= self.objects_max:
            raise StorageUnavailableError(_FAULT)
        await FolderStorage.put(self, key, content)


@dataclass(frozen=True, slots=True)
class SlowStorage(FolderStorage):
    """Says when somebody puts, and waits until told to go on."""

    reached: asyncio.Event = field(default_factory=asyncio.Event)
    go_on: asyncio.Event = field(default_factory=asyncio.Event)

    async def put(self, key: ObjectKey, content: IO[bytes]) -> None:
        self.reached.set()
        await self.go_on.wait()
        await FolderStorage.put(self, key, content)


@dataclass(frozen=True, slots=True)
class LostStorage(FolderStorage):
    """Says when somebody lists it, and that it is away."""

    looked: asyncio.Event = field(default_factory=asyncio.Event)

    async def list_all(self) -> AsyncIterator[Sequence[ListedObject]]:
        self.looked.set()
        yield _away()


def _away() -> Sequence[ListedObject]:
    raise StorageUnavailableError(_FAULT)


def with_storage(services: Services, storage: ObjectStorage) -> Services:
    return replace(services, object_storage=storage)
