"""Repeats of a request answered as the first was; answers are sealed, since they may carry
secrets.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Annotated, Final, TypeVar

from fastapi import Header
from pydantic import BaseModel

from sync_server.kit.instants import instant
from sync_server.kit.services import Services
from sync_server.organizers.callers import OrganizerCaller
from sync_server.tickets import repository
from sync_server.tickets.errors import IdempotencyKeyReusedError

_PURPOSE: Final = "idempotent answer"
Answer = TypeVar("Answer", bound=BaseModel)

IdempotencyKey = Annotated[
    str | None,
    Header(alias="Idempotency-Key", min_length=1, max_length=200),
]


@dataclass(frozen=True, slots=True)
class RepeatableRequest:
    """A request that may come twice; without a key each is a new one."""

    caller: OrganizerCaller
    services: Services
    key: str | None
    place: str
    """The path, so that one key cannot answer for two endpoints."""

    async def answer_once(
        self, body: BaseModel, kind: type[Answer], make: Callable[[], Awaitable[Answer]]
    ) -> Answer:
        """Give the stored answer or make it, in the caller's own transaction."""
        if self.key is None:
            return await make()
        session, organizer_id = self.caller.session, self.caller.organizer_id
        row_id = self.services.new_id()
        request_hash = sha256(f"{self.place}\0{body.model_dump_json()}".encode()).digest()
        claim = {
            "organizer_id": organizer_id,
            "key": self.key,
            "id": row_id,
            "request_hash": request_hash,
            "created_at": instant(self.services.clock.now_ms()),
        }
        if not await repository.claim_key(session, claim):
            return await self._stored(kind, request_hash)
        answer = await make()
        text = answer.model_dump_json().encode()
        sealed = self.services.key_sealer.seal(text, _PURPOSE, row_id)
        await repository.keep_answer(session, organizer_id, self.key, sealed)
        return answer

    async def _stored(self, kind: type[Answer], request_hash: bytes) -> Answer:
        caller, key = self.caller, self.key or ""
        found = await repository.find_answer(caller.session, caller.organizer_id, key)
        if found is None or found.sealed_answer is None or found.request_hash != request_hash:
            raise IdempotencyKeyReusedError
        text = self.services.key_sealer.open(found.sealed_answer, _PURPOSE, found.id)
        return kind.model_validate_json(text)
