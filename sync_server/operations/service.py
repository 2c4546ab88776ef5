"""What admins see of alarms, and that somebody takes one on; they are raised where things go
wrong.
"""

from typing import Final
from uuid import UUID

from sync_server.audit import service as audit
from sync_server.audit.rules import Action, Subject
from sync_server.identity.rules import UserId
from sync_server.kit.alarms import AlarmRow
from sync_server.kit.claims import WORKER
from sync_server.kit.instants import instant
from sync_server.kit.pagination import Page, PageRequest, encode_cursor
from sync_server.kit.services import Services
from sync_server.operations import repository
from sync_server.operations.errors import AlarmNotFoundError
from sync_server.operations.schemas import AlarmShown

# The page's cursor is the last alarm's id with this bit set where it was cleared: the first bit of
# a UUIDv7's time, which is 0 until the year 6429.
_CLEARED: Final = 1 << 127


async def list_alarms(services: Services, page: PageRequest) -> Page[AlarmShown]:
    """List open alarms first, newest first; one that is cleared between two pages may come again
    among the cleared ones, and none is left out.
    """
    after = None if page.after is None else _place(page.after)
    async with services.database.reading(WORKER) as session:
        rows = await repository.list_alarms(session, after, page.limit + 1)
    shown = rows[: page.limit]
    more = len(rows) > page.limit
    return Page(
        items=[AlarmShown.model_validate(row) for row in shown],
        next_cursor=encode_cursor(_cursor(shown[-1])) if more else None,
    )


async def acknowledge_alarm(services: Services, admin_id: UserId, alarm_id: UUID) -> AlarmShown:
    """Note that an admin takes an alarm on; the first who does is the one."""
    now = instant(services.clock.now_ms())
    async with services.database.transaction(WORKER) as session:
        row = await repository.acknowledge(session, alarm_id, admin_id, now)
        if row is not None:
            taken = Action("alarm.acknowledge", Subject("alarm", str(alarm_id)), actor_id=admin_id)
            await audit.record_action(session, services, taken)
            return AlarmShown.model_validate(row)
        row = await repository.find_alarm(session, alarm_id)
        if row is None:
            raise AlarmNotFoundError
        return AlarmShown.model_validate(row)


def _cursor(row: AlarmRow) -> UUID:
    return row.id if row.cleared_at is None else UUID(int=row.id.int | _CLEARED)


def _place(cursor: UUID) -> tuple[bool, UUID]:
    return bool(cursor.int & _CLEARED), UUID(int=cursor.int & ~_CLEARED)
