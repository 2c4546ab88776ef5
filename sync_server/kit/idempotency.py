"""Repeats of a request answered as the first was; answers are sealed, since they may carry
secrets.

The key is claimed by one statement in the transaction that does the work: whoever comes second
waits for the first, and a request that fails or is cut off leaves no key behind.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Annotated, Any, Final, TypeVar
from uuid import UUID

import structlog
from fastapi import Depends, Header, Request
from pydantic import BaseModel
from sqlalchemy import CursorResult, FetchedValue, delete, select, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from sync_server.kit.claims import WORKER
from sync_server.kit.instants import instant
from sync_server.kit.models import Base
from sync_server.kit.problems import IDEMPOTENCY_KEY_HEADER, ProblemError
from sync_server.kit.services import Services, ServicesDependency

KEPT_FOR: Final = timedelta(days=7)
"""Longer than any client should go on repeating; the database keeps them as long at least."""
WATCH_INTERVAL_SECONDS: Final = 600.0
_KEY_CHARACTERS_MAX: Final = 200
_PURPOSE: Final = "idempotent answer"
_LOG: Final = structlog.get_logger(__name__)
Answer = TypeVar("Answer", bound=BaseModel)


class IdempotentAnswer(Base):
    """Who asked (`principal`) is the database's word; nobody sees another's rows."""

    __tablename__ = "idempotent_answers"

    organizer_id: Mapped[UUID] = mapped_column(primary_key=True)
    principal: Mapped[str] = mapped_column(primary_key=True, server_default=FetchedValue())
    key: Mapped[str] = mapped_column(primary_key=True)
    id: Mapped[UUID]
    request_hash: Mapped[bytes]
    sealed_answer: Mapped[bytes | None]
    created_at: Mapped[datetime]


class IdempotencyKeyReusedError(ProblemError):
    status = 422
    code = "idempotency_key_reused"
    title = "This idempotency key was used for another request"


@dataclass(frozen=True, slots=True)
class Repeat:
    """What a row keeps of the request that made it, to know that request when it comes again: whose
    key it came under, and what it asked for.
    """

    repeat_hash: bytes
    request_hash: bytes

    def require_same(self, kept: bytes | None) -> None:
        """Raise where the key was used for another request. What was made before that was kept is
        what its key says.
        """
        if kept not in {None, self.request_hash}:
            raise IdempotencyKeyReusedError


@dataclass(frozen=True, slots=True)
class RepeatableRequest:
    """A request that may come twice; without a key each is a new one."""

    services: Services
    key: str | None
    request_hash: bytes
    """Of method, path and body, so that one key cannot answer for two requests."""

    def repeat_of(self, *whose: object) -> Repeat:
        """Say how a repeat is known where rows keep that themselves: by the key, within what it is
        good for, and by the content.
        """
        named = "\0".join((*map(str, whose), self.key or ""))
        return Repeat(sha256(named.encode()).digest(), self.request_hash)

    async def answer_once(
        self,
        session: AsyncSession,
        organizer_id: UUID,
        kind: type[Answer],
        make: Callable[[], Awaitable[Answer]],
    ) -> Answer:
        """Give the stored answer or make it, in the caller's own transaction."""
        if self.key is None:
            return await make()
        row_id = self.services.new_id()
        claim = {
            "organizer_id": organizer_id,
            "key": self.key,
            "id": row_id,
            "request_hash": self.request_hash,
            "created_at": instant(self.services.clock.now_ms()),
        }
        if not await _claim_key(session, claim):
            return await self._stored(session, organizer_id, kind)
        answer = await make()
        # What was never set stays unset: in some answers an explicit null says something.
        text = answer.model_dump_json(exclude_unset=True).encode()
        sealed = self.services.key_sealer.seal(text, _PURPOSE, row_id)
        await _keep_answer(session, organizer_id, self.key, sealed)
        return answer

    async def _stored(
        self, session: AsyncSession, organizer_id: UUID, kind: type[Answer]
    ) -> Answer:
        found = await _find_answer(session, organizer_id, self.key or "")
        if found is None or found.sealed_answer is None or found.request_hash != self.request_hash:
            raise IdempotencyKeyReusedError
        text = self.services.key_sealer.open(found.sealed_answer, _PURPOSE, found.id)
        return kind.model_validate_json(text)


async def request_with_key(
    request: Request,
    services: ServicesDependency,
    key: Annotated[
        str, Header(alias=IDEMPOTENCY_KEY_HEADER, min_length=1, max_length=_KEY_CHARACTERS_MAX)
    ],
) -> RepeatableRequest:
    return RepeatableRequest(services, key, await _hash(request))


async def request_with_or_without_key(
    request: Request,
    services: ServicesDependency,
    key: Annotated[
        str | None,
        Header(alias=IDEMPOTENCY_KEY_HEADER, min_length=1, max_length=_KEY_CHARACTERS_MAX),
    ] = None,
) -> RepeatableRequest:
    return RepeatableRequest(services, key, await _hash(request))


RequiredKey = Annotated[RepeatableRequest, Depends(request_with_key)]
OptionalKey = Annotated[RepeatableRequest, Depends(request_with_or_without_key)]


async def prune_answers(services: Services) -> int:
    """Forget what is older than any repeat, and say how many answers that were."""
    before = instant(services.clock.now_ms()) - KEPT_FOR
    outdated = delete(IdempotentAnswer).where(IdempotentAnswer.created_at < before)
    async with services.database.transaction(WORKER) as session:
        gone: CursorResult[Any] = await (await session.connection()).execute(outdated)
    return gone.rowcount


async def watch_kept_answers(services: Services) -> None:
    """Look again and again until cancelled; a database that is away is tried again."""
    while True:
        try:
            await prune_answers(services)
        except (DBAPIError, OSError) as error:
            _LOG.warning("answers.watch_failed", reason=type(error).__name__)
        await asyncio.sleep(WATCH_INTERVAL_SECONDS)


async def _hash(request: Request) -> bytes:
    place = f"{request.method} {request.url.path}\0".encode()
    return sha256(place + _plain(await request.body())).digest()


def _plain(body: bytes) -> bytes:
    """The order of a body's names and its spaces make no other request; what is no JSON is refused
    by the endpoint, after this.
    """
    try:
        return json.dumps(json.loads(body), sort_keys=True, separators=(",", ":")).encode()
    except ValueError:
        return body


async def _claim_key(session: AsyncSession, claim: dict[str, Any]) -> bool:
    """Take a key; False where an earlier request has it, after waiting for that to commit."""
    statement = postgresql.insert(IdempotentAnswer).values(claim).on_conflict_do_nothing()
    return await session.scalar(statement.returning(IdempotentAnswer.id)) is not None


async def _find_answer(
    session: AsyncSession, organizer_id: UUID, key: str
) -> IdempotentAnswer | None:
    return await session.scalar(select(IdempotentAnswer).where(*_one(organizer_id, key)))


async def _keep_answer(session: AsyncSession, organizer_id: UUID, key: str, sealed: bytes) -> None:
    kept = update(IdempotentAnswer).where(*_one(organizer_id, key)).values(sealed_answer=sealed)
    await session.execute(kept.execution_options(synchronize_session=False))


def _one(organizer_id: UUID, key: str) -> tuple[Any, ...]:
    """Row-level security adds whose it is."""
    return (IdempotentAnswer.organizer_id == organizer_id, IdempotentAnswer.key == key)
