from typing import Any
from uuid import UUID

import httpx
import pytest

from shared.clock import SettableClock
from shared.ids import DeviceId, GateId, ScanId, TicketId, new_uuid7, ticket_id_from_hex
from shared.journal.chain import ChainedEntry, Head
from shared.journal.entry import ScanEntry
from shared.wire import paths
from tests.factories.changes import changed
from tests.factories.journal import a_chain, chained
from tests.factories.scanners import Door, Kiosk
from tests.integration.server_gate.conftest import Settle


def _chain(
    kiosk: Kiosk,
    length: int,
    ticket: str | None = None,
    after: Head | None = None,
    **changes: object,
) -> list[ChainedEntry]:
    """Entries of a kiosk, one second apart, in its own chain."""
    ticket_id = TicketId(1) if ticket is None else ticket_id_from_hex(ticket)
    own = {
        "device_id": DeviceId(UUID(kiosk.device_id)),
        "gate_id": GateId(UUID(kiosk.enrolment["gate_id"])),
        "ticket_id": ticket_id,
    }
    made = a_chain(length, after, **{**own, **changes})
    linked: list[ChainedEntry] = []
    prev_hash = made[0].entry.prev_hash
    for item in made:
        scan_id = ScanId(new_uuid7(item.entry.gate_time_ms, _word(kiosk, item.entry.seq)))
        entry = chained(_again(item, scan_id=scan_id, prev_hash=prev_hash))
        linked.append(entry)
        prev_hash = entry.entry_hash
    return linked


def _word(kiosk: Kiosk, seq: int) -> bytes:
    return UUID(kiosk.device_id).bytes[-8:] + seq.to_bytes(2, "big")


def _again(item: ChainedEntry, **changes: object) -> ScanEntry:
    return changed(item.entry, changes)


async def _upload(kiosk: Kiosk, entries: list[ChainedEntry]) -> dict[str, Any]:
    answer = await kiosk.post(paths.SCANS, kiosk.batch(entries))
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert isinstance(body, dict)
    return body


def _results(answer: dict[str, Any]) -> list[str]:
    return [item["result"] for item in answer["answers"]]


async def test_every_scan_arrives_once_however_often_it_is_sent(door: Door) -> None:
    kiosk = await door.kiosk()
    entries = _chain(kiosk, 3, direction="exit")
    first = await _upload(kiosk, entries)
    second = await _upload(kiosk, entries)
    listed = (await door.get("/scans")).json()["items"]
    assert _results(first) == ["accepted"] * 3
    assert _results(second) == ["duplicate"] * 3
    assert (first["contiguous_seq"], second["contiguous_seq"]) == (3, 3)
    assert [scan["seq"] for scan in listed] == [1, 2, 3]


async def test_a_gap_is_asked_for_and_closed(door: Door) -> None:
    kiosk = await door.kiosk()
    entries = _chain(kiosk, 6, direction="exit")
    first = await _upload(kiosk, entries[:2] + entries[4:])
    second = await _upload(kiosk, entries[2:4])
    assert (first["contiguous_seq"], first["missing"]) == (2, [[3, 4]])
    assert (second["contiguous_seq"], second["missing"]) == (6, [])


async def test_one_poison_entry_delays_no_other(door: Door) -> None:
    kiosk = await door.kiosk()
    entries = _chain(kiosk, 3, direction="exit")
    parts = [(it.entry.seq, it.entry.canonical_bytes(), it.entry_hash) for it in entries]
    parts[1] = (2, b"no entry at all", entries[1].entry_hash)
    answers = [await kiosk.post(paths.SCANS, kiosk.raw_batch(parts)) for _ in range(2)]
    first, second = (answer.json() for answer in answers)
    assert _results(first) == ["accepted", "quarantined", "accepted"]
    assert first["answers"][1]["finding"] == "malformed_entry"
    assert _results(second) == ["duplicate", "quarantined", "duplicate"]
    assert first["contiguous_seq"] == 3
    assert first["missing"] == []


@pytest.mark.parametrize(
    ("change", "finding"),
    [
        ({"device_id": DeviceId(UUID(int=5))}, "other_device"),
        ({"seq": 9}, "other_number"),
        ({"direction": "sideways"}, "malformed_entry"),
        ({"gate_time_ms": (1 << 64) - 1}, "malformed_entry"),
    ],
)
async def test_an_entry_that_cannot_be_true_is_put_aside(
    door: Door, change: dict[str, Any], finding: str
) -> None:
    kiosk = await door.kiosk()
    (item,) = _chain(kiosk, 1)
    wrong = chained(_again(item, **change))
    part = (1, wrong.entry.canonical_bytes(), wrong.entry_hash)
    answer = (await kiosk.post(paths.SCANS, kiosk.raw_batch([part]))).json()
    assert answer["answers"] == [{"seq": 1, "result": "quarantined", "finding": finding}]


async def test_an_altered_entry_is_put_aside(door: Door) -> None:
    kiosk = await door.kiosk()
    (item,) = _chain(kiosk, 1)
    part = (1, item.entry.canonical_bytes(), bytes(32))
    answer = (await kiosk.post(paths.SCANS, kiosk.raw_batch([part]))).json()
    assert answer["answers"][0]["finding"] == "altered"


async def test_a_forked_number_quarantines_the_device_and_keeps_the_rows(door: Door) -> None:
    kiosk = await door.kiosk()
    await _upload(kiosk, _chain(kiosk, 2, direction="exit"))
    other = _chain(kiosk, 2, direction="exit", gate_time_ms=5)
    answers = [await _upload(kiosk, other) for _ in range(2)]
    devices = (await door.get("/devices")).json()["items"]
    conflicts = (await door.get("/conflicts")).json()["items"]
    manifest = await kiosk.get(paths.MANIFEST)
    assert [_results(answer) for answer in answers] == [["quarantined"] * 2] * 2
    assert answers[0]["answers"][0]["finding"] == "device_fork"
    assert [device["state"] for device in devices] == ["quarantined"]
    assert [conflict["kind"] for conflict in conflicts] == ["device_fork"]
    assert (manifest.status_code, manifest.json()["code"]) == (403, "device_quarantined")


async def test_a_broken_chain_quarantines_the_device_and_keeps_the_rows(door: Door) -> None:
    kiosk = await door.kiosk()
    await _upload(kiosk, _chain(kiosk, 1, direction="exit"))
    stranger = _chain(kiosk, 1, after=Head(1, bytes(32)), direction="exit")
    answer = await _upload(kiosk, stranger)
    devices = (await door.get("/devices")).json()["items"]
    assert _results(answer) == ["accepted"]
    assert answer["contiguous_seq"] == 2
    assert [finding["kind"] for finding in answer["findings"]] == ["broken_link"]
    assert [device["state"] for device in devices] == ["quarantined"]


async def test_a_batch_signed_by_another_device_is_refused(door: Door) -> None:
    kiosk, thief = await door.kiosk(), await door.kiosk()
    batch = thief.batch(_chain(kiosk, 1))
    answers = [
        await kiosk.post(paths.SCANS, {**batch, "device_id": device_id})
        for device_id in (kiosk.device_id, thief.device_id)
    ]
    assert [answer.json()["code"] for answer in answers] == ["batch_signature_invalid"] * 2


async def test_the_same_ticket_at_two_gates_is_a_conflict_both_hear_of(door: Door) -> None:
    (ticket,) = await door.issue()
    first, second = await door.kiosk(), await door.kiosk()
    one = _chain(first, 1, ticket["ticket_id"], gate_time_ms=1_000_000)
    two = _chain(second, 1, ticket["ticket_id"], gate_time_ms=1_060_000)
    quiet = await _upload(first, one)
    loud = await _upload(second, two)
    conflicts = (await door.get("/conflicts")).json()["items"]
    scan_ids = [str(one[0].entry.scan_id), str(two[0].entry.scan_id)]
    assert quiet["findings"] == []
    assert loud["findings"] == [{"kind": "same_ticket_twice", "scan_ids": scan_ids}]
    assert [(item["subject"], item["state"], item["concurrent"]) for item in conflicts] == [
        (ticket["ticket_id"], "open", False)
    ]


async def test_scans_that_overlap_in_time_name_no_culprit(door: Door) -> None:
    (ticket,) = await door.issue()
    first, second = await door.kiosk(), await door.kiosk()
    await _upload(first, _chain(first, 1, ticket["ticket_id"]))
    await _upload(second, _chain(second, 1, ticket["ticket_id"]))
    conflicts = (await door.get("/conflicts")).json()["items"]
    assert [item["concurrent"] for item in conflicts] == [True]


async def test_an_untrusted_clock_leaves_only_wide_bounds(door: Door, clock: SettableClock) -> None:
    kiosk = await door.kiosk()
    clock.advance(60_000)
    await _upload(kiosk, _chain(kiosk, 1, uncertainty_ms=None, gate_time_ms=5))
    (scan,) = (await door.get("/scans")).json()["items"]
    assert scan["latest_ms"] == clock.now_ms()
    assert scan["earliest_ms"] == clock.now_ms() - 60_000


async def test_a_late_exit_explains_a_second_entry(door: Door) -> None:
    (ticket,) = await door.issue()
    first, second, third = [await door.kiosk() for _ in range(3)]
    for kiosk, at_ms, direction in (
        (first, 1_000_000, "entry"),
        (second, 3_000_000, "entry"),
        (third, 2_000_000, "exit"),
    ):
        await _upload(
            kiosk, _chain(kiosk, 1, ticket["ticket_id"], gate_time_ms=at_ms, direction=direction)
        )
    conflicts = (await door.get("/conflicts")).json()["items"]
    assert [item["state"] for item in conflicts] == ["withdrawn"]


async def test_an_admission_after_a_cancellation_is_a_conflict(
    door: Door, clock: SettableClock
) -> None:
    (ticket,) = await door.issue()
    kiosk = await door.kiosk()
    place = f"{door.event_path}/tickets/{ticket['ticket_id']}/status"
    body = {"status": "cancelled", "reason": "rained off"}
    await door.client.post(place, json=body, headers=door.tenant.headers)
    late = clock.now_ms() + 60_000
    answer = await _upload(kiosk, _chain(kiosk, 1, ticket["ticket_id"], gate_time_ms=late))
    assert [finding["kind"] for finding in answer["findings"]] == ["admitted_after_revoke"]


async def test_a_person_resolves_a_conflict_with_a_reason(door: Door) -> None:
    (ticket,) = await door.issue()
    for kiosk in [await door.kiosk(), await door.kiosk()]:
        await _upload(kiosk, _chain(kiosk, 1, ticket["ticket_id"]))
    (conflict,) = (await door.get("/conflicts")).json()["items"]
    place = f"/conflicts/{conflict['id']}/resolve"
    resolved = await door.post(place, {"reason": "twins with one ticket"})
    missing = await door.post(f"/conflicts/{UUID(int=1)}/resolve", {"reason": "none"})
    assert (resolved.json()["state"], resolved.json()["resolution"]) == (
        "resolved",
        "twins with one ticket",
    )
    assert missing.json()["code"] == "conflict_not_found"


async def test_other_gates_hear_of_an_admission(door: Door, settle: Settle) -> None:
    (ticket,) = await door.issue()
    first, second = await door.kiosk(), await door.kiosk()
    (item,) = _chain(first, 1, ticket["ticket_id"])
    await _upload(first, [item])
    await settle()
    page = (await second.get(paths.CHANGES, params={"xid": 0, "id": 0})).json()
    heard = [change for change in page["changes"] if change["kind"] == "passage"]
    assert [(change["scan_id"], change["ticket_id"]) for change in heard] == [
        (str(item.entry.scan_id), ticket["ticket_id"])
    ]


async def test_a_refused_scan_is_a_fact_and_lets_nobody_through(door: Door, settle: Settle) -> None:
    (ticket,) = await door.issue()
    kiosk = await door.kiosk()
    answer = await _upload(kiosk, _chain(kiosk, 1, ticket["ticket_id"], verdict="STALE_CODE"))
    await settle()
    (scan,) = (await door.get("/scans")).json()["items"]
    page = (await kiosk.get(paths.CHANGES, params={"xid": 0, "id": 0})).json()
    assert _results(answer) == ["accepted"]
    assert (scan["verdict"], scan["admitted"]) == ("STALE_CODE", False)
    assert [change["kind"] for change in page["changes"]] == ["ticket"]


async def test_a_heartbeat_is_answered_with_time_and_what_to_fetch(door: Door) -> None:
    kiosk = await door.kiosk()
    await door.kiosk()
    await kiosk.get(paths.MANIFEST)
    body = {
        "queue_length": 4,
        "journal_seq": 9,
        "snapshot_version": 0,
        "camera": "good",
        "clock": "degraded",
        "nonce": "AAAAAAAAAAAAAAAAAAAAAA==",
    }
    answers: list[httpx.Response] = [await kiosk.post(paths.HEARTBEATS, body) for _ in range(2)]
    heard = (await door.get("/heartbeats")).json()["items"]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert [answer.json()["time"]["seq"] for answer in answers] == [2, 3]
    assert (answers[0].json()["snapshot_version"], answers[0].json()["active_devices"]) == (1, 2)
    assert [(item["queue_length"], item["clock"]) for item in heard] == [(4, "degraded")]
