from uuid import UUID

from scanner_app.gate.gate_time import TimeAnchor
from scanner_app.store.kiosk_store import KioskStore
from scanner_app.store.sync_side import SyncSide
from shared.ids import DeploymentId
from shared.wire.scanners import SignedRevocation
from tests.factories.credentials import TICKET_ID
from tests.factories.journal import BOOT_ID
from tests.factories.kiosk_store import a_draft, an_enrolment

OTHER_DEPLOYMENT = DeploymentId(UUID("018f0000-0000-7000-8000-0000000000d1"))
REVOCATION = SignedRevocation(order=b"{}", signature=bytes(64))


def test_both_sides_read_the_enrolment_that_was_saved(store: KioskStore, side: SyncSide) -> None:
    enrolment = an_enrolment(gate_name="South")
    side.enrolment.save_enrolment(enrolment)
    assert side.enrolment.enrolment() == store.enrolment() == enrolment


def test_forgetting_ends_the_gates_work_and_destroys_the_snapshot(
    store: KioskStore, side: SyncSide
) -> None:
    store.journal.append(a_draft())
    side.enrolment.forget_enrolment()
    assert store.enrolment() is None
    assert store.knowledge() is None
    assert store.manifest() is None
    assert side.shelf.current() is None
    assert list(side.shelf.partial_path("any").parent.iterdir()) == []
    assert store._databases.replica.all("SELECT file_key FROM snapshot_in_use") == []
    assert store._databases.journal.number("SELECT count(*) FROM entries") == 1


def test_versions_seen_outlive_the_enrolment(side: SyncSide) -> None:
    side.enrolment.forget_enrolment()
    assert side.shelf.highest_version_seen() == 0
    side.enrolment.save_enrolment(an_enrolment())
    assert side.shelf.highest_version_seen() == 1


def test_another_deployment_forgets_what_was_heard_of_the_first(
    store: KioskStore, side: SyncSide
) -> None:
    side.enrolment.save_enrolment(an_enrolment(deployment_id=OTHER_DEPLOYMENT))
    assert store.knowledge() is None
    assert side.changes.cursor() == (0, 0)


def test_a_revocation_stays_until_the_kiosk_is_enrolled_again(side: SyncSide) -> None:
    assert side.revocations.revocation() is None
    side.revocations.save_revocation(REVOCATION)
    side.enrolment.forget_enrolment()
    assert side.revocations.revocation() == REVOCATION
    side.enrolment.save_enrolment(an_enrolment())
    assert side.revocations.revocation() is None


def test_the_last_anchor_is_kept(store: KioskStore, side: SyncSide) -> None:
    assert side.times.anchor() is None
    for time_ms in (1_000, 2_000):
        side.times.save_anchor(TimeAnchor(time_ms, 5, 40, BOOT_ID))
    assert side.times.anchor() == store.time_anchor() == TimeAnchor(2_000, 5, 40, BOOT_ID)


def test_the_highest_time_seen_never_sinks(store: KioskStore, side: SyncSide) -> None:
    assert store.time_seen_ms() == 0
    for time_ms in (5_000, 9_000, 7_000):
        side.times.raise_time_seen(time_ms)
    assert side.times.time_seen_ms() == store.time_seen_ms() == 9_000


def test_a_ticket_of_a_forgotten_deployment_keeps_its_own_passages(
    store: KioskStore, side: SyncSide
) -> None:
    store.journal.append(a_draft())
    side.enrolment.forget_enrolment()
    store.knowledge()
    assert len(store.passages.passages(TICKET_ID)) == 1
