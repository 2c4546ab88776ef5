import threading

from scanner_app.bootstrap.status_board import StatusBoard
from scanner_app.gate.kiosk import KioskPhase, KioskStatus


def test_a_change_is_told_once_and_none_is_not_told() -> None:
    told: list[KioskStatus] = []
    board = StatusBoard(told.append)
    board.report(online=False)
    board.report(online=True)
    board.report(online=True, waiting_scans=0)
    board.report(waiting_scans=3)
    assert [(status.online, status.waiting_scans) for status in told] == [(True, 0), (True, 3)]
    assert told[-1] is board.status
    assert board.status.phase is KioskPhase.STARTING


def test_reports_of_many_threads_are_told_in_the_order_in_which_they_counted() -> None:
    told: list[KioskStatus] = []
    board = StatusBoard(told.append)
    barrier = threading.Barrier(8)

    def work(number: int) -> None:
        barrier.wait()
        for turn in range(200):
            board.report(waiting_scans=1 + number * 1_000 + turn)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(told) == 1_600
    assert told[-1] == board.status
