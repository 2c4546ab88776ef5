"""Everything a gate must know of an event's tickets, streamed without building an object a row."""

from collections.abc import AsyncIterator
from typing import Any, Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from shared.ids import EventId, OrganizerId, to_signed_64
from shared.wire.changes import PassageHeard

ROWS_A_CHUNK: Final = 5_000
_TICKETS: Final = """
    SELECT id, generation, status, holder_algorithm, holder_key, core, medium, NULL,
           attention::int, holder_name, seat
    FROM tickets WHERE organizer_id = $1 AND event_id = $2 ORDER BY id
"""
_PASSAGES: Final = """
    SELECT payload::text FROM changes
    WHERE organizer_id = $1 AND event_id = $2 AND kind = 'passage'
"""
Row = tuple[Any, ...]


async def ticket_rows(
    session: AsyncSession, organizer_id: OrganizerId, event_id: EventId
) -> AsyncIterator[list[Row]]:
    """Give the rows of the snapshot's table `tickets` in chunks, ordered by id."""
    async for chunk in _chunks(session, _TICKETS, organizer_id, event_id):
        yield [tuple(row) for row in chunk]


async def passage_rows(
    session: AsyncSession, organizer_id: OrganizerId, event_id: EventId
) -> AsyncIterator[list[Row]]:
    """Give the rows of the snapshot's table `passages` in chunks."""
    async for chunk in _chunks(session, _PASSAGES, organizer_id, event_id):
        yield [_passage(text) for (text,) in chunk]


def _passage(text: str) -> Row:
    heard = PassageHeard.model_validate_json(text)
    return (
        heard.scan_id.bytes,
        to_signed_64(heard.ticket_id),
        heard.device_id.bytes,
        heard.gate_id.bytes,
        heard.direction.value,
        heard.at_ms,
    )


async def _chunks(
    session: AsyncSession, query: str, organizer_id: UUID, event_id: UUID
) -> AsyncIterator[list[Any]]:
    """Read by a cursor of the driver, in the session's own transaction."""
    connection = await session.connection()
    raw = await connection.get_raw_connection()
    driver: Any = raw.driver_connection
    cursor = await driver.cursor(query, organizer_id, event_id)
    while chunk := await cursor.fetch(ROWS_A_CHUNK):
        yield chunk
