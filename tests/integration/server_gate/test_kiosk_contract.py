"""The kiosk's own sync code and store against the real server: both read the contract alike."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from threading import Event

import httpx
import pytest

from scanner_app.gate.enrolment import Enrolment
from scanner_app.store.files import StoreFiles
from scanner_app.store.kiosk_store import KioskStore
from scanner_app.store.sync_side import SyncSide
from scanner_app.sync.client import ScannerClient
from scanner_app.sync.enrolment import (
    EnrolmentFlow,
    EnrolmentOffer,
    EnrolmentStage,
    EnrolmentStore,
)
from scanner_app.sync.errors import SessionRevoked
from scanner_app.sync.session import Burden, SessionKeeper
from shared.clock import system_clock
from shared.ids import EventId, ticket_id_from_hex
from shared.wire.enrolment_code import EnrolmentCode
from tests.factories.kiosk_store import STORE_KEY
from tests.factories.scanners import Door, make_door
from tests.factories.sync import GoodHealth, a_machine
from tests.factories.tenants import Tenant
from tests.integration.server_gate.conftest import Settle


@pytest.fixture
async def live_door(live_server: str, tenant: Tenant, event_id: EventId) -> AsyncIterator[Door]:
    async with httpx.AsyncClient(base_url=live_server) as client:
        yield await make_door(client, tenant, event_id)


async def _enrolled(door: Door, side: SyncSide) -> Enrolment:
    """Enrol as a person with a scanned code does."""
    code = EnrolmentCode.from_text(await door.code())
    here = replace(code, server_address=str(door.client.base_url).rstrip("/"))
    flow = EnrolmentFlow(
        EnrolmentOffer(here, "Kiosk"),
        side.keys,
        EnrolmentStore(side.enrolment, side.times, side.shelf),
        a_machine(clock=system_clock()),
        lambda _: None,
    )
    progress = await asyncio.to_thread(flow.run, Event())
    assert progress.stage is EnrolmentStage.FINISHED, progress
    assert progress.enrolment is not None
    return progress.enrolment


@pytest.fixture
def side(tmp_path: Path) -> SyncSide:
    KioskStore.open(tmp_path / "kiosk", STORE_KEY).close()
    return SyncSide(StoreFiles(tmp_path / "kiosk", STORE_KEY))


async def test_a_kiosk_enrols_downloads_and_hears_of_changes(
    live_door: Door, side: SyncSide, settle: Settle
) -> None:
    (known,) = await live_door.issue()
    enrolment = await _enrolled(live_door, side)
    manifest = side.shelf.current()
    assert manifest is not None
    assert manifest.ticket_count == 1
    machine = a_machine(clock=system_clock())
    client = ScannerClient(enrolment.server_address, side.keys, machine, enrolment)
    keeper = SessionKeeper(client, enrolment, side.times, machine)
    await asyncio.to_thread(keeper.begin)
    (new,) = await live_door.issue()
    await settle()
    page = await asyncio.to_thread(client.changes, side.changes.cursor())
    side.changes.apply(page)
    beat = await asyncio.to_thread(keeper.beat, GoodHealth().health(), Burden(0, 0, 1))
    heard = {change.ticket_id for change in page.changes if change.kind == "ticket"}
    assert ticket_id_from_hex(new["ticket_id"]) in heard
    assert (beat.snapshot_version, beat.active_devices) == (1, 1)
    assert known["ticket_id"] != new["ticket_id"]
    client.close()
    side.close()


@pytest.mark.parametrize("subject", ["devices", "sessions"])
async def test_a_kiosk_that_was_off_believes_the_order_and_comes_back_by_enrolling(
    live_door: Door, side: SyncSide, subject: str
) -> None:
    enrolment = await _enrolled(live_door, side)
    subject_id = {
        "devices": enrolment.device_id,
        "sessions": (await live_door.get("/sessions")).json()["items"][0]["id"],
    }[subject]
    await live_door.post(f"/{subject}/{subject_id}/revoke")
    machine = a_machine(clock=system_clock())
    client = ScannerClient(enrolment.server_address, side.keys, machine, enrolment)
    keeper = SessionKeeper(client, enrolment, side.times, machine)
    with pytest.raises(SessionRevoked) as raised:
        await asyncio.to_thread(keeper.begin)
    again = await _enrolled(live_door, side)
    assert raised.value.order.reason == "revoked"
    assert again.device_id == enrolment.device_id
    client.close()
    side.close()


async def test_a_revoked_kiosk_believes_the_order(live_door: Door, side: SyncSide) -> None:
    enrolment = await _enrolled(live_door, side)
    machine = a_machine(clock=system_clock())
    client = ScannerClient(enrolment.server_address, side.keys, machine, enrolment)
    keeper = SessionKeeper(client, enrolment, side.times, machine)
    await asyncio.to_thread(keeper.begin)
    await live_door.post(f"/devices/{enrolment.device_id}/revoke")
    with pytest.raises(SessionRevoked) as raised:
        await asyncio.to_thread(client.manifest)
    assert raised.value.order.reason == "revoked"
    client.close()
    side.close()
