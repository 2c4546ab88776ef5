import asyncio
from base64 import b64encode
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlcipher3 import dbapi2

from shared.credentials.keys import verifies_ed25519
from shared.ids import EventId, ticket_id_from_hex, to_signed_64
from shared.wire import paths
from shared.wire.signing import file_key_info, manifest_message
from shared.wire.snapshots import Manifest, SignedManifest
from sync_server.kit.server_keys import open_server_keys
from sync_server.kit.services import Services
from sync_server.snapshots.file import SNAPSHOT_FOLDER, snapshot_path
from sync_server.snapshots.outdated_files import remove_outdated_files
from tests.factories.credentials import P256Holder
from tests.factories.scanners import Door, Kiosk, make_door
from tests.factories.tenants import Tenant, make_event
from tests.integration.server_gate.conftest import Settle

_SUITE = Suite(KEM.P256, KDF.HKDF_SHA256, AEAD.AES_256_GCM)


async def _manifest(kiosk: Kiosk) -> tuple[SignedManifest, Manifest]:
    answer = await kiosk.get(paths.MANIFEST)
    assert answer.status_code == 200, answer.text
    signed = SignedManifest.model_validate_json(answer.content)
    return signed, Manifest.model_validate_json(signed.manifest)


async def _opened(kiosk: Kiosk, folder: Path) -> tuple[Manifest, Any]:
    """Download and open the newest snapshot as a kiosk would."""
    signed, manifest = await _manifest(kiosk)
    file = await kiosk.get(paths.SNAPSHOT.format(sha256=manifest.sha256))
    info = file_key_info(manifest.deployment_id, UUID(kiosk.device_id), manifest.sha256)
    file_key = _SUITE.decrypt(signed.wrapped_key, kiosk.sealing, info=info)
    path = folder / "snapshot.db"
    path.write_bytes(file.content)
    connection = dbapi2.connect(f"{path.as_uri()}?mode=ro&immutable=1", uri=True)
    connection.execute(f"PRAGMA key = \"x'{file_key.hex()}'\"")
    return manifest, connection


async def test_a_kiosk_opens_what_the_server_built(door: Door, tmp_path: Path) -> None:
    issued = await door.issue(3)
    kiosk = await door.kiosk()
    manifest, snapshot = await _opened(kiosk, tmp_path)
    rows = snapshot.execute("SELECT id, generation, status FROM tickets").fetchall()
    gates = snapshot.execute("SELECT name FROM gates").fetchall()
    rules = snapshot.execute("SELECT value FROM meta WHERE key = 'rules'").fetchall()
    damage = snapshot.execute("PRAGMA cipher_integrity_check").fetchall()
    ids = sorted(to_signed_64(ticket_id_from_hex(ticket["ticket_id"])) for ticket in issued)
    assert rows == [(ticket_id, 1, "valid") for ticket_id in ids]
    assert (manifest.ticket_count, manifest.version) == (3, 1)
    assert gates == [("Main",)]
    assert rules
    assert damage == []


async def test_a_gate_leads_to_the_zones_it_names(door: Door, tmp_path: Path) -> None:
    headers = door.tenant.headers
    zone = await door.client.post(f"{door.event_path}/zones", json={"name": "VIP"}, headers=headers)
    body = {"name": "VIP gate", "zones": [zone.json()["bit"]]}
    made = await door.client.post(f"{door.event_path}/gates", json=body, headers=headers)
    _, snapshot = await _opened(await door.kiosk(), tmp_path)
    zones = dict(snapshot.execute("SELECT name, zones FROM gates").fetchall())
    assert made.json()["zones"] == [1]
    assert zones == {"Main": 0xFFFF, "VIP gate": 0b10}


async def test_a_manifest_is_signed_by_the_server(door: Door, services: Services) -> None:
    signed, manifest = await _manifest(await door.kiosk())
    key = open_server_keys(services).public_key
    assert verifies_ed25519(key, signed.signature, manifest_message(signed.manifest))
    assert str(manifest.deployment_id) == door.deployment_id


async def test_devices_share_a_file_and_not_its_wrapped_key(door: Door) -> None:
    first, second = await door.kiosk(), await door.kiosk()
    one, two = await _manifest(first), await _manifest(second)
    assert one[1].sha256 == two[1].sha256
    assert one[0].wrapped_key != two[0].wrapped_key
    info = file_key_info(one[1].deployment_id, UUID(first.device_id), one[1].sha256)
    with pytest.raises(InvalidTag):
        _SUITE.decrypt(two[0].wrapped_key, first.sealing, info=info)


async def test_a_download_continues_where_it_broke_off(door: Door) -> None:
    kiosk = await door.kiosk()
    _, manifest = await _manifest(kiosk)
    path = paths.SNAPSHOT.format(sha256=manifest.sha256)
    whole = await kiosk.get(path)
    rest = await kiosk.get(path, headers={"Range": "bytes=1000-"})
    assert len(whole.content) == manifest.size_bytes
    assert (rest.status_code, rest.content) == (206, whole.content[1000:])
    assert whole.headers["ETag"] == f'"{manifest.sha256}"'
    assert "immutable" in whole.headers["Cache-Control"]
    assert "private" in whole.headers["Cache-Control"]


async def test_a_token_of_one_deployment_opens_nothing_of_another(
    app_client: httpx.AsyncClient, tenant: Tenant, event_id: EventId, door: Door
) -> None:
    other = await make_door(app_client, tenant, event_id)
    kiosk, stranger = await door.kiosk(), await other.kiosk()
    _, manifest = await _manifest(kiosk)
    _, theirs = await _manifest(stranger)
    answer = await stranger.get(paths.SNAPSHOT.format(sha256=manifest.sha256))
    assert (answer.status_code, answer.json()["code"]) == (404, "snapshot_not_found")
    assert theirs.deployment_id != manifest.deployment_id


async def test_a_snapshot_is_built_anew_when_the_organizer_asks(door: Door, settle: Settle) -> None:
    kiosk = await door.kiosk()
    _, first = await _manifest(kiosk)
    await door.issue(2)
    await settle()
    built = await door.post("/snapshots")
    _, second = await _manifest(kiosk)
    assert built.status_code == 201, built.text
    assert (second.version, second.ticket_count) == (first.version + 1, 2)
    assert second.cursor > first.cursor


async def test_a_snapshot_is_built_anew_when_gates_change(door: Door) -> None:
    kiosk = await door.kiosk()
    _, first = await _manifest(kiosk)
    await door.client.post(
        f"{door.event_path}/gates", json={"name": "North"}, headers=door.tenant.headers
    )
    _, second = await _manifest(kiosk)
    assert second.version == first.version + 1


async def test_files_older_than_the_last_two_versions_are_removed(
    app_client: httpx.AsyncClient,
    tenant: Tenant,
    event_id: EventId,
    door: Door,
    services: Services,
) -> None:
    lonely = await make_door(app_client, tenant, event_id)
    built = [(await door.post("/snapshots")).json()["sha256"] for _ in range(4)]
    built.append((await lonely.post("/snapshots")).json()["sha256"])
    unknown = snapshot_path(services.data_directory / SNAPSHOT_FOLDER, "0" * 64)
    unknown.touch()
    await remove_outdated_files(services)
    again = await remove_outdated_files(services)
    there = [snapshot_path(unknown.parent, sha256).exists() for sha256 in built]
    assert there == [False, False, True, True, True]
    assert unknown.exists()
    assert again == 0
    assert (await _manifest(await door.kiosk()))[1].version == 4


async def test_a_download_outlives_the_removal_of_its_file(door: Door, services: Services) -> None:
    kiosk = await door.kiosk()
    _, manifest = await _manifest(kiosk)
    path = snapshot_path(services.data_directory / SNAPSHOT_FOLDER, manifest.sha256)
    with path.open("rb") as download:
        beginning = download.read(1_000)
        for _ in range(2):
            await door.post("/snapshots")
        await remove_outdated_files(services)
        rest = download.read()
    later = await kiosk.get(paths.SNAPSHOT.format(sha256=manifest.sha256))
    assert len(beginning + rest) == manifest.size_bytes
    assert (later.status_code, later.json()["code"]) == (404, "snapshot_not_found")


async def test_many_kiosks_at_once_cause_one_build(door: Door) -> None:
    kiosks = [await door.kiosk() for _ in range(4)]
    manifests = await asyncio.gather(*(_manifest(kiosk) for kiosk in kiosks))
    assert {manifest.version for _, manifest in manifests} == {1}


async def test_a_withdrawn_issuer_key_outdates_older_snapshots(
    door: Door, administrator: AsyncConnection
) -> None:
    kiosk = await door.kiosk()
    _, first = await _manifest(kiosk)
    await administrator.execute(
        text("UPDATE issuer_keys SET active = false WHERE event_id = :event_id"),
        {"event_id": door.event_id},
    )
    _, second = await _manifest(kiosk)
    assert (first.version_min, second.version_min) == (1, second.version)
    assert second.issuer_keys == ()


async def test_a_wallet_shows_the_short_code_once_gates_know_its_key(
    door: Door, settle: Settle
) -> None:
    (ticket,) = await door.issue()
    holder = P256Holder("frozen")
    body = {"holder_algorithm": "p256", "holder_key": b64encode(holder.key.encoded).decode()}
    headers = {"Authorization": f"Bearer {ticket['claim_token']}"}
    bound = await door.client.post("/v1/wallet/tickets/bind", json=body, headers=headers)
    await settle()
    await door.post("/snapshots")
    later = await door.client.get("/v1/wallet/ticket", headers=headers)
    assert (bound.json()["form"], later.json()["form"]) == ("E", "R")


async def test_a_deployment_of_another_event_is_not_found(
    app_client: httpx.AsyncClient, services: Services, tenant: Tenant, door: Door
) -> None:
    other_event = await make_event(services, tenant, "Night Two")
    path = f"{tenant.path}/events/{other_event}/deployments/{door.deployment_id}"
    answer = await app_client.post(f"{path}/snapshots", headers=tenant.headers)
    assert (answer.status_code, answer.json()["code"]) == (404, "deployment_not_found")
