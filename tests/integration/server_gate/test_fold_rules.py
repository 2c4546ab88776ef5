"""What a deployment's rules make of scans, whoever uploads them and in whatever order."""

from collections.abc import Iterator, Sequence
from hashlib import sha256
from itertools import count, permutations
from typing import Any
from uuid import UUID

import httpx
import pytest

from shared.admission.facts import Direction
from shared.admission.fold import ConflictKind, FoldContext, RecordedScan, fold
from shared.ids import DeviceId, EventId, GateId, ScanId, ticket_id_from_hex
from shared.journal.chain import ChainedEntry
from shared.wire import paths
from tests.factories.changes import changed
from tests.factories.journal import a_chain, chained
from tests.factories.scanners import Door, Kiosk, make_door
from tests.factories.tenants import Tenant

Passing = tuple[int, str, int]
"""Which ticket, in which direction, how many milliseconds after the beginning."""
_BEGINNING_MS = 1_700_000_000_000


async def _door(
    client: httpx.AsyncClient,
    tenant: Tenant,
    event_id: EventId,
    general: dict[str, Any],
    **settings: object,
) -> Door:
    rules = {"rules": [{"set": general}]}
    return await make_door(client, tenant, event_id, rules=rules, **settings)


def _entry(kiosk: Kiosk, ticket: dict[str, Any], direction: str, at_ms: int) -> ChainedEntry:
    own = {
        "scan_id": ScanId(UUID(bytes=UUID(kiosk.device_id).bytes[8:] * 2)),
        "device_id": DeviceId(UUID(kiosk.device_id)),
        "gate_id": GateId(UUID(kiosk.enrolment["gate_id"])),
        "ticket_id": ticket_id_from_hex(ticket["ticket_id"]),
        "direction": direction,
        "gate_time_ms": _BEGINNING_MS + at_ms,
    }
    (entry,) = a_chain(1, None, **own)
    return entry


async def _pass(door: Door, tickets: Sequence[dict[str, Any]], passings: Sequence[Passing]) -> None:
    """Let every passing happen at a kiosk of its own and arrive in the order given."""
    for number, direction, at_ms in passings:
        kiosk = await door.kiosk()
        entry = _entry(kiosk, tickets[number], direction, at_ms)
        answer = await kiosk.post(paths.SCANS, kiosk.batch([entry]))
        assert answer.status_code == 200, answer.text


async def _open(door: Door) -> list[str]:
    conflicts = (await door.get("/conflicts")).json()["items"]
    return sorted(item["kind"] for item in conflicts if item["state"] == "open")


_FULL: list[Passing] = [(0, "entry", 0), (1, "entry", 10_000), (0, "exit", 20_000)]


@pytest.mark.parametrize("order", list(permutations(range(3))))
async def test_a_passed_capacity_is_found_in_any_order_of_arrival(
    app_client: httpx.AsyncClient, tenant: Tenant, event_id: EventId, order: tuple[int, ...]
) -> None:
    door = await _door(app_client, tenant, event_id, {"capacity": 1})
    await _pass(door, await door.issue(2), [_FULL[place] for place in order])
    assert await _open(door) == ["capacity_passed"]


async def test_a_late_exit_explains_a_passed_capacity(
    app_client: httpx.AsyncClient, tenant: Tenant, event_id: EventId
) -> None:
    door = await _door(app_client, tenant, event_id, {"capacity": 1})
    tickets = await door.issue(2)
    await _pass(door, tickets, [(0, "entry", 0), (1, "entry", 10_000)])
    before = await _open(door)
    await _pass(door, tickets, [(0, "exit", 5_000)])
    assert (before, await _open(door)) == (["capacity_passed"], [])


async def test_a_gate_hears_that_its_scan_passed_the_capacity(
    app_client: httpx.AsyncClient, tenant: Tenant, event_id: EventId
) -> None:
    door = await _door(app_client, tenant, event_id, {"capacity": 0})
    kiosk = await door.kiosk()
    (ticket,) = await door.issue()
    entry = _entry(kiosk, ticket, "entry", 0)
    answer = (await kiosk.post(paths.SCANS, kiosk.batch([entry]))).json()
    assert answer["findings"] == [
        {"kind": "capacity_passed", "scan_ids": [str(entry.entry.scan_id)]}
    ]


async def test_the_sweep_of_an_event_says_what_the_fold_says(
    app_client: httpx.AsyncClient, tenant: Tenant, event_id: EventId
) -> None:
    door = await _door(app_client, tenant, event_id, {"capacity": 2})
    tickets, kiosks = await door.issue(5), [await door.kiosk() for _ in range(3)]
    dice = _dice()
    scans: list[RecordedScan] = []
    for kiosk in kiosks:
        chain = a_chain(12, None, device_id=DeviceId(UUID(kiosk.device_id)))
        linked = _wander(kiosk, chain, tickets, dice)
        await kiosk.post(paths.SCANS, kiosk.batch(linked))
        scans += [_recorded(item) for item in linked]
    folding = fold(scans, FoldContext(capacity=2))
    (expected,) = [it for it in folding.conflicts if it.kind is ConflictKind.CAPACITY_PASSED]
    listed = (await door.get("/conflicts")).json()["items"]
    (found,) = [item for item in listed if item["kind"] == "capacity_passed"]
    assert found["subject"] == expected.subject
    assert found["scan_ids"] == [str(scan_id) for scan_id in expected.scan_ids]
    assert len(expected.scan_ids) > 2


def _dice() -> Iterator[bytes]:
    """Throw the same bytes each time the test runs."""
    for number in count():
        yield sha256(number.to_bytes(4, "big")).digest()


def _wander(
    kiosk: Kiosk,
    chain: Sequence[ChainedEntry],
    tickets: Sequence[dict[str, Any]],
    dice: Iterator[bytes],
) -> list[ChainedEntry]:
    """Send visitors through a gate at random; times of equal seconds are wanted."""
    linked: list[ChainedEntry] = []
    prev_hash = chain[0].entry.prev_hash
    for item in chain:
        thrown = next(dice)
        own = {
            "seq": item.entry.seq,
            "prev_hash": prev_hash,
            "scan_id": ScanId(UUID(bytes=thrown[:16])),
            "uncertainty_ms": 2_000 * (thrown[16] % 2),
        }
        ticket = tickets[thrown[17] % len(tickets)]
        direction = ("entry", "entry", "exit")[thrown[18] % 3]
        made = _entry(kiosk, ticket, direction, 1_000 * (thrown[19] % 20))
        entry = chained(changed(made.entry, own))
        prev_hash = entry.entry_hash
        linked.append(entry)
    return linked


def _recorded(item: ChainedEntry) -> RecordedScan:
    entry, spread_ms = item.entry, item.entry.uncertainty_ms or 0
    return RecordedScan(
        entry.scan_id,
        entry.device_id,
        entry.seq,
        item.entry_hash,
        entry.gate_id,
        Direction(entry.direction),
        entry.gate_time_ms - spread_ms,
        entry.gate_time_ms + spread_ms,
        entry.ticket_id,
        admitted=True,
    )


@pytest.mark.parametrize(
    ("general", "passings", "kinds"),
    [
        pytest.param({}, [(0, "entry", 0), (0, "entry", 60_000)], ["same_ticket_twice"], id="once"),
        pytest.param(
            {"inside_until_exit": False},
            [(0, "entry", 0), (0, "entry", 60_000)],
            [],
            id="back, where exits are not scanned",
        ),
        pytest.param(
            {"inside_until_exit": False},
            [(0, "entry", 0), (0, "entry", 0)],
            ["same_ticket_twice"],
            id="at once, where exits are not scanned",
        ),
        pytest.param(
            {"capacity": 2}, [(0, "entry", 0), (1, "entry", 1_000)], [], id="as many as fit"
        ),
        pytest.param({}, [(0, "entry", 0), (1, "entry", 1_000)], [], id="no capacity set"),
    ],
)
async def test_the_general_rules_decide_what_is_a_conflict(
    app_client: httpx.AsyncClient,
    tenant: Tenant,
    event_id: EventId,
    general: dict[str, Any],
    passings: list[Passing],
    kinds: list[str],
) -> None:
    door = await _door(app_client, tenant, event_id, general)
    await _pass(door, await door.issue(2), passings)
    assert await _open(door) == kinds


@pytest.mark.parametrize(("travel_seconds", "kinds"), [(0, []), (60, ["impossible_travel"])])
async def test_two_gates_take_their_time(
    app_client: httpx.AsyncClient,
    tenant: Tenant,
    event_id: EventId,
    travel_seconds: int,
    kinds: list[str],
) -> None:
    gates = f"{tenant.path}/events/{event_id}/gates"
    await app_client.post(gates, json={"name": "North"}, headers=tenant.headers)
    listed = (await app_client.get(gates, headers=tenant.headers)).json()["items"]
    main, north = [
        await make_door(
            app_client,
            tenant,
            event_id,
            gate_ids=[gate["id"]],
            travel_seconds=travel_seconds,
        )
        for gate in listed
    ]
    tickets = await main.issue()
    await _pass(main, tickets, [(0, "entry", 0)])
    kiosk = Kiosk(app_client)
    code = await north.post("/enrolment-codes", {"gate_id": listed[1]["id"]})
    await kiosk.enrol(code.json()["text"])
    await kiosk.start()
    entry = _entry(kiosk, tickets[0], "exit", 30_000)
    await kiosk.post(paths.SCANS, kiosk.batch([entry]))
    assert await _open(main) == kinds
