"""Recording: what was done goes into the transaction that does it, what was seen after the answer.

The database itself says who the caller is and whether the organizer is theirs.
"""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from sync_server.audit import repository
from sync_server.audit.origin import current_origin
from sync_server.audit.rules import Access, Action, Log, Subject, fit_text, fit_to_keep
from sync_server.audit.schemas import AccessShown, ActionShown
from sync_server.kit.claims import Claims
from sync_server.kit.instants import instant
from sync_server.kit.pagination import Page, PageRequest, page_of
from sync_server.kit.services import Services

_LOG: Final = structlog.get_logger(__name__)


async def record_action(session: AsyncSession, services: Services, action: Action) -> None:
    """Write down a change in the transaction that makes it: both stand, or neither does."""
    entry = {
        **_entry(services, action.subject),
        "kind": action.kind,
        "actor_id": _text(action.actor_id),
        "before": fit_to_keep(action.before),
        "after": fit_to_keep(action.after),
        "reason": None if action.reason is None else fit_text(action.reason),
    }
    await repository.record(session, Log.ACTIONS, entry)


async def record_access(session: AsyncSession, services: Services, access: Access) -> None:
    """Write down a look or a sign-in; under a token of nobody it leaves nothing."""
    entry = {
        **_entry(services, access.subject),
        "kind": access.kind.value,
        "actor_id": _text(access.actor_id),
        "outcome": access.outcome.value,
        "detail": access.detail,
    }
    await repository.record(session, Log.ACCESSES, entry)


def note_access(access: Access) -> None:
    """Have a look recorded once the request is answered well: reading transactions cannot write."""
    current_origin().noted.append(access)


async def record_accesses_apart(
    services: Services, claims: Claims, accesses: Sequence[Access]
) -> None:
    """Record in a transaction of its own, for work whose own transaction reads or was undone."""
    async with services.database.transaction(claims) as session:
        for access in accesses:
            await record_access(session, services, access)


async def record_accesses_or_complain(
    services: Services, claims: Claims, accesses: Sequence[Access]
) -> None:
    """Record what an answer that stands already has shown or refused: where the log cannot be
    written, that is said.
    """
    try:
        await record_accesses_apart(services, claims, accesses)
    except (DBAPIError, OSError) as error:
        _LOG.error("audit.access_unrecorded", reason=type(error).__name__, count=len(accesses))


async def list_actions(
    session: AsyncSession, organizer_id: UUID | None, page: PageRequest
) -> Page[ActionShown]:
    """List an organizer's actions, or all there are, oldest first."""
    rows = await repository.list_actions(session, organizer_id, page)
    return page_of(rows, page, ActionShown.model_validate, lambda row: row.id)


async def list_accesses(
    session: AsyncSession, organizer_id: UUID | None, page: PageRequest
) -> Page[AccessShown]:
    """List who looked at what of an organizer, or of all, oldest first."""
    rows = await repository.list_accesses(session, organizer_id, page)
    return page_of(rows, page, AccessShown.model_validate, lambda row: row.id)


def _entry(services: Services, subject: Subject) -> dict[str, Any]:
    origin = current_origin()
    return {
        "id": str(services.new_id()),
        "happened_at": instant(services.clock.now_ms()).isoformat(),
        "organizer_id": _text(subject.organizer_id),
        "object_kind": subject.kind,
        "object_id": subject.id,
        "request_id": origin.request_id,
        "network_address": origin.network_address,
    }


def _text(value: UUID | None) -> str | None:
    return None if value is None else str(value)
