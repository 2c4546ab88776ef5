"""The operator's commands, in processes of their own."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest

from sync_server.audit.rules import Log
from sync_server.audit.sealing import open_sealer
from sync_server.composition import open_services
from sync_server.settings import Settings
from tests.factories.audit import World
from tests.factories.tenants import make_tenant
from tests.plugins.postgres import ClonedDatabase, connected

MASTER_KEY = bytes(range(32)).hex()


@pytest.fixture
def environment(spare_database: ClonedDatabase, tmp_path: Path) -> dict[str, str]:
    return {
        "ZERAKET_DATABASE_URL": spare_database.login_url,
        "ZERAKET_DATA_DIRECTORY": str(tmp_path / "data"),
        "ZERAKET_ANCHOR_DIRECTORY": str(tmp_path / "anchors"),
        "ZERAKET_MASTER_KEY": MASTER_KEY,
    }


async def _audit(
    environment: dict[str, str], *arguments: str
) -> "subprocess.CompletedProcess[str]":
    return await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "sync_server", "audit", *arguments],
        env={"PATH": "/usr/bin:/bin", **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


async def test_an_operator_verifies_proves_and_finds_what_was_altered(
    spare_database: ClonedDatabase, environment: dict[str, str], tmp_path: Path
) -> None:
    settings = Settings.model_validate(
        {name.removeprefix("ZERAKET_").lower(): value for name, value in environment.items()}
    )
    async with (
        open_services(settings) as services,
        connected(spare_database.administrator_url) as administrator,
    ):
        tenant = await make_tenant(services)
        world = World(services, open_sealer(services), administrator, tenant)
        await world.begin_anew()
        await world.sealed_action()
        (row_id,) = await world.row_ids()
        well = await _audit(environment, "verify")
        key = await _audit(environment, "key")
        proof = await _audit(environment, "proof", Log.ACTIONS, str(row_id))
        looks = await world.rows(Log.ACCESSES)
        await world.tamper("admin_action_log", "UPDATE admin_action_log SET reason = 'x'")
        altered = await _audit(environment, "verify")
        unproved = await _audit(environment, "proof", Log.ACTIONS, str(row_id))
    file = tmp_path / "proof.json"
    file.write_text(proof.stdout)
    checked = await _audit({}, "check", str(file), "--public-key", key.stdout.strip())
    assert (well.returncode, proof.returncode, checked.returncode) == (0, 0, 0), well.stderr
    assert "admin_action_log: 1 rows sealed in 1 blocks\n" in well.stdout
    assert {(row["kind"], row["object_kind"], row["object_id"]) for row in looks} == {
        ("read", "admin_action_log", "*"),
        ("read", "access_audit_log", "*"),
        ("read", "admin_action_log", str(row_id)),
    }
    assert json.loads(proof.stdout)["row"]["id"] == str(row_id)
    assert (altered.returncode, unproved.returncode) == (1, 1)
    assert f"FAULT admin_action_log: row {row_id} was altered" in altered.stdout
    assert (tmp_path / "anchors" / "admin_action_log.jsonl").exists()
