"""Whoever listens to a kiosk's parts in a test: notes what was said, and waits for it."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, TypeVar

from scanner_app.bootstrap.gate_worker import GateOutlook, JudgedCode, NetworkConditions
from scanner_app.gate.kiosk import KioskStatus
from scanner_app.gate.ports import GateError
from scanner_app.gate.session import Judgement
from scanner_app.peripherals.code_source import CameraPicture, ShownCode
from scanner_app.store.kiosk_store import KioskStore
from scanner_app.sync.ports import Machine
from shared.clock import SettableClock
from tests.factories.admission import NOW_MS
from tests.factories.journal import BOOT_ID
from tests.factories.sync import a_machine

WAIT_SECONDS: Final = 20
BOOTED_NS: Final = 1_000_000_000_000
_Value = TypeVar("_Value")


@dataclass
class Log:
    """Events in order, of any kind."""

    events: list[object] = field(default_factory=list)
    _news: threading.Condition = field(default_factory=threading.Condition)

    def note(self, event: object) -> None:
        with self._news:
            self.events.append(event)
            self._news.notify_all()

    def wait_for(self, kind: type[_Value], condition: Callable[[_Value], bool]) -> _Value:
        """Give the first event of a kind that fits, past or to come."""

        def fitting() -> list[_Value]:
            return [event for event in self.events if isinstance(event, kind) and condition(event)]

        with self._news:
            assert self._news.wait_for(lambda: bool(fitting()), WAIT_SECONDS), self.events[-3:]
            return fitting()[0]

    def wait_until(self, condition: Callable[[], bool]) -> None:
        """Look again whenever something happens."""
        with self._news:
            assert self._news.wait_for(condition, WAIT_SECONDS), self.events[-3:]


class GateAudience:
    """What a gate worker talks to."""

    def __init__(self, network: NetworkConditions | None) -> None:
        self.log = Log()
        self.conditions = network

    @property
    def judgements(self) -> list[Judgement]:
        return [event.judgement for event in self.log.events if isinstance(event, JudgedCode)]

    def on_store_open(self, store: KioskStore) -> None:
        self.log.note(store)

    def on_store_fault(self, error: GateError) -> None:
        self.log.note(error)

    def on_judged(self, judged: JudgedCode) -> None:
        self.log.note(judged)

    def on_outlook(self, outlook: GateOutlook) -> None:
        self.log.note(outlook)

    def on_code_without_gate(self, code: ShownCode) -> None:
        self.log.note(code)

    def on_code_passed_over(self, code: ShownCode) -> None:
        """Nobody is before this gate."""

    def network(self) -> NetworkConditions | None:
        return self.conditions


class KioskListener:
    """A KioskAudience."""

    def __init__(self) -> None:
        self.log = Log()

    @property
    def statuses(self) -> list[KioskStatus]:
        return [event for event in self.log.events if isinstance(event, KioskStatus)]

    def on_status(self, status: KioskStatus) -> None:
        self.log.note(status)

    def on_verdict(self, judged: JudgedCode) -> None:
        self.log.note(judged)

    def on_picture(self, picture: CameraPicture) -> None:
        """Look away."""

    def on_shown(self, judged: JudgedCode, shown_at_ns: int) -> None:
        """There is no window here."""


def a_standing_machine() -> Machine:
    """Make a machine of the factories' boot, whose clock stands still at the factories' time."""
    return a_machine(clock=SettableClock(NOW_MS, BOOTED_NS), boot_id=BOOT_ID)
