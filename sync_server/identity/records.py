"""What the logs say of people: who signed in and how, who was turned away and why, and what became
of their passwords, second factors and roles.

A person appears as an id; an address that has no account leaves its domain and no more.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from sync_server.audit import service as audit
from sync_server.audit.rules import Access, AccessKind, AccessOutcome, Action, Subject
from sync_server.identity import repository
from sync_server.identity.errors import TooManyAttemptsError
from sync_server.kit.claims import WORKER
from sync_server.kit.problems import ProblemError
from sync_server.kit.services import Services

BY_PASSWORD: Final = "password"  # noqa: S105 - the name of a way to sign in
BY_PASSWORD_AND_CODE: Final = "password+second_factor"  # noqa: S105 - the same
BY_LETTER: Final = "letter"
BY_PASSKEY: Final = "passkey"
_NOBODY_KNOWN: Final = Subject("person", "unknown")
_TURNED_AWAY: Final = frozenset((401, 403, 429))


@dataclass(slots=True)
class Attempt:
    """Somebody who tries to sign in, as far as is known; filled in while more becomes known."""

    address: str = ""
    user_id: UUID | None = None


async def record_sign_in(
    session: AsyncSession, services: Services, user_id: UUID, method: str
) -> None:
    """Write down who was let in; needs the worker's transaction that begins the session."""
    access = Access(AccessKind.SIGN_IN, _person(user_id), detail=method, actor_id=user_id)
    await audit.record_access(session, services, access)


@asynccontextmanager
async def refusals_recorded(services: Services, attempt: Attempt) -> AsyncIterator[None]:
    """Write down why whoever is inside was turned away, once their transaction is undone."""
    try:
        yield
    except ProblemError as refused:
        if refused.status in _TURNED_AWAY:
            await _record_refusal(services, attempt, refused)
        raise


async def record_of_person(  # noqa: PLR0913 - two names of whom it is done to and by
    session: AsyncSession,
    services: Services,
    kind: str,
    user_id: UUID,
    *,
    after: Mapping[str, Any] | None = None,
    by: UUID | None = None,
) -> None:
    """Write down what was done to a person's account. Under their own token `by` is the database's
    word; in the worker's transaction nobody means the operator.
    """
    action = Action(kind, _person(user_id), after=after, actor_id=by)
    await audit.record_action(session, services, action)


def _person(user_id: UUID) -> Subject:
    return Subject("person", str(user_id))


async def _record_refusal(services: Services, attempt: Attempt, refused: ProblemError) -> None:
    """Of those who try too often the first refusal of a window is enough: a log that nobody can
    shorten must not be filled by strangers.
    """
    outcome = AccessOutcome.FAILED
    if isinstance(refused, TooManyAttemptsError):
        outcome = AccessOutcome.DENIED
        if not refused.is_first:
            return
    async with services.database.reading(WORKER) as session:
        subject = await _subject(session, attempt)
    access = Access(AccessKind.SIGN_IN, subject, outcome, refused.code)
    await audit.record_accesses_or_complain(services, WORKER, [access])


async def _subject(session: AsyncSession, attempt: Attempt) -> Subject:
    """Look an address up whoever it belongs to, so that both take as long."""
    if attempt.user_id is not None:
        return _person(attempt.user_id)
    if not attempt.address:
        return _NOBODY_KNOWN
    owner = await repository.find_user_by_address(session, attempt.address)
    if owner is not None:
        return _person(owner.id)
    return Subject("email_domain", attempt.address.rpartition("@")[2])
