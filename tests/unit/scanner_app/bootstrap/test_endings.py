import subprocess
import sys

import pytest

from scanner_app.bootstrap.endings import EXIT_BUG, EXIT_USAGE

BEGINNING = """
import sys, threading
from scanner_app.bootstrap.endings import Ending, end_on_bugs
from scanner_app.bootstrap.logging import configure_logging
from scanner_app.bootstrap.signals import hold_stop_signals, wait_for_stop_signal
configure_logging(sys.stderr)
end_on_bugs()
hold_stop_signals()
"""
BUG_IN_A_THREAD = """
threading.Thread(target=lambda: 1 / 0, name="gate").start()
wait_for_stop_signal()
"""
BUG_IN_THE_MAIN_THREAD = """
threading.Thread(target=threading.Event().wait, name="gate").start()
raise ZeroDivisionError
"""
NO_USE = """
ending = Ending()
threading.Thread(target=ending.as_unusable, args=("no such camera",)).start()
wait_for_stop_signal()
sys.exit(ending.exit_code)
"""
A_THREAD_THAT_LEAVES = """
thread = threading.Thread(target=sys.exit)
thread.start()
thread.join()
"""


def run(program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", BEGINNING + program],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize("program", [BUG_IN_A_THREAD, BUG_IN_THE_MAIN_THREAD])
def test_a_bug_in_any_thread_ends_the_program_and_is_logged(program: str) -> None:
    ran = run(program)
    assert ran.returncode == EXIT_BUG
    assert '"level": "critical"' in ran.stderr
    assert "ZeroDivisionError" in ran.stderr


def test_a_program_of_no_use_says_why_and_ends_in_order() -> None:
    ran = run(NO_USE)
    assert (ran.returncode, ran.stderr) == (EXIT_USAGE, "zeraket-gate: no such camera\n")


def test_a_thread_that_leaves_on_purpose_ends_nothing() -> None:
    ran = run(A_THREAD_THAT_LEAVES)
    assert (ran.returncode, ran.stderr) == (0, "")
