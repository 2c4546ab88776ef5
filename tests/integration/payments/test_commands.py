"""Ways to pay as an operator tries them: a sandbox in a process of its own, and the doctor."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shared.clock import system_clock
from sync_server import doctor
from sync_server.payments.configured import make_folders
from sync_server.settings import Environment, Settings

PATH = {"PATH": "/usr/bin:/bin"}
LINES = 8


@pytest.fixture(scope="module")
def pointers() -> Iterator[dict[str, Any]]:
    """The settings that a running sandbox of MTN says."""
    command = [sys.executable, "-m", "sync_server", "sandbox", "mtn", "--port", "0"]
    with subprocess.Popen(command, env=PATH, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline().strip() for _ in range(LINES)]
        said = dict(line.split("=", 1) for line in lines[1:])
        yield {name.removeprefix("ZERAKET_").lower(): value for name, value in said.items()}
        process.terminate()


async def _said(settings: Settings) -> list[str]:
    return [str(finding) for finding in await doctor.examine_rails(settings, system_clock())]


async def test_doctor_asks_the_provider_whether_it_lets_us_in(pointers: dict[str, Any]) -> None:
    assert await _said(Settings()) == []
    assert await _said(Settings(**pointers)) == ["ok    paying with mtn"]


@pytest.mark.parametrize("wrong", ["mtn_collection_api_key", "mtn_disbursement_subscription_key"])
async def test_doctor_says_which_provider_does_not(pointers: dict[str, Any], wrong: str) -> None:
    (said,) = await _said(Settings(**{**pointers, wrong: "not this one"}))
    assert said.startswith("FAULT paying with mtn:")
    assert "ZERAKET_MTN_" in said
    assert "not this one" not in said


async def test_doctor_says_that_a_provider_is_silent(
    pointers: dict[str, Any], refusing_port: int
) -> None:
    nowhere = f"http://127.0.0.1:{refusing_port}"
    (said,) = await _said(Settings(**{**pointers, "mtn_base_url": nowhere}))
    assert "cannot be reached" in said


async def test_doctor_names_play_money(pointers: dict[str, Any]) -> None:
    (said,) = await _said(Settings(**pointers, environment=Environment.PRODUCTION))
    assert said.startswith("FAULT setting ZERAKET_MTN_BASE_URL")


async def test_doctor_looks_at_a_bank_s_folder(tmp_path: Path) -> None:
    settings = Settings(
        bank_folder=tmp_path / "bank",
        bank_account="9030001234567",
        bank_bic="SBICUGKX",
        bank_currency="UGX",
        bank_holder="ZERAKET Limited",
    )
    (said,) = await _said(settings)
    assert said.startswith("FAULT paying with bank:")
    assert "NO_OUTBOX" in said
    assert "ZERAKET_BANK_" in said
    make_folders(settings)
    assert await _said(settings) == ["ok    paying with bank"]


def test_the_sandbox_refuses_production() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "sync_server", "sandbox", "mtn", "--port", "0"],
        env={**PATH, "ZERAKET_ENVIRONMENT": "production"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "development only" in ran.stderr
