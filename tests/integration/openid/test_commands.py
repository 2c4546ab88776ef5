"""The sandbox and the doctor as an operator runs them: in a process of their own."""

import asyncio
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.plugins.openid import SandboxProvider
from tests.plugins.postgres import ClonedDatabase

PATH = {"PATH": "/usr/bin:/bin"}


def run(environment: dict[str, str], *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "sync_server", *arguments],
        env={**PATH, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@contextmanager
def sandbox(*arguments: str) -> Iterator[dict[str, str]]:
    """Start one on any port; gives the settings it says."""
    command = [sys.executable, "-m", "sync_server", "sandbox", "openid", "--port", "0", *arguments]
    with subprocess.Popen(command, env=PATH, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline().strip() for _ in range(4)]
        yield dict(line.split("=", 1) for line in lines[1:])
        process.terminate()


def test_the_sandbox_says_how_to_use_it_and_answers() -> None:
    with sandbox("--forge", "wrong_nonce") as settings:
        issuer = settings["ZERAKET_GOOGLE_ISSUER"]
        document = httpx.get(f"{issuer}/.well-known/openid-configuration").json()
    assert set(settings) == {
        "ZERAKET_GOOGLE_ISSUER",
        "ZERAKET_GOOGLE_CLIENT_ID",
        "ZERAKET_GOOGLE_CLIENT_SECRET",
    }
    assert document["issuer"] == issuer


def test_the_sandbox_refuses_production() -> None:
    ran = run({"ZERAKET_ENVIRONMENT": "production"}, "sandbox", "openid", "--port", "0")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "development only" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_a_port_that_is_taken_is_said_in_words() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ran = run({}, "sandbox", "openid", "--port", port)
    assert (ran.returncode, ran.stdout) == (1, "")
    assert port in ran.stderr
    assert "Traceback" not in ran.stderr


@pytest.fixture
def configured(cloned_database: ClonedDatabase, tmp_path: Path) -> dict[str, str]:
    return {
        "ZERAKET_DATABASE_URL": cloned_database.login_url,
        "ZERAKET_DATA_DIRECTORY": str(tmp_path),
        "ZERAKET_MASTER_KEY": bytes(range(32)).hex(),
        "ZERAKET_GOOGLE_CLIENT_ID": "client",
        "ZERAKET_GOOGLE_CLIENT_SECRET": "secret",
    }


async def test_doctor_fetches_the_providers_document(
    configured: dict[str, str], sandbox_provider: SandboxProvider
) -> None:
    environment = {**configured, "ZERAKET_GOOGLE_ISSUER": sandbox_provider.issuer}
    ran = await asyncio.to_thread(run, environment, "doctor")
    assert "ok    signing in with Google" in ran.stdout
    assert ran.returncode == 0, ran.stdout


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"ZERAKET_GOOGLE_ISSUER": "http://127.0.0.1:1"}, "FAULT signing in with Google"),
        (
            {"ZERAKET_GOOGLE_ISSUER": "not an address", "ZERAKET_GOOGLE_CLIENT_ID": "x"},
            "FAULT signing in with Google",
        ),
    ],
)
def test_doctor_finds_a_provider_that_cannot_be_reached(
    configured: dict[str, str], change: dict[str, str], said: str
) -> None:
    ran = run({**configured, **change}, "doctor")
    assert ran.returncode == 1
    assert said in ran.stdout
    assert "ZERAKET_GOOGLE_ISSUER" in ran.stdout


@pytest.mark.parametrize("missing", ["ZERAKET_GOOGLE_CLIENT_ID", "ZERAKET_GOOGLE_CLIENT_SECRET"])
def test_doctor_finds_half_a_client(configured: dict[str, str], missing: str) -> None:
    del configured[missing]
    ran = run(configured, "doctor")
    assert ran.returncode == 1
    assert "FAULT setting ZERAKET_GOOGLE_CLIENT_SECRET" in ran.stdout


def test_doctor_says_nothing_of_a_provider_that_is_not_wanted(configured: dict[str, str]) -> None:
    del configured["ZERAKET_GOOGLE_CLIENT_ID"], configured["ZERAKET_GOOGLE_CLIENT_SECRET"]
    ran = run(configured, "doctor")
    assert (ran.returncode, "Google" in ran.stdout) == (0, False)
