"""The one door between threads: work posted here runs on Qt's main thread. Nothing else crosses."""

from collections.abc import Callable

from PySide6.QtCore import QObject, Qt, Signal


class MainThreadDispatcher(QObject):
    """Made on the main thread; `post` may be called from any."""

    _posted = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self._posted.connect(self._run, Qt.ConnectionType.QueuedConnection)

    def post(self, work: Callable[[], object]) -> None:
        """Have the work done on the main thread, in the order in which it was posted."""
        self._posted.emit(work)

    def _run(self, work: Callable[[], object]) -> None:
        work()
