"""Statements on the inbox."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from sync_server.webhooks.models import ReceivedWebhook


async def add(session: AsyncSession, values: dict[str, Any]) -> bool:
    """Add a delivery unless one of its source and id, or with its content, is there."""
    query = insert(ReceivedWebhook).values(values).on_conflict_do_nothing()
    return await session.scalar(query.returning(ReceivedWebhook.id)) is not None


async def find_content(session: AsyncSession, source: str, event_id: str) -> bytes | None:
    """Give the SHA-256 of what came first under an id."""
    query = select(ReceivedWebhook.payload_sha256).where(
        ReceivedWebhook.source == source,
        ReceivedWebhook.event_id == event_id,
        ReceivedWebhook.conflicting.is_(False),
    )
    return await session.scalar(query)


async def find_unprocessed(session: AsyncSession, row_id: UUID) -> ReceivedWebhook | None:
    query = select(ReceivedWebhook).where(
        ReceivedWebhook.id == row_id, ReceivedWebhook.processed_at.is_(None)
    )
    return await session.scalar(query)


async def mark_processed(session: AsyncSession, row_id: UUID, processed_at: datetime) -> None:
    query = update(ReceivedWebhook).where(
        ReceivedWebhook.id == row_id, ReceivedWebhook.processed_at.is_(None)
    )
    await session.execute(query.values(processed_at=processed_at))


async def forget_before(session: AsyncSession, before: datetime) -> None:
    """Forget what was handled or never will be; what still waits stays."""
    over = or_(ReceivedWebhook.processed_at.is_not(None), ReceivedWebhook.conflicting)
    await session.execute(delete(ReceivedWebhook).where(ReceivedWebhook.received_at < before, over))
