import json
from argparse import ArgumentParser
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sync_server.audit import commands
from sync_server.audit.errors import LoggedRowNotFoundError, NotSealedYetError, SealBrokenRowError
from sync_server.audit.proofs import proof_holds, prove
from sync_server.audit.rules import Log
from tests.factories.audit import World

Document = dict[str, Any]


async def _proof(world: World) -> Document:
    """Prove the third of five rows of one block."""
    for number in range(5):
        await world.act(reason=f"number {number}")
    await world.sealed_action()
    row_id = (await world.row_ids())[2]
    proof = await prove(world.services, world.sealer.keys, Log.ACTIONS, row_id)
    return proof.model_dump(mode="json")


def _public_key(world: World) -> bytes:
    return world.sealer.keys.audit_key.public_key().public_bytes_raw()


async def test_a_proof_holds_outside_the_server(world: World) -> None:
    proof = json.loads(json.dumps(await _proof(world)))
    assert proof["row"]["reason"] == "number 2"
    assert proof_holds(proof, _public_key(world))


@pytest.mark.parametrize(
    "change",
    [
        lambda proof: proof["row"].update(reason="number 3"),
        lambda proof: proof["row"].pop("reason"),
        lambda proof: proof.update(index=3),
        lambda proof: proof.update(format="another"),
        lambda proof: proof.update(path=proof["path"][:-1]),
        lambda proof: proof.update(path=["zz"]),
        lambda proof: proof["block"].update(count=5),
        lambda proof: proof["block"].update(signature="00" * 64),
        lambda proof: proof["block"].pop("root"),
        lambda proof: proof.pop("block"),
    ],
)
async def test_a_changed_proof_does_not_hold(
    world: World, change: Callable[[Document], object]
) -> None:
    proof = await _proof(world)
    change(proof)
    assert not proof_holds(proof, _public_key(world))


@pytest.mark.parametrize("key", [bytes(32), b"short"])
async def test_a_proof_does_not_hold_under_another_key(world: World, key: bytes) -> None:
    assert not proof_holds(await _proof(world), key)


async def test_a_row_is_not_proved_before_it_is_sealed(world: World) -> None:
    await world.act()
    (row_id,) = await world.row_ids()
    with pytest.raises(NotSealedYetError):
        await prove(world.services, world.sealer.keys, Log.ACTIONS, row_id)


async def test_an_altered_row_is_not_proved(world: World) -> None:
    await world.sealed_action()
    await world.tamper("admin_action_log", "UPDATE admin_action_log SET reason = 'x'")
    (row_id,) = await world.row_ids()
    with pytest.raises(SealBrokenRowError):
        await prove(world.services, world.sealer.keys, Log.ACTIONS, row_id)


async def test_another_organizers_row_is_not_found(world: World) -> None:
    other = await world.another_tenant()
    await world.sealed_action()
    (row_id,) = await world.row_ids()
    with pytest.raises(LoggedRowNotFoundError):
        await prove(world.services, world.sealer.keys, Log.ACTIONS, row_id, other.organizer_id)


async def test_a_proof_is_checked_by_the_command_without_server(
    world: World, tmp_path: Path
) -> None:
    parser = ArgumentParser()
    commands.add_arguments(parser)
    file = tmp_path / "proof.json"
    file.write_text(json.dumps(await _proof(world)))
    asked = parser.parse_args(["check", str(file), "--public-key", _public_key(world).hex()])
    assert commands.check(asked).well
    file.write_text("{}")
    assert not commands.check(asked).well
    file.write_text("nothing")
    assert not commands.check(asked).well
