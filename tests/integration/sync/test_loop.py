from typing import Any

import pytest

from shared.wire.changes import TicketChanged
from shared.wire.scans import EntryResult
from tests.factories.journal import a_chain
from tests.factories.sync import StatusWatch
from tests.factories.sync_desk import Desk


def a_change(number: int = 1) -> TicketChanged:
    return TicketChanged.model_validate(
        {"ticket_id": f"{number:016x}", "generation": 1, "status": "cancelled", "core": b"x"}
    )


def online(watch: StatusWatch) -> None:
    watch.wait_for(lambda status: status.online and status.active_devices is not None)


def test_a_kiosk_at_work_is_online_with_its_snapshot(enrolled: Desk) -> None:
    _, watch = enrolled.work()
    online(watch)
    status = watch.wait_for(lambda status: status.changes_age_seconds is not None)
    assert (status.snapshot_version, status.event_name) == (3, "Nyege Nyege")
    assert status.clock_uncertainty_ms is not None
    assert status.last_error is None


def test_scans_arrive_exactly_once(enrolled: Desk) -> None:
    enrolled.kiosk.outbox.add(a_chain(1_200))
    loop, _ = enrolled.work()
    loop.wake()
    assert enrolled.kiosk.outbox.drained.wait(20)
    assert set(enrolled.kiosk.outbox.results().values()) == {EntryResult.ACCEPTED}
    assert [len(batch) for batch in enrolled.server.state.batches] == [500, 500, 200]


def test_a_scan_is_sent_as_soon_as_it_is_journaled(enrolled: Desk) -> None:
    loop, watch = enrolled.work()
    online(watch)
    enrolled.kiosk.outbox.add(a_chain(1))
    loop.wake()
    assert enrolled.kiosk.outbox.drained.wait(4), "it waited for the next regular look"


def test_entries_whose_answer_was_lost_are_answered_as_duplicates(enrolled: Desk) -> None:
    enrolled.server.faults.replies_dropped = 1
    enrolled.kiosk.outbox.add(a_chain(3))
    enrolled.work()
    assert enrolled.kiosk.outbox.drained.wait(20)
    assert set(enrolled.kiosk.outbox.results().values()) == {EntryResult.DUPLICATE}
    assert sorted(enrolled.server.state.scans) == [1, 2, 3]


def test_entries_the_server_quarantined_are_not_sent_again(enrolled: Desk) -> None:
    enrolled.server.faults.quarantined_seqs = frozenset({2})
    enrolled.kiosk.outbox.add(a_chain(3))
    enrolled.work()
    assert enrolled.kiosk.outbox.drained.wait(20)
    assert enrolled.kiosk.outbox.results()[2] is EntryResult.QUARANTINED
    assert enrolled.server.state.batches == [(1, 2, 3)]


def test_an_entry_the_server_cannot_read_delays_no_other(enrolled: Desk) -> None:
    enrolled.server.faults.unreadable_seqs = frozenset({5})
    enrolled.kiosk.outbox.add(a_chain(12))
    _, watch = enrolled.work()
    watch.wait_for(lambda status: status.waiting_scans == 1)
    assert sorted(enrolled.server.state.scans) == [1, 2, 3, 4, *range(6, 13)]


def test_a_gap_at_the_server_is_filled(enrolled: Desk) -> None:
    enrolled.server.faults.lost_seqs = frozenset({2, 3})
    enrolled.kiosk.outbox.add(a_chain(5))
    loop, watch = enrolled.work()
    assert enrolled.kiosk.outbox.drained.wait(20)
    enrolled.kiosk.outbox.add(a_chain(6)[5:])
    loop.wake()
    watch.wait_for(lambda _status: sorted(enrolled.server.state.scans) == [1, 2, 3, 4, 5, 6])


def test_a_change_elsewhere_is_known_here(enrolled: Desk) -> None:
    _, watch = enrolled.work()
    online(watch)
    enrolled.server.state.announce(a_change())
    assert enrolled.kiosk.changes.news.wait(20)
    assert enrolled.kiosk.changes.applied == [a_change()]


def test_changes_come_in_order_over_several_pages(enrolled: Desk) -> None:
    changes = [a_change(number) for number in range(7)]
    enrolled.server.state.changes += changes
    _, watch = enrolled.work()
    watch.wait_for(lambda status: status.changes_age_seconds is not None)
    assert enrolled.kiosk.changes.applied == changes


def test_uploads_go_on_while_changes_fail(enrolled: Desk) -> None:
    enrolled.server.faults.changes_broken = True
    loop, watch = enrolled.work()
    watch.wait_for(lambda status: status.last_error == "internal_error")
    enrolled.kiosk.outbox.add(a_chain(3))
    loop.wake()
    assert enrolled.kiosk.outbox.drained.wait(20)


def test_changes_go_on_while_uploads_fail(enrolled: Desk) -> None:
    enrolled.server.faults.scans_broken = True
    enrolled.kiosk.outbox.add(a_chain(3))
    _, watch = enrolled.work()
    watch.wait_for(lambda status: status.last_error == "busy")
    enrolled.server.state.announce(a_change())
    assert enrolled.kiosk.changes.news.wait(20)
    assert enrolled.kiosk.outbox.waiting() == 3


def test_a_server_that_stops_and_comes_back_is_noticed_both_times(enrolled: Desk) -> None:
    loop, watch = enrolled.work()
    online(watch)
    enrolled.server.stop()
    watch.wait_for(lambda status: not status.online)
    enrolled.kiosk.outbox.add(a_chain(40))
    loop.wake()
    enrolled.server.start()
    watch.wait_for(lambda status: status.online)
    assert enrolled.kiosk.outbox.drained.wait(20)
    assert sorted(enrolled.server.state.scans) == list(range(1, 41))


def test_a_pulled_cable_is_noticed_though_no_connection_breaks(enrolled: Desk) -> None:
    loop, watch = enrolled.work()
    online(watch)
    enrolled.server.faults.silent = True
    status = watch.wait_for(lambda status: not status.online)
    assert status.snapshot_version == 3
    loop.stop()
    assert enrolled.server.faults.silent, "it stopped without waiting for an answer"


def test_a_new_snapshot_is_fetched_when_a_heartbeat_tells_of_it(enrolled: Desk) -> None:
    _, watch = enrolled.work()
    online(watch)
    enrolled.server.state.manifest_changes["version"] = 4
    status = watch.wait_for(lambda status: status.snapshot_version == 4)
    assert not status.snapshot_damaged


def test_a_damaged_download_leaves_the_last_good_snapshot_and_says_so(enrolled: Desk) -> None:
    enrolled.kiosk.shelf.partial_path(enrolled_sha(enrolled)).unlink()
    enrolled.server.faults.file_damaged = True
    enrolled.server.state.manifest_changes["version"] = 4
    _, watch = enrolled.work()
    status = watch.wait_for(lambda status: status.snapshot_damaged)
    assert status.snapshot_version == 3
    enrolled.server.faults.file_damaged = False
    watch.wait_for(lambda status: status.snapshot_version == 4 and not status.snapshot_damaged)


def enrolled_sha(desk: Desk) -> str:
    manifest = desk.kiosk.shelf.manifest
    assert manifest is not None
    return manifest.sha256


@pytest.mark.parametrize(
    "change",
    [
        {"manifest": {"version": 2}},
        {"manifest": {"version": 4, "deployment_id": "018f0000-0000-7000-8000-0000000000d9"}},
        {"manifest": {"version": 4, "format": 2}},
        {"manifest": {"version": 4, "version_min": 5}},
        {"manifest": {"version": 4}, "forged": True},
    ],
)
def test_a_manifest_that_may_not_be_used_changes_nothing(
    enrolled: Desk, change: dict[str, Any]
) -> None:
    enrolled.server.state.manifest_changes |= change["manifest"]
    enrolled.server.faults.manifest_forged = change.get("forged", False)
    _, watch = enrolled.work()
    status = watch.wait_for(lambda status: status.last_error == "server_untrusted")
    assert status.snapshot_version == 3
    assert not status.snapshot_damaged


def test_a_time_for_another_question_is_not_believed(enrolled: Desk) -> None:
    enrolled.kiosk.records.time_anchor = None
    enrolled.server.faults.wrong_nonce = True
    _, watch = enrolled.work()
    status = watch.wait_for(lambda status: status.last_error == "server_untrusted")
    assert status.clock_uncertainty_ms is None
    assert enrolled.kiosk.records.time_anchor is None


def test_a_token_is_renewed_within_its_session(enrolled: Desk) -> None:
    enrolled.server.faults.token_lifetime_ms = 1
    _, watch = enrolled.work()
    watch.wait_for(lambda _status: enrolled.server.state.renewals >= 2)
    assert len(enrolled.server.state.heartbeats) >= 2


def test_a_token_the_server_forgot_is_renewed_at_once(enrolled: Desk) -> None:
    loop, watch = enrolled.work()
    online(watch)
    enrolled.server.state.token = None
    watch.wait_for(lambda _status: enrolled.server.state.renewals == 1)
    enrolled.kiosk.outbox.add(a_chain(1))
    loop.wake()
    assert enrolled.kiosk.outbox.drained.wait(20)


def test_a_revoked_kiosk_stops_and_stays_stopped(enrolled: Desk) -> None:
    loop, watch = enrolled.work()
    online(watch)
    enrolled.server.faults.revoked = True
    status = watch.wait_for(lambda status: status.revocation is not None)
    assert not status.online
    loop.stop()
    enrolled.server.faults.revoked = False
    enrolled.server.state.session_id = None
    _, second_watch = enrolled.work()
    second_watch.wait_for(lambda status: status.revocation is not None)
    assert enrolled.server.state.session_id is None


def test_a_kiosk_revoked_while_it_was_off_stops_at_its_first_call(enrolled: Desk) -> None:
    enrolled.server.faults.revoked = True
    _, watch = enrolled.work()
    status = watch.wait_for(lambda status: status.revocation is not None)
    assert status.revocation is not None
    assert enrolled.kiosk.records.stopped is not None


def test_a_forged_order_to_stop_is_not_obeyed(enrolled: Desk) -> None:
    enrolled.server.faults.revoked = True
    enrolled.server.faults.revocation_forged = True
    _, watch = enrolled.work()
    status = watch.wait_for(lambda status: status.last_error == "server_untrusted")
    assert status.revocation is None
    assert enrolled.kiosk.records.stopped is None


def test_a_login_page_in_between_is_waited_out(enrolled: Desk) -> None:
    enrolled.server.faults.garbage = True
    _, watch = enrolled.work()
    status = watch.wait_for(lambda status: status.last_error == "server_unreachable")
    assert not status.online
    enrolled.server.faults.garbage = False
    online(watch)
