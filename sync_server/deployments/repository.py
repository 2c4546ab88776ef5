"""SQL on deployments and their devices; what an organizer asks for names the organizer although
RLS would.
"""

from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any, Final, TypeVar
from uuid import UUID

from sqlalchemy import Row, delete, func, select, text, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession

from shared.ids import DeploymentId, EventId, OrganizerId
from sync_server.deployments.models import (
    Deployment,
    Device,
    ProofUse,
    ScannerSession,
    StoredEnrolmentCode,
)
from sync_server.deployments.rules import DeviceState, EndReason
from sync_server.kit.models import Base
from sync_server.kit.pagination import PageRequest

DeploymentPart = TypeVar("DeploymentPart", Device, ScannerSession)
Place = tuple[OrganizerId, EventId, DeploymentId]

_IS_SILENT: Final = """
    s.ended_at IS NULL
    AND (d.organizer_id, d.event_id, d.id) = (s.organizer_id, s.event_id, s.deployment_id)
    AND s.last_seen_at < CAST(:now AS timestamptz) - make_interval(secs => d.stale_after_seconds)
"""
_LOCK_SILENT: Final = text(f"""
    SELECT v.id FROM devices AS v, scanner_sessions AS s, deployments AS d
    WHERE v.id = s.device_id AND {_IS_SILENT}
    FOR UPDATE OF v SKIP LOCKED
""")  # noqa: S608 - a condition of ours
_END_SILENT: Final = text(f"""
    UPDATE scanner_sessions AS s
    SET ended_at = CAST(:now AS timestamptz), end_reason = 'stale'
    FROM deployments AS d
    WHERE s.device_id = ANY(CAST(:device_ids AS uuid[])) AND {_IS_SILENT}
    RETURNING s.organizer_id, s.event_id, s.deployment_id, s.device_id, s.id
""")  # noqa: S608 - the same
_STOP: Final = text("""
    UPDATE devices SET state = 'stopped'
    WHERE id = ANY(CAST(:device_ids AS uuid[])) AND state = 'enrolled'
""")


async def add(session: AsyncSession, row: Base) -> None:
    session.add(row)
    await session.flush()


async def find_deployment(session: AsyncSession, place: Place) -> Deployment | None:
    return await session.get(Deployment, place)


async def list_deployments(
    session: AsyncSession, event: tuple[OrganizerId, EventId], page: PageRequest
) -> Sequence[Deployment]:
    query = (
        select(Deployment)
        .where(Deployment.organizer_id == event[0], Deployment.event_id == event[1])
        .order_by(Deployment.id)
        .limit(page.limit + 1)
    )
    if page.after is not None:
        query = query.where(Deployment.id > page.after)
    return (await session.scalars(query)).all()


async def list_parts(
    session: AsyncSession, part: type[DeploymentPart], place: Place, page: PageRequest
) -> Sequence[DeploymentPart]:
    query = (
        select(part)
        .where(
            part.organizer_id == place[0],
            part.event_id == place[1],
            part.deployment_id == place[2],
        )
        .order_by(part.id)
        .limit(page.limit + 1)
    )
    if page.after is not None:
        query = query.where(part.id > page.after)
    return (await session.scalars(query)).all()


async def find_part(
    session: AsyncSession, part: type[DeploymentPart], place: Place, part_id: UUID
) -> DeploymentPart | None:
    return await session.get(part, (*place, part_id))


async def lock_part(
    session: AsyncSession, part: type[DeploymentPart], place: Place, part_id: UUID
) -> DeploymentPart | None:
    return await session.get(part, (*place, part_id), with_for_update=True)


async def use_code(
    session: AsyncSession, code_hash: bytes, now: datetime
) -> StoredEnrolmentCode | None:
    """Take a code that is neither used nor over; of two callers at once one gets it."""
    return await session.scalar(
        update(StoredEnrolmentCode)
        .where(
            StoredEnrolmentCode.code_hash == code_hash,
            StoredEnrolmentCode.used_at.is_(None),
            StoredEnrolmentCode.expires_at > now,
        )
        .values(used_at=now)
        .returning(StoredEnrolmentCode),
    )


async def find_code(session: AsyncSession, code_hash: bytes) -> StoredEnrolmentCode | None:
    query = select(StoredEnrolmentCode).where(StoredEnrolmentCode.code_hash == code_hash)
    return await session.scalar(query)


async def find_device(session: AsyncSession, device_id: UUID) -> Device | None:
    return await session.scalar(select(Device).where(Device.id == device_id))


async def lock_device(session: AsyncSession, device_id: UUID) -> Device | None:
    """Hold a device until commit: what becomes of it and of its sessions is decided in turn."""
    query = select(Device).where(Device.id == device_id).with_for_update()
    return await session.scalar(query)


async def lock_device_of_key(
    session: AsyncSession, place: Place, signing_key: bytes
) -> Device | None:
    """Hold a key's device of a deployment until commit, or its place where it has none yet."""
    number = int.from_bytes(sha256(place[2].bytes + signing_key).digest()[:8], signed=True)
    await session.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": number})
    query = select(Device).where(
        Device.organizer_id == place[0],
        Device.event_id == place[1],
        Device.deployment_id == place[2],
        Device.signing_key == signing_key,
    )
    return await session.scalar(query.with_for_update())


async def last_session(session: AsyncSession, device_id: UUID) -> ScannerSession | None:
    query = select(ScannerSession).where(ScannerSession.device_id == device_id)
    newest = query.order_by(ScannerSession.started_at.desc(), ScannerSession.id.desc())
    return await session.scalar(newest.limit(1))


async def running_sessions(session: AsyncSession, session_ids: Sequence[UUID]) -> Sequence[UUID]:
    query = select(ScannerSession.id).where(
        ScannerSession.id.in_(session_ids), ScannerSession.ended_at.is_(None)
    )
    return (await session.scalars(query)).all()


async def find_session(session: AsyncSession, session_id: UUID) -> ScannerSession | None:
    return await session.scalar(select(ScannerSession).where(ScannerSession.id == session_id))


async def end_sessions(
    session: AsyncSession, device_id: UUID, reason: EndReason, now: datetime
) -> Sequence[UUID]:
    """End what runs of a device, and give the ids of those sessions."""
    ended = await session.scalars(
        update(ScannerSession)
        .where(ScannerSession.device_id == device_id, ScannerSession.ended_at.is_(None))
        .values(ended_at=now, end_reason=reason.value)
        .returning(ScannerSession.id)
        .execution_options(synchronize_session="fetch"),
    )
    return ended.all()


async def end_stale_sessions(session: AsyncSession, now: datetime) -> Sequence[Row[Any]]:
    """End every session that was silent for longer than its deployment allows, and stop its
    device; one that somebody else is deciding about is left for the next time. Give organizer,
    session and device of each.
    """
    found = await session.scalars(_LOCK_SILENT, {"now": now})
    values = {"now": now, "device_ids": list(found)}
    ended = (await session.execute(_END_SILENT, values)).all()
    await session.execute(_STOP, {"device_ids": [row.device_id for row in ended]})
    return ended


async def hear_from(session: AsyncSession, session_id: UUID, now: datetime) -> int | None:
    """Note that a session is alive and count the time it is given; None where it is over."""
    return await session.scalar(
        update(ScannerSession)
        .where(ScannerSession.id == session_id, ScannerSession.ended_at.is_(None))
        .values(last_seen_at=now, time_seq=ScannerSession.time_seq + 1)
        .returning(ScannerSession.time_seq)
        .execution_options(synchronize_session=False),
    )


async def count_alive(session: AsyncSession, deployment_id: UUID, since: datetime) -> int:
    query = select(func.count()).where(
        ScannerSession.deployment_id == deployment_id,
        ScannerSession.ended_at.is_(None),
        ScannerSession.last_seen_at > since,
    )
    return await session.scalar(query) or 0


async def set_device_state(session: AsyncSession, device_id: UUID, state: DeviceState) -> None:
    await session.execute(
        update(Device)
        .where(Device.id == device_id)
        .values(state=state.value)
        .execution_options(synchronize_session="fetch"),
    )


async def use_proof(session: AsyncSession, digest: bytes, expires_at: datetime) -> bool:
    """Remember a proof; False where it was presented before, to any process."""
    statement = postgresql.insert(ProofUse).values(digest=digest, expires_at=expires_at)
    used = statement.on_conflict_do_nothing().returning(ProofUse.digest)
    return await session.scalar(used) is not None


async def forget_proofs(session: AsyncSession) -> None:
    await session.execute(delete(ProofUse).where(ProofUse.expires_at < func.now()))


async def fold_rules_of_my_event(session: AsyncSession) -> list[dict[str, Any]]:
    """Give rules and travel time of the calling device's event, deployment by deployment."""
    listed = await session.scalar(select(func.private.my_event_fold_rules(type_=postgresql.JSONB)))
    return list(listed or ())


async def set_rules(session: AsyncSession, place: Place, rules: dict[str, object]) -> None:
    await session.execute(
        update(Deployment)
        .where(
            Deployment.organizer_id == place[0],
            Deployment.event_id == place[1],
            Deployment.id == place[2],
        )
        .values(rules=rules)
        .execution_options(synchronize_session="fetch"),
    )


async def try_lock(session: AsyncSession, number: int) -> bool:
    """Take an advisory lock until the transaction ends; False where another process has it."""
    question = text("SELECT pg_try_advisory_xact_lock(:number)")
    return bool(await session.scalar(question, {"number": number}))
