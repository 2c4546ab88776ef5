import asyncio
from pathlib import Path

import pytest
from sqlalchemy import text

from shared.clock import SettableClock
from sync_server.audit.inspection import inspect
from sync_server.audit.rules import Log
from sync_server.audit.sealing import seal
from sync_server.kit.instants import instant
from tests.factories.audit import World

ALTERED = "was altered after it was sealed"
CUT_OFF = "block {} was anchored and is gone: the end was cut off, or an older backup restored"
BLOCK_ALTERED = "was altered: its signature, tree or chain does not fit"


@pytest.mark.parametrize(
    "change",
    [
        "reason = 'found'",
        'after = \'{"state": "revokee"}\'',
        "actor_id = gen_random_uuid()",
        "organizer_id = NULL",
        "happened_at = happened_at + interval '1 microsecond'",
        "network_address = '127.0.0.1'",
    ],
)
async def test_an_altered_row_is_named(world: World, change: str) -> None:
    for _ in range(3):
        await world.sealed_action()
    row_id = (await world.row_ids())[1]
    statement = f"UPDATE admin_action_log SET {change} WHERE id = :id"
    await world.tamper("admin_action_log", statement, id=row_id)
    assert await world.findings() == [f"row {row_id} {ALTERED}"]


async def test_a_deleted_row_is_named(world: World) -> None:
    await world.act()
    await world.act()
    await world.sealed_action()
    row_id = (await world.row_ids())[1]
    await world.tamper("admin_action_log", "DELETE FROM admin_action_log WHERE id = :id", id=row_id)
    assert await world.findings() == [f"row {row_id} was sealed and is gone"]


async def test_a_row_put_behind_the_seal_is_named(world: World) -> None:
    await world.sealed_action()
    await world.administrator.execute(
        text(
            "INSERT INTO admin_action_log (id, xid, happened_at, actor_kind, kind, object_kind,"
            " object_id) VALUES (gen_random_uuid(), 1, now(), 'worker', 'x', 'x', 'x')"
        )
    )
    row_id = (await world.row_ids())[0]
    assert await world.findings() == [f"row {row_id} was put behind the seal"]


async def test_rows_dropped_from_the_end_are_named(world: World) -> None:
    await world.sealed_action()
    await world.sealed_action()
    last = (await world.row_ids())[-1]
    await world.tamper("admin_action_log", "DELETE FROM admin_action_log WHERE id = :id", id=last)
    assert await world.findings() == [f"row {last} was sealed and is gone"]


async def test_an_end_cut_off_with_its_blocks_is_known_from_the_second_place(world: World) -> None:
    for _ in range(3):
        await world.sealed_action()
    last = (await world.row_ids())[-1]
    await world.tamper("admin_action_log", "DELETE FROM admin_action_log WHERE id = :id", id=last)
    await world.tamper("audit_blocks", "DELETE FROM audit_blocks WHERE number = 3")
    assert await world.findings() == [CUT_OFF.format(3)]


async def test_a_dropped_block_is_named_and_its_neighbours_are_not(world: World) -> None:
    for _ in range(3):
        await world.sealed_action()
    await world.tamper("audit_blocks", "DELETE FROM audit_blocks WHERE number = 2")
    assert await world.findings() == ["block 2 is missing between its neighbours"]


async def test_a_dropped_beginning_is_named(world: World) -> None:
    await world.sealed_action()
    await world.sealed_action()
    await world.tamper("audit_blocks", "DELETE FROM audit_blocks WHERE number = 1")
    assert await world.findings() == ["block 1 is missing between its neighbours"]


@pytest.mark.parametrize(
    "change",
    [
        "signature = set_byte(signature, 0, get_byte(signature, 0) # 1)",
        "sealed_at = sealed_at - interval '1 day'",
        "row_count = row_count + 1",
        "previous_hash = sha256('')",
    ],
)
async def test_an_altered_block_is_named(world: World, change: str) -> None:
    await world.sealed_action()
    await world.tamper("audit_blocks", f"UPDATE audit_blocks SET {change}")
    assert await world.findings() == [
        f"block 1 {BLOCK_ALTERED}",
        "block 1 is another one in the second place",
    ]


async def test_entries_that_do_not_make_the_root_are_named(world: World) -> None:
    await world.sealed_action()
    (row_id,) = await world.row_ids()
    change = "entries = set_byte(entries, 20, get_byte(entries, 20) # 1)"
    await world.tamper("audit_blocks", f"UPDATE audit_blocks SET {change}")
    assert await world.findings() == [f"block 1 {BLOCK_ALTERED}", f"row {row_id} {ALTERED}"]


async def test_a_row_and_its_seal_altered_together_are_noticed(world: World) -> None:
    """Whoever may write everything still lacks the key."""
    await world.sealed_action()
    await world.tamper("admin_action_log", "UPDATE admin_action_log SET reason = 'x'")
    await world.tamper("audit_blocks", "UPDATE audit_blocks SET root = sha256('x')")
    assert f"block 1 {BLOCK_ALTERED}" in await world.findings()


async def test_a_block_that_is_not_anchored_in_time_is_named(
    world: World, clock: SettableClock
) -> None:
    await world.sealed_action()
    world.sealer.anchors.path(Log.ACTIONS).unlink()
    assert await world.findings() == []
    clock.advance(61_000)
    assert await world.findings() == ["block 1 never reached the second place"]


async def test_an_older_backup_is_known_from_the_second_place(world: World) -> None:
    await world.sealed_action()
    await world.administrator.execute(text("CREATE TABLE backup AS TABLE admin_action_log"))
    await world.administrator.execute(text("CREATE TABLE backup_blocks AS TABLE audit_blocks"))
    await world.sealed_action()
    for table, backup in (("admin_action_log", "backup"), ("audit_blocks", "backup_blocks")):
        await world.tamper(table, f"DELETE FROM {table}")
        await world.administrator.execute(text(f"INSERT INTO {table} SELECT * FROM {backup}"))
    assert await world.findings() == [CUT_OFF.format(2)]


async def test_a_torn_line_is_named_and_does_not_stop_what_follows(world: World) -> None:
    await world.sealed_action()
    path: Path = world.sealer.anchors.path(Log.ACTIONS)
    with await asyncio.to_thread(path.open, "a") as file:
        file.write('{"log": "admin_')
    await world.sealed_action()
    assert await seal(world.sealer, Log.ACTIONS) is None
    assert await world.findings() == ["line 2 cannot be read in the second place"]


async def test_a_changed_anchor_is_named(world: World) -> None:
    await world.sealed_action()
    path = world.sealer.anchors.path(Log.ACTIONS)
    path.write_text(path.read_text().replace('"count": 1', '"count": 2'))
    assert await world.findings() == ["block 1 has a false signature in the second place"]


async def test_rows_that_wait_for_a_seal_are_counted(world: World) -> None:
    await world.sealed_action()
    sealed = str(await inspect(world.sealer, Log.ACTIONS))
    for _ in range(2):
        await world.act()
    waiting = str(await inspect(world.sealer, Log.ACTIONS))
    nothing = str(await inspect(world.sealer, Log.ACCESSES))
    since = instant(world.services.clock.now_ms()).isoformat(timespec="seconds")
    assert sealed == "admin_action_log: 1 rows sealed in 1 blocks"
    assert waiting == f"{sealed}, 2 waiting for a seal since {since}"
    assert nothing == "access_audit_log: 0 rows sealed in 0 blocks"


async def test_a_log_that_is_sealed_meanwhile_looks_whole(world: World) -> None:
    for _ in range(5):
        await world.act()
        found = await asyncio.gather(world.findings(), seal(world.sealer, Log.ACTIONS))
        assert found[0] == []
