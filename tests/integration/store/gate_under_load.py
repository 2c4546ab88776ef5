"""A gate that admits as fast as it can until it is killed: started by test_kill.py, one fork a run.

For each line read (the number of the first ticket) it forks a gate, which writes its process id,
then the id of every scan that let somebody in, each only after the session said so. When the gate
is gone, `gone` follows.
"""

import os
import sys
from pathlib import Path

from scanner_app.gate.gate_time import TimeReading
from scanner_app.gate.gather import GateConditions
from scanner_app.gate.ports import GatePost
from scanner_app.gate.session import GateSession, Judgement
from scanner_app.store.kiosk_store import KioskStore
from shared.clock import SystemClock
from tests.factories.admission import DEVICE, GATE, NOW_MS, SECOND_MS
from tests.factories.journal import BOOT_ID
from tests.factories.kiosk_store import STORE_KEY
from tests.factories.visitors import visitor_codes


class NoLamp:
    """Moves nothing."""

    def actuate(self, judgement: Judgement) -> None:
        """Do nothing."""


def say(word: object) -> None:
    """Write a line in one piece, so that a kill cuts between lines."""
    os.write(sys.stdout.fileno(), f"{word}\n".encode())


def admit_until_killed(directory: Path, codes: list[str], first: int) -> None:
    store = KioskStore.open(directory, STORE_KEY)
    post = GatePost(DEVICE, GATE, BOOT_ID)
    session = GateSession(post, store.gate_store(), NoLamp(), SystemClock(), os.urandom)
    say(os.getpid())
    for code in codes[first:]:
        # Time moves on by more than the camera's repeats, also over a restart.
        now_ms = NOW_MS + 5 * SECOND_MS * (store.journal.head.seq + 1)
        knowledge = store.knowledge()
        if knowledge is None:
            raise SystemExit(1)
        conditions = GateConditions(TimeReading(now_ms, 20))
        judgement = session.judge(code, knowledge, conditions)
        if judgement.admitted:
            say(judgement.scan_id)


def main() -> None:
    directory, count = Path(sys.argv[1]), int(sys.argv[2])
    codes = visitor_codes(count)
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            try:
                admit_until_killed(directory, codes, int(line))
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        say("gone")


if __name__ == "__main__":
    main()
