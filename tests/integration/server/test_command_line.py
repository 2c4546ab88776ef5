"""The commands as an operator runs them: in a process of their own."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from sync_server.kit.embedded_postgres import start_embedded_postgres
from tests.plugins.postgres import ClonedDatabase

MASTER_KEY = bytes(range(32)).hex()
PRODUCTION = {
    "ZERAKET_ENVIRONMENT": "production",
    "ZERAKET_MASTER_KEY": MASTER_KEY,
    "ZERAKET_PUBLIC_URL": "https://gate.example.org",
    "ZERAKET_MAIL_URL": "smtp://mail.example.org",
}


def _run(environment: dict[str, str], *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "sync_server", *arguments],
        env={"PATH": "/usr/bin:/bin", **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.fixture
def configured(cloned_database: ClonedDatabase, tmp_path: Path) -> dict[str, str]:
    """A server on a database of its own."""
    return {
        "ZERAKET_DATABASE_URL": cloned_database.login_url,
        "ZERAKET_WORKER_DATABASE_URL": cloned_database.worker_url,
        "ZERAKET_MIGRATION_DATABASE_URL": cloned_database.administrator_url,
        "ZERAKET_DATA_DIRECTORY": str(tmp_path),
        "ZERAKET_MASTER_KEY": MASTER_KEY,
    }


@pytest.fixture
def reachable_folder() -> Iterator[str]:
    """A folder that PostgreSQL's own user can enter, which pytest's are not."""
    with tempfile.TemporaryDirectory(prefix="zeraket-") as folder:
        yield folder


def test_demo_data_prints_a_token_for_what_it_made(configured: dict[str, str]) -> None:
    ran = _run(configured, "demo-data")
    made = json.loads(ran.stdout)
    assert ran.returncode == 0, ran.stderr
    assert {"organizer_id", "event_id", "organizer_token"} <= set(made)
    assert made["organizer_token"] not in ran.stderr


def test_token_prints_a_token_once(configured: dict[str, str]) -> None:
    ran = _run(configured, "token", "Grace Akello")
    assert json.loads(ran.stdout)["token"].startswith("zgu_")


def test_nobody_becomes_an_admin_without_an_account(configured: dict[str, str]) -> None:
    ran = [_run(configured, "admin", address) for address in ("grace@example.org", "grace")]
    assert [(each.returncode, each.stdout) for each in ran] == [(1, ""), (1, "")]
    assert "Nobody has signed up" in ran[0].stderr
    assert "grace" not in ran[0].stderr


def test_migrate_twice_is_once(configured: dict[str, str]) -> None:
    assert [_run(configured, "migrate").returncode for _ in range(2)] == [0, 0]


def test_migrate_asks_for_the_url_it_needs(configured: dict[str, str]) -> None:
    del configured["ZERAKET_MIGRATION_DATABASE_URL"]
    ran = _run(configured, "migrate")
    assert ran.returncode == 2
    assert "ZERAKET_MIGRATION_DATABASE_URL" in ran.stderr


def test_openapi_needs_no_database() -> None:
    assert "/health" in json.loads(_run({}, "openapi").stdout)["paths"]


def test_production_does_not_start_on_defaults() -> None:
    ran = _run({"ZERAKET_ENVIRONMENT": "production"}, "serve")
    assert ran.returncode == 2
    assert "ZERAKET_DATABASE_URL" in ran.stderr
    assert "ZERAKET_KEY_FILE" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_a_master_key_that_cannot_be_used_is_said_in_words(configured: dict[str, str]) -> None:
    ran = _run({**configured, "ZERAKET_MASTER_KEY": "00"}, "serve")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "openssl rand" in ran.stderr


def test_a_store_that_cannot_be_used_is_said_in_words(configured: dict[str, str]) -> None:
    ran = _run({**configured, "ZERAKET_STORAGE_URL": "s3://media"}, "serve")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "ZERAKET_STORAGE_SECRET_KEY" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_an_unknown_command_shows_the_usage() -> None:
    assert "usage: zeraket-server" in _run({}, "nonsense").stderr


def test_doctor_finds_a_sound_installation_sound(configured: dict[str, str]) -> None:
    ran = _run({**configured, **PRODUCTION}, "doctor")
    assert ran.returncode == 0, ran.stdout
    assert "FAULT" not in ran.stdout


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"ZERAKET_MASTER_KEY": "00"}, "FAULT master key"),
        ({"ZERAKET_PUBLIC_URL": "http://x"}, "FAULT setting ZERAKET_PUBLIC_URL"),
        ({"ZERAKET_PUBLIC_URL": "https://192.0.2.7"}, "FAULT passkeys"),
        ({"ZERAKET_DATABASE_URL": "postgresql+asyncpg://x@/x?host=/nowhere"}, "FAULT database"),
        ({"ZERAKET_STORAGE_URL": "s3://media"}, "FAULT storage"),
    ],
)
def test_doctor_names_each_fault(
    configured: dict[str, str], change: dict[str, str], said: str
) -> None:
    ran = _run({**configured, **PRODUCTION, **change}, "doctor")
    assert ran.returncode == 1
    assert said in ran.stdout
    assert "Traceback" not in ran.stderr


def test_doctor_says_on_a_desk_that_passkeys_are_off(configured: dict[str, str]) -> None:
    ran = _run(configured, "doctor")
    assert "ok    passkeys (are off: browsers make none for an IP address" in ran.stdout


@pytest.mark.parametrize(
    ("setting", "given", "said"),
    [
        ("ZERAKET_DATABASE_URL", "ZERAKET_MIGRATION_DATABASE_URL", "FAULT login role: postgres"),
        ("ZERAKET_DATABASE_URL", "ZERAKET_WORKER_DATABASE_URL", "it should be zeraket_login and"),
        ("ZERAKET_WORKER_DATABASE_URL", "ZERAKET_DATABASE_URL", "FAULT worker's login role"),
    ],
)
def test_doctor_warns_of_a_login_role_that_may_do_what_it_should_not(
    configured: dict[str, str], setting: str, given: str, said: str
) -> None:
    ran = _run({**configured, setting: configured[given]}, "doctor")
    assert said in ran.stdout
    assert ran.returncode == 1


def test_doctor_says_that_the_worker_cannot_log_in(configured: dict[str, str]) -> None:
    nobody = configured["ZERAKET_DATABASE_URL"].replace("zeraket_login", "zeraket_nobody")
    ran = _run({**configured, "ZERAKET_WORKER_DATABASE_URL": nobody}, "doctor")
    assert "FAULT worker's login role: cannot log in" in ran.stdout
    assert "ok    clock" in ran.stdout


def test_doctor_notices_a_database_without_migrations(
    configured: dict[str, str], empty_database: ClonedDatabase
) -> None:
    empty = {"ZERAKET_DATABASE_URL": empty_database.administrator_url}
    ran = _run({**configured, **empty}, "doctor")
    assert "zeraket-server migrate" in ran.stdout
    assert ran.returncode == 1


def test_without_settings_the_embedded_database_serves_and_is_stopped(
    reachable_folder: str,
) -> None:
    ran = _run({"ZERAKET_DATA_DIRECTORY": reachable_folder}, "demo-data")
    assert ran.returncode == 0, ran.stderr
    assert (Path(reachable_folder) / "postgres" / "PG_VERSION").exists()
    assert not (Path(reachable_folder) / "postgres" / "postmaster.pid").exists()


def test_a_killed_process_does_not_keep_the_embedded_database_running(
    reachable_folder: str,
) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    folder = Path(reachable_folder)
    start_embedded_postgres(folder)
    users = folder / "postgres" / ".handle_pids.json"
    users.write_text(json.dumps([*json.loads(users.read_text()), ended.pid]))
    start_embedded_postgres(folder).stop()
    assert not (folder / "postgres" / "postmaster.pid").exists()
