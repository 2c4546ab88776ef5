import asyncio
import shutil
from pathlib import Path

import pytest
from sqlalchemy import text
from structlog.testing import capture_logs

from sync_server.audit import service
from sync_server.audit.anchors import FileAnchors
from sync_server.audit.rules import Log
from sync_server.audit.sealing import (
    AnchorsDisagreeError,
    Sealer,
    keep_sealing,
    seal,
    seal_every_log,
)
from tests.factories.audit import ALL_BELOW_HORIZON, World, act, action


async def test_a_block_seals_what_there_is_and_is_anchored(world: World) -> None:
    await world.act()
    block = await world.sealed_action()
    assert (block.header.number, block.header.count) == (1, 2)
    assert world.anchored() == [block]
    assert await world.findings() == []


async def test_each_block_names_the_one_before(world: World) -> None:
    first = await world.sealed_action()
    second = await world.sealed_action()
    assert second.header.previous_hash == first.header.hash
    assert await world.findings() == []


async def test_where_nothing_is_new_nothing_is_sealed(world: World) -> None:
    assert await seal(world.sealer, Log.ACTIONS) is None


async def test_a_commit_that_comes_late_never_slips_behind_a_seal(world: World) -> None:
    services, tenant = world.services, world.tenant
    async with services.database.transaction(tenant.claims) as late:
        await service.record_action(late, services, action(tenant, reason="late"))
        await act(services, tenant, reason="early")
        assert await seal(world.sealer, Log.ACTIONS) is None
    block = await world.sealed_action()
    assert block.header.count == 3
    assert await world.findings() == []


async def test_processes_that_seal_at_once_make_one_chain(world: World) -> None:
    for _ in range(5):
        await world.act()
        await asyncio.gather(*(seal(world.sealer, Log.ACTIONS) for _ in range(4)))
    await world.sealed_action()
    assert await world.findings() == []
    assert len(await world.row_ids()) == 6


async def test_the_second_place_catches_up_with_blocks_it_missed(
    world: World, tmp_path: Path
) -> None:
    first = await world.sealed_action()
    elsewhere = FileAnchors(tmp_path / "elsewhere")
    await seal(Sealer(world.services, world.sealer.keys, elsewhere), Log.ACTIONS)
    assert list(elsewhere.read(Log.ACTIONS)) == [first]


async def test_a_database_that_lost_blocks_is_not_sealed_on(world: World) -> None:
    await world.sealed_action()
    await world.tamper("audit_blocks", "DELETE FROM audit_blocks")
    with pytest.raises(AnchorsDisagreeError):
        await seal(world.sealer, Log.ACTIONS)


async def test_a_block_with_a_false_signature_is_not_anchored(world: World, tmp_path: Path) -> None:
    await world.sealed_action()
    await world.tamper("audit_blocks", "UPDATE audit_blocks SET row_count = 2")
    empty = Sealer(world.services, world.sealer.keys, FileAnchors(tmp_path / "empty"))
    with pytest.raises(AnchorsDisagreeError):
        await seal(empty, Log.ACTIONS)
    assert list(empty.anchors.read(Log.ACTIONS)) == []


async def test_the_job_seals_by_itself(world: World) -> None:
    await world.act()
    job = asyncio.create_task(keep_sealing(world.services))
    await world.until("SELECT count(*) = 1 FROM audit_blocks")
    job.cancel()
    await asyncio.gather(job, return_exceptions=True)
    assert await world.findings() == []


async def test_a_backlog_is_sealed_in_one_round(world: World) -> None:
    await world.administrator.execute(
        text(
            "INSERT INTO admin_action_log (id, happened_at, actor_kind, kind, object_kind,"
            " object_id) SELECT gen_random_uuid(), now(), 'worker', 'x', 'x', number::text"
            " FROM generate_series(1, 1500) AS number"
        )
    )
    await world.until(ALL_BELOW_HORIZON)
    await seal_every_log(world.services)
    counts = [block.header.count for block in world.anchored()]
    assert counts == [1000, 500]
    assert await world.findings() == []


async def test_the_job_complains_where_the_anchors_disagree(world: World) -> None:
    await world.sealed_action()
    await world.tamper("audit_blocks", "DELETE FROM audit_blocks")
    with capture_logs() as said:
        await seal_every_log(world.services)
    assert [line["event"] for line in said] == ["audit.anchors_disagree"]


async def test_the_job_complains_where_the_second_place_is_gone(world: World) -> None:
    await world.sealed_action()
    folder = world.sealer.anchors.folder
    shutil.rmtree(folder)
    folder.write_text("a file stands where the folder was")
    with capture_logs() as said:
        await seal_every_log(world.services)
    assert {line["event"] for line in said} == {"audit.sealing_failed"}
