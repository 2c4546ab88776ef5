"""Damage of every kind to each log, its blocks and its anchors, on each version of PostgreSQL, done
as a superuser would: it is named, and nothing else is.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from sqlalchemy import text

from shared.clock import SettableClock
from sync_server.audit.rules import Log
from tests.factories.audit import World, opened_world
from tests.plugins.postgres import ClonedDatabase

ALTERED = "was altered after it was sealed"
BLOCK_ALTERED = "was altered: its signature, tree or chain does not fit"
CUT_OFF = "was anchored and is gone: the end was cut off, or an older backup restored"
Damage = Callable[[World, Log], Awaitable[list[str]]]


@pytest.fixture
async def world(
    any_spare_database: ClonedDatabase, clock: SettableClock, tmp_path: Path
) -> AsyncIterator[World]:
    async with opened_world(any_spare_database, clock, tmp_path) as world:
        yield world


async def _flip_a_bit(world: World, log: Log) -> list[str]:
    """In a time, the smallest there is: one microsecond."""
    row_id = (await world.row_ids(log))[1]
    bit = "happened_at = happened_at + interval '1 microsecond'"
    await world.tamper(log, f"UPDATE {log} SET {bit} WHERE id = :id", id=row_id)
    return [f"row {row_id} {ALTERED}"]


async def _forge_another_actor(world: World, log: Log) -> list[str]:
    row_id = (await world.row_ids(log))[0]
    forged = "actor_id = gen_random_uuid(), organizer_id = NULL"
    await world.tamper(log, f"UPDATE {log} SET {forged} WHERE id = :id", id=row_id)
    return [f"row {row_id} {ALTERED}"]


async def _delete_a_row(world: World, log: Log) -> list[str]:
    row_id = (await world.row_ids(log))[1]
    await world.tamper(log, f"DELETE FROM {log} WHERE id = :id", id=row_id)
    return [f"row {row_id} was sealed and is gone"]


async def _drop_the_tail(world: World, log: Log) -> list[str]:
    row_id = (await world.row_ids(log))[-1]
    await world.tamper(log, f"DELETE FROM {log} WHERE id = :id", id=row_id)
    return [f"row {row_id} was sealed and is gone"]


async def _drop_the_tail_with_its_block(world: World, log: Log) -> list[str]:
    row_id = (await world.row_ids(log))[-1]
    await world.tamper(log, f"DELETE FROM {log} WHERE id = :id", id=row_id)
    await world.tamper(
        "audit_blocks", "DELETE FROM audit_blocks WHERE log = :log AND number = 3", log=log.value
    )
    return [f"block 3 {CUT_OFF}"]


async def _drop_everything(world: World, log: Log) -> list[str]:
    await world.tamper(log, f"DELETE FROM {log}")
    await world.tamper("audit_blocks", "DELETE FROM audit_blocks WHERE log = :log", log=log.value)
    return [f"block {number} {CUT_OFF}" for number in (1, 2, 3)]


async def _drop_a_block(world: World, log: Log) -> list[str]:
    await world.tamper(
        "audit_blocks", "DELETE FROM audit_blocks WHERE log = :log AND number = 2", log=log.value
    )
    return ["block 2 is missing between its neighbours"]


async def _alter_a_block(world: World, log: Log) -> list[str]:
    bit = "signature = set_byte(signature, 0, get_byte(signature, 0) # 1)"
    await world.tamper(
        "audit_blocks",
        f"UPDATE audit_blocks SET {bit} WHERE log = :log AND number = 2",
        log=log.value,
    )
    return [f"block 2 {BLOCK_ALTERED}", "block 2 is another one in the second place"]


async def _cut_what_a_block_was_built_of(world: World, log: Log) -> list[str]:
    row_id = (await world.row_ids(log))[1]
    cut = "entries = substr(entries, 1, 5)"
    await world.tamper(
        "audit_blocks",
        f"UPDATE audit_blocks SET {cut} WHERE log = :log AND number = 2",
        log=log.value,
    )
    return [f"block 2 {BLOCK_ALTERED}", f"row {row_id} was put behind the seal"]


async def _put_a_row_behind_the_seal(world: World, log: Log) -> list[str]:
    outcome = {Log.ACTIONS: ("", ""), Log.ACCESSES: (", outcome", ", 'allowed'")}[log]
    await world.administrator.execute(
        text(
            f"INSERT INTO {log} (id, xid, happened_at, actor_kind, kind, object_kind, object_id"
            f"{outcome[0]}) VALUES (gen_random_uuid(), 1, now(), 'worker', 'x', 'x', 'x'"
            f"{outcome[1]})"
        )
    )
    return [f"row {(await world.row_ids(log))[0]} was put behind the seal"]


async def _cut_the_anchors_short(world: World, log: Log) -> list[str]:
    path = world.sealer.anchors.path(log)
    lines = await asyncio.to_thread(path.read_text)
    await asyncio.to_thread(path.write_text, "".join(lines.splitlines(keepends=True)[:2]))
    return ["block 3 never reached the second place"]


async def _alter_an_anchor(world: World, log: Log) -> list[str]:
    path = world.sealer.anchors.path(log)
    lines = await asyncio.to_thread(path.read_text)
    altered = lines.replace('"number": 2, ', '"number": 4, ', 1)
    await asyncio.to_thread(path.write_text, altered)
    return [
        "block 4 has a false signature in the second place",
        "block 2 never reached the second place",
    ]


async def _fill_the_anchors_with_rubbish(world: World, log: Log) -> list[str]:
    path = world.sealer.anchors.path(log)
    lines = await asyncio.to_thread(path.read_bytes)
    await asyncio.to_thread(path.write_bytes, b"\xff\x00\n[]\nnull\n" + lines)
    return [f"line {number} cannot be read in the second place" for number in (1, 2, 3)]


@pytest.mark.parametrize("log", list(Log))
@pytest.mark.parametrize(
    "damage",
    [
        _flip_a_bit,
        _forge_another_actor,
        _delete_a_row,
        _drop_the_tail,
        _drop_the_tail_with_its_block,
        _drop_everything,
        _drop_a_block,
        _alter_a_block,
        _cut_what_a_block_was_built_of,
        _put_a_row_behind_the_seal,
        _cut_the_anchors_short,
        _alter_an_anchor,
        _fill_the_anchors_with_rubbish,
    ],
)
async def test_damage_is_named_and_the_other_log_is_well(
    world: World, clock: SettableClock, log: Log, damage: Damage
) -> None:
    for each in Log:
        for _ in range(3):
            await world.sealed_row(each)
    clock.advance(61_000)
    sound = [finding for each in Log for finding in await world.findings(each)]
    named = await damage(world, log)
    (other,) = set(Log) - {log}
    assert sound == []
    assert await world.findings(log) == named
    assert await world.findings(other) == []
