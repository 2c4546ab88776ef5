from functools import partial
from threading import Thread, current_thread, main_thread

from pytestqt.qtbot import QtBot

from scanner_app.ui.dispatch import MainThreadDispatcher


def test_work_from_another_thread_is_done_on_the_main_thread(qtbot: QtBot) -> None:
    dispatcher = MainThreadDispatcher()
    done_on: list[Thread] = []
    worker = Thread(target=dispatcher.post, args=[lambda: done_on.append(current_thread())])
    worker.start()
    worker.join()
    assert done_on == []
    qtbot.waitUntil(lambda: bool(done_on))
    assert done_on == [main_thread()]


def test_work_is_done_in_the_order_in_which_it_came(qtbot: QtBot) -> None:
    dispatcher = MainThreadDispatcher()
    done: list[int] = []
    for number in range(2_000):
        dispatcher.post(partial(done.append, number))
    qtbot.waitUntil(lambda: len(done) == 2_000)
    assert done == list(range(2_000))
