from uuid import UUID

import httpx
import pytest

from shared.clock import SettableClock
from shared.credentials.keys import verifies_ed25519
from shared.ids import EventId
from shared.wire import paths
from shared.wire.enrolment_code import EnrolmentCode
from shared.wire.scanners import RevocationOrder, SignedTime
from shared.wire.signing import confirmation_digits, revocation_message, time_message
from sync_server.deployments.stale_sessions import end_stale_sessions
from sync_server.kit.server_keys import open_server_keys
from sync_server.kit.services import Services
from tests.factories.scanners import Door, Kiosk, make_door, plain
from tests.factories.tenants import Tenant, make_event


def _outcome(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


async def test_a_kiosk_enrols_and_both_sides_show_the_same_digits(door: Door) -> None:
    kiosk = Kiosk(door.client)
    text = await door.code()
    answer = (await kiosk.enrol(text)).json()
    listed = (await door.get("/devices")).json()["items"]
    code = EnrolmentCode.from_text(text)
    points = (kiosk.signing_point, kiosk.sealing.public_key())
    assert points[0] == kiosk.signing_point
    assert answer["state"] == "enrolled"
    assert answer["gate_name"] == "Main"
    assert [device["digits"] for device in listed] == [answer["digits"]]
    assert len(code.secret) == 16


async def test_the_digits_come_from_the_keys_of_both(door: Door, services: Services) -> None:
    kiosk = Kiosk(door.client)
    text = await door.code()
    answer = (await kiosk.enrol(text)).json()
    keys = open_server_keys(services)
    code = EnrolmentCode.from_text(text)
    points = (kiosk.signing_point, kiosk.sealing_point)
    assert plain(answer["server_key"]) == keys.public_key
    assert code.fingerprint == keys.fingerprint
    assert answer["digits"] == confirmation_digits(keys.public_key, points, code.secret)


async def test_a_code_serves_one_kiosk_which_may_repeat_its_call(door: Door) -> None:
    text = await door.code()
    first, second = Kiosk(door.client), Kiosk(door.client)
    enrolled = await first.enrol(text)
    repeated = await first.enrol(text)
    refused = await second.enrol(text)
    assert enrolled.json() == repeated.json()
    assert _outcome(refused) == (409, "enrolment_code_used")


async def test_a_code_is_over_after_a_quarter_of_an_hour(door: Door, clock: SettableClock) -> None:
    text = await door.code()
    clock.advance(15 * 60_000)
    assert _outcome(await Kiosk(door.client).enrol(text)) == (410, "enrolment_code_expired")


async def test_an_unknown_code_is_told_apart(door: Door) -> None:
    code = EnrolmentCode("http://127.0.0.1", bytes(16), bytes(32))
    answer = await Kiosk(door.client).enrol(code.to_text())
    assert _outcome(answer) == (404, "enrolment_code_unknown")


@pytest.mark.parametrize(
    ("decision", "state", "outcome"),
    [("confirm", "enrolled", None), ("refuse", "refused", "enrolment_refused")],
)
async def test_a_device_waits_for_the_organizer_where_the_deployment_says_so(
    app_client: httpx.AsyncClient,
    tenant: Tenant,
    event_id: EventId,
    decision: str,
    state: str,
    outcome: str | None,
) -> None:
    door = await make_door(app_client, tenant, event_id, confirm_devices=True)
    kiosk = Kiosk(app_client)
    enrolled = await kiosk.enrol(await door.code())
    early = await kiosk.start()
    await door.post(f"/devices/{kiosk.device_id}/{decision}")
    seen = await kiosk.call("GET", paths.ENROLMENT.format(device_id=kiosk.device_id))
    assert enrolled.json()["state"] == "awaiting_confirmation"
    assert _outcome(early) == (403, "enrolment_unconfirmed")
    assert seen.json()["state"] == state
    assert (await kiosk.start()).json().get("code") == outcome


async def test_a_session_comes_with_signed_time(door: Door, services: Services) -> None:
    kiosk = Kiosk(door.client)
    await kiosk.enrol(await door.code())
    time = SignedTime.model_validate((await kiosk.start()).json()["time"])
    message = time_message(time.device_id, time.nonce, time.time_ms, time.seq, None)
    assert verifies_ed25519(open_server_keys(services).public_key, time.signature, message)


async def test_a_newer_session_supersedes_the_older(door: Door) -> None:
    kiosk = await door.kiosk()
    old_token, old_session = kiosk.token, kiosk.session_id
    await kiosk.start()
    answer = await kiosk.call("GET", paths.CHANGES, token=old_token, params={"xid": 0, "id": 0})
    assert _outcome(answer) == (401, "session_superseded")
    assert kiosk.session_id != old_session


@pytest.mark.parametrize("subject", ["session", "device"])
async def test_a_revoked_kiosk_is_told_by_a_signed_order(
    door: Door, services: Services, subject: str
) -> None:
    kiosk = await door.kiosk()
    subject_id = kiosk.session_id if subject == "session" else kiosk.device_id
    await door.post(f"/{subject}s/{subject_id}/revoke")
    answers = [await kiosk.get(paths.MANIFEST), await kiosk.renew()]
    assert [_outcome(answer) for answer in answers] == [(401, "session_revoked")] * 2
    revocation = answers[0].json()["revocation"]
    order, signature = plain(revocation["order"]), plain(revocation["signature"])
    key = open_server_keys(services).public_key
    assert verifies_ed25519(key, signature, revocation_message(order))
    assert RevocationOrder.model_validate_json(order).session_id == UUID(kiosk.session_id)
    assert answers[1].json()["revocation"] == revocation


async def test_a_revoked_device_starts_no_new_session(door: Door) -> None:
    kiosk = await door.kiosk()
    await door.post(f"/devices/{kiosk.device_id}/revoke")
    assert _outcome(await kiosk.start()) == (403, "device_revoked")


async def test_a_silent_session_is_ended_and_a_heard_one_is_not(
    app_client: httpx.AsyncClient, door: Door, services: Services, clock: SettableClock
) -> None:
    strict = await make_door(app_client, door.tenant, door.event_id, stale_after_seconds=60)
    silent, patient = await strict.kiosk(), await door.kiosk()
    clock.advance(61_000)
    await end_stale_sessions(services)
    answer = await silent.renew()
    order = RevocationOrder.model_validate_json(plain(answer.json()["revocation"]["order"]))
    assert order.reason == "stale"
    assert (await patient.renew()).status_code == 201


async def test_an_old_token_is_renewed_and_not_accepted(door: Door, clock: SettableClock) -> None:
    kiosk = await door.kiosk()
    clock.advance(600_001)
    late = await kiosk.get(paths.MANIFEST)
    renewed = await kiosk.renew()
    assert _outcome(late) == (401, "token_expired")
    assert renewed.status_code == 201


async def test_a_proof_works_once(door: Door) -> None:
    kiosk = await door.kiosk()
    headers = {
        "DPoP": kiosk.proof("GET", paths.CHANGES, kiosk.token),
        "Authorization": f"DPoP {kiosk.token}",
    }
    parameters = {"xid": 0, "id": 0}
    first = await door.client.get(paths.CHANGES, params=parameters, headers=headers)
    second = await door.client.get(paths.CHANGES, params=parameters, headers=headers)
    assert first.status_code == 200
    assert _outcome(second) == (401, "proof_replayed")


async def test_a_proof_works_once_among_all_processes(door: Door, live_server: str) -> None:
    kiosk = await door.kiosk()
    headers = {
        "DPoP": kiosk.proof("GET", paths.CHANGES, kiosk.token),
        "Authorization": f"DPoP {kiosk.token}",
    }
    parameters = {"xid": 0, "id": 0}
    first = await door.client.get(paths.CHANGES, params=parameters, headers=headers)
    async with httpx.AsyncClient(base_url=live_server) as other_process:
        second = await other_process.get(paths.CHANGES, params=parameters, headers=headers)
    assert first.status_code == 200
    assert _outcome(second) == (401, "proof_replayed")


async def test_a_copied_token_is_worth_nothing_without_its_key(door: Door) -> None:
    kiosk, thief = await door.kiosk(), await door.kiosk()
    answer = await thief.call("GET", paths.MANIFEST, token=kiosk.token)
    assert _outcome(answer) == (401, "token_invalid")


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, "token_invalid"),
        ({"Authorization": "Bearer abc"}, "token_invalid"),
        ({"Authorization": "DPoP abc"}, "proof_invalid"),
        ({"Authorization": "DPoP abc", "DPoP": "x.y.z"}, "proof_invalid"),
    ],
)
async def test_a_call_that_proves_nothing_is_refused_with_a_nonce(
    app_client: httpx.AsyncClient, headers: dict[str, str], code: str
) -> None:
    answer = await app_client.get(paths.MANIFEST, headers=headers)
    assert _outcome(answer) == (401, code)
    assert answer.headers[paths.NONCE_HEADER]
    assert answer.headers["WWW-Authenticate"].startswith("DPoP")


async def test_a_stranger_learns_nothing_of_a_device(door: Door) -> None:
    kiosk, stranger = await door.kiosk(), Kiosk(door.client)
    answer = await stranger.call("GET", paths.ENROLMENT.format(device_id=kiosk.device_id))
    stranger.device_id, stranger.session_id = kiosk.device_id, kiosk.session_id
    assert _outcome(answer) == (404, "device_not_found")
    assert _outcome(await stranger.renew()) == (404, "device_not_found")
    assert _outcome(await stranger.start()) == (404, "device_not_found")


async def test_a_gate_of_another_event_is_refused(
    app_client: httpx.AsyncClient, services: Services, tenant: Tenant, door: Door
) -> None:
    other_event = await make_event(services, tenant, "Night Two")
    body = {"name": "Doors", "gate_ids": [door.gate_id]}
    path = f"{tenant.path}/events/{other_event}/deployments"
    answer = await app_client.post(path, json=body, headers=tenant.headers)
    assert _outcome(answer) == (422, "gate_unknown")


@pytest.mark.parametrize(
    "rules",
    [
        [{"set": {"capacity": 5, "capacity_reserve": 9}}],
        [{"scope": {"tiers": [99]}, "set": {"entry_open": False}}],
        [{"set": {"windows": [{"from_ms": 5, "until_ms": 5}]}}],
    ],
)
async def test_contradictory_rules_are_refused_when_they_are_saved(
    door: Door, rules: list[object]
) -> None:
    answer = await door.client.put(
        f"{door.path}/rules", json={"rules": rules}, headers=door.tenant.headers
    )
    assert _outcome(answer) == (422, "rules_invalid")
