"""What an operator does about passkeys: brings the database forward, and helps who lost theirs."""

import asyncio
import json
import sys
from pathlib import Path
from secrets import token_bytes

from sqlalchemy import text

from shared.ids import new_uuid7
from sync_server.migrations.runner import migrate, migrate_back
from tests.integration.passkeys.holders import Holder
from tests.plugins.postgres import ClonedDatabase, connected

_PERSON = "INSERT INTO users (id, display_name, created_at) VALUES (:id, 'Grace', now())"
_SESSION = """
    INSERT INTO user_sessions (id, user_id, token_hash, created_at, expires_at, device_name,
        last_seen_at, ends_at, second_factor_at)
    VALUES (:id, :user_id, :hash, now(), now(), '', now(), now(),
        CASE WHEN :is_shown THEN now() END)
"""


async def test_sessions_from_before_passkeys_showed_digits(empty_database: ClonedDatabase) -> None:
    url = empty_database.administrator_url
    await migrate(url)
    await migrate_back(url, "0011")
    person = new_uuid7(0, token_bytes(10))
    async with connected(url) as administrator:
        await administrator.execute(text(_PERSON), {"id": person})
        for is_shown in (True, False):
            values = {"id": new_uuid7(0, token_bytes(10)), "hash": token_bytes(32)}
            await administrator.execute(
                text(_SESSION), {**values, "user_id": person, "is_shown": is_shown}
            )
    await migrate(url)
    async with connected(url) as administrator:
        query = text("SELECT second_factor_at IS NOT NULL, second_factor_kind FROM user_sessions")
        kinds = {tuple(row) for row in await administrator.execute(query)}
    assert kinds == {(True, "totp"), (False, None)}


async def test_an_admin_who_lost_every_second_factor_makes_new_ones(
    holder: Holder, cloned_database: ClonedDatabase, tmp_path: Path
) -> None:
    await holder.registered("Lost phone")
    environment = {
        "PATH": "/usr/bin:/bin",
        "ZERAKET_DATABASE_URL": cloned_database.login_url,
        "ZERAKET_DATA_DIRECTORY": str(tmp_path / "operator"),
    }
    arguments = ("-m", "sync_server", "admin", holder.browser.address, "--lost-second-factor")
    process = await asyncio.create_subprocess_exec(
        sys.executable, *arguments, env=environment, stdout=asyncio.subprocess.PIPE
    )
    told, _ = await process.communicate()
    (letter,) = (tmp_path / "operator" / "mail").glob("*.eml")
    assert (process.returncode, json.loads(told)["user_id"]) == (0, holder.user_id)
    assert "Lost phone" in letter.read_text()
    assert (await holder.get("/v1/me/security"))["passkeys"] == 0
    assert (await holder.register("New phone")).status_code == 201
