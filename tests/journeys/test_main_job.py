"""The demonstration is a test: the same programs, the same steps, and all of them must hold."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

_JOURNEY = Path(__file__).parents[2] / "packaging" / "demo" / "journey.py"


@pytest.mark.journey
@pytest.mark.timeout(400)
def test_the_main_job_holds_from_enrolment_to_revocation(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    finished = subprocess.run(
        [sys.executable, _JOURNEY, folder, "--close"], capture_output=True, text=True, check=False
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    report = json.loads((folder / "report.json").read_text())
    assert {step["name"]: step["seen"] for step in report["steps"] if not step["held"]} == {}
    assert {table["title"] for table in report["tables"]} == {
        "Sold",
        "Trial balance",
        "Reconciliation",
    }
    assert len(list((folder / "screenshots").glob("*.png"))) >= len(report["steps"]) // 2
