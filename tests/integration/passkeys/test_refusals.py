"""Whatever is wrong with a passkey that is shown, the answer is one; the log knows which it was."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection
from structlog.testing import capture_logs

from shared.clock import SettableClock
from sync_server.passkeys.errors import Reason
from tests.factories.authenticators import (
    HONEST,
    SYNCED,
    Algorithm,
    Flags,
    Json,
    Manner,
    Passkey,
    decode,
    encode,
    flipped,
    new_passkey,
)
from tests.integration.passkeys.holders import SITE, Holder

MINUTE_MS = 60_000
ANYWHERE = {
    "another site": (Manner(origin="https://gate.example.com"), Reason.ORIGIN),
    "a part of the site": (Manner(origin="https://shop.gate.example.org"), Reason.ORIGIN),
    "another port": (Manner(origin=f"{SITE}:8443"), Reason.ORIGIN),
    "no encryption": (Manner(origin="http://gate.example.org"), Reason.ORIGIN),
    "another relying party": (Manner(party="example.org"), Reason.RELYING_PARTY),
    "another challenge": (Manner(challenge=bytes(32)), Reason.CHALLENGE),
    "no challenge": (Manner(challenge=b""), Reason.CHALLENGE),
    "nobody verified": (Manner(flags=Flags.USER_PRESENT), Reason.USER_UNVERIFIED),
    "nobody present": (Manner(flags=Flags.USER_VERIFIED), Reason.USER_ABSENT),
    "a frame of another site": (Manner(framed={"crossOrigin": True}), Reason.CROSS_ORIGIN),
    "a page around it": (
        Manner(framed={"crossOrigin": False, "topOrigin": "https://evil.example"}),
        Reason.CROSS_ORIGIN,
    ),
    "synced though it cannot be": (
        Manner(flags=HONEST.flags | Flags.IS_SYNCED),
        Reason.BACKUP,
    ),
}
Change = Callable[[Json], Json]


def _refused(answer: httpx.Response, logs: list[Any], reason: Reason) -> None:
    """The answer is the one there is, and the log says why."""
    body = answer.json()
    body.pop("instance")
    assert answer.headers["www-authenticate"] == "Bearer"
    assert (answer.status_code, body) == (
        401,
        {
            "type": "urn:zeraket:problem:passkey_refused",
            "title": "This passkey was not accepted; begin again, or sign in another way",
            "status": 401,
            "code": "passkey_refused",
        },
    )
    assert [log["reason"] for log in logs if log["event"] == "passkey.refused"] == [reason]


@pytest.mark.parametrize(
    ("manner", "reason"),
    [
        *ANYWHERE.values(),
        (Manner(ceremony="webauthn.create"), Reason.CEREMONY),
        (Manner(flags=SYNCED), Reason.BACKUP),
    ],
    ids=[*ANYWHERE, "a registration's", "synced though it could not be"],
)
async def test_signing_in_in_a_wrong_manner(holder: Holder, manner: Manner, reason: Reason) -> None:
    await holder.registered()
    with capture_logs() as logs:
        answer = await holder.sign_in(manner)
    _refused(answer, logs, reason)


@pytest.mark.parametrize(
    ("manner", "reason"),
    [
        *ANYWHERE.values(),
        (Manner(ceremony="webauthn.get"), Reason.CEREMONY),
        (Manner(attestation="fido-u2f"), Reason.ATTESTATION),
        (Manner(attestation="tpm"), Reason.ATTESTATION),
        (Manner(attestation="packed by a maker"), Reason.ATTESTATION),
    ],
    ids=[*ANYWHERE, "an assertion's", "U2F", "TPM", "a maker's"],
)
async def test_registering_in_a_wrong_manner(
    holder: Holder, manner: Manner, reason: Reason
) -> None:
    with capture_logs() as logs:
        answer = await holder.register(manner=manner)
    _refused(answer, logs, reason)
    assert (await holder.get("/v1/me/passkeys"))["items"] == []


def _with(**members: Any) -> Change:  # noqa: ANN401 - whatever JSON can say
    return lambda credential: {**credential, "response": {**credential["response"], **members}}


def _flip(member: str) -> Change:
    return lambda credential: _with(**{member: flipped(credential["response"][member])})(credential)


def _known_by(credential_id: bytes) -> Change:
    written = encode(credential_id)
    return lambda credential: {**credential, "id": written, "rawId": written}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (_flip("signature"), Reason.SIGNATURE),
        (_flip("authenticatorData"), Reason.SIGNATURE),
        (_flip("clientDataJSON"), Reason.MALFORMED),
        (_with(signature="AA"), Reason.SIGNATURE),
        (_with(authenticatorData="AAAA"), Reason.MALFORMED),
        (_with(authenticatorData="A"), Reason.MALFORMED),
        (_with(clientDataJSON=encode(b"[" * 9_000)), Reason.MALFORMED),
        (_with(userHandle=None), Reason.OWNER),
        (_with(userHandle=encode(bytes(16))), Reason.OWNER),
        (_known_by(bytes(32)), Reason.UNKNOWN),
        (lambda credential: {**credential, "id": "AA"}, Reason.SIGNATURE),
    ],
)
async def test_a_passkey_that_was_tampered_with(
    holder: Holder, change: Change, reason: Reason
) -> None:
    await holder.registered()
    shown = await holder.show()
    with capture_logs() as logs:
        answer = await holder.bring({**shown, "credential": change(shown["credential"])})
    _refused(answer, logs, reason)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (_with(attestationObject="oA"), Reason.MALFORMED),
        (_with(attestationObject=encode(b"\x9f" * 9_000)), Reason.MALFORMED),
        (_with(clientDataJSON=encode(b"null")), Reason.MALFORMED),
        (_known_by(bytes(32)), Reason.MALFORMED),
        (lambda credential: {**credential, "id": "AA"}, Reason.SIGNATURE),
    ],
)
async def test_a_registration_that_was_tampered_with(
    holder: Holder, change: Change, reason: Reason
) -> None:
    begun = (await holder.begin()).json()
    credential = change(holder.authenticator.create(begun["options"]))
    with capture_logs() as logs:
        answer = await holder.give(begun["registration_id"], credential, "Phone")
    _refused(answer, logs, reason)


def _p384(handle: bytes) -> Passkey:
    key = ec.generate_private_key(ec.SECP384R1())
    return Passkey(bytes(32), Algorithm.ES256, key, handle)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda handle: new_passkey(handle, Algorithm.ES512), Reason.ALGORITHM),
        (_p384, Reason.ALGORITHM),
        (lambda handle: _saying(handle, {-2: bytes(32)}), Reason.MALFORMED),
        (lambda handle: _saying(handle, {-70_001: bytes(2_048)}), Reason.MALFORMED),
    ],
    ids=["ES512", "another curve", "no point of the curve", "a long key"],
)
async def test_a_key_that_nobody_asked_for(
    holder: Holder, make: Callable[[bytes], Passkey], reason: Reason
) -> None:
    begun = (await holder.begin()).json()
    options = begun["options"]
    passkey = make(decode(options["user"]["id"]))
    credential = holder.authenticator.attest(passkey, options)
    with capture_logs() as logs:
        answer = await holder.give(begun["registration_id"], credential, "Phone")
    _refused(answer, logs, reason)


def _saying(handle: bytes, said: dict[int, bytes]) -> Passkey:
    return replace(new_passkey(handle), said_of_key=said)


async def test_a_self_attestation_that_another_key_signed(holder: Holder) -> None:
    begun = (await holder.begin()).json()
    manner = Manner(attestation="packed")
    first, second = [holder.authenticator.create(begun["options"], manner) for _ in range(2)]
    attestation = decode(first["response"]["attestationObject"])
    other = decode(second["response"]["attestationObject"])
    # The statement stands in front of the data that it signs.
    split = attestation.index(b"authData")
    mixed = other[: other.index(b"authData")] + attestation[split:]
    credential = _with(attestationObject=encode(mixed))(first)
    with capture_logs() as logs:
        answer = await holder.give(begun["registration_id"], credential, "Phone")
    _refused(answer, logs, Reason.SIGNATURE)


async def test_a_passkey_that_is_registered_already(holder: Holder, stranger: Holder) -> None:
    await holder.registered()
    stolen = holder.authenticator.passkeys[0]
    begun = (await stranger.begin()).json()
    credential = stranger.authenticator.attest(stolen, begun["options"])
    with capture_logs() as logs:
        answer = await stranger.give(begun["registration_id"], credential, "Phone")
    _refused(answer, logs, Reason.REGISTERED_BEFORE)
    assert (await holder.sign_in()).json()["user_id"] == holder.user_id


async def test_a_registration_that_somebody_else_began(holder: Holder, stranger: Holder) -> None:
    begun = (await holder.begin()).json()
    credential = stranger.authenticator.create(begun["options"])
    with capture_logs() as logs:
        answer = await stranger.give(begun["registration_id"], credential, "Phone")
    _refused(answer, logs, Reason.CHALLENGE)
    rightful = holder.authenticator.create(begun["options"])
    assert (await holder.give(begun["registration_id"], rightful, "Phone")).status_code == 201


async def test_a_challenge_that_was_used(holder: Holder) -> None:
    await holder.registered()
    shown = await holder.show()
    assert (await holder.bring(shown)).status_code == 201
    with capture_logs() as logs:
        answer = await holder.bring(shown)
    _refused(answer, logs, Reason.CHALLENGE)


async def test_a_challenge_that_was_used_in_vain(holder: Holder) -> None:
    await holder.registered()
    shown = await holder.show()
    spoilt = {**shown, "credential": _flip("signature")(shown["credential"])}
    assert (await holder.bring(spoilt)).status_code == 401
    with capture_logs() as logs:
        answer = await holder.bring(shown)
    _refused(answer, logs, Reason.CHALLENGE)


@pytest.mark.parametrize(("milliseconds", "status"), [(-1, 201), (0, 401)])
async def test_a_challenge_is_good_for_five_minutes(
    holder: Holder, clock: SettableClock, milliseconds: int, status: int
) -> None:
    await holder.registered()
    shown = await holder.show()
    clock.advance(5 * MINUTE_MS + milliseconds)
    assert (await holder.bring(shown)).status_code == status


async def test_a_challenge_to_register_signs_nobody_in(holder: Holder) -> None:
    await holder.registered()
    begun = (await holder.begin()).json()
    options = {"challenge": begun["options"]["challenge"], "rpId": "gate.example.org"}
    credential = holder.authenticator.get(options)
    shown = {"challenge_id": begun["registration_id"], "credential": credential}
    with capture_logs() as logs:
        answer = await holder.bring(shown)
    _refused(answer, logs, Reason.CHALLENGE)


async def test_a_person_who_was_disabled(holder: Holder, administrator: AsyncConnection) -> None:
    await holder.registered()
    disable = text("UPDATE users SET disabled_at = now() WHERE id = :id")
    await administrator.execute(disable, {"id": holder.user_id})
    with capture_logs() as logs:
        answer = await holder.sign_in()
    _refused(answer, logs, Reason.DISABLED)


_COUNTED = Manner(sign_count=7)


@pytest.mark.parametrize("sign_count", [7, 6, 1])
async def test_a_counter_that_went_back_is_refused_and_recorded(
    holder: Holder, administrator: AsyncConnection, sign_count: int
) -> None:
    made = await holder.registered(manner=Manner(sign_count=3))
    assert (await holder.sign_in(_COUNTED)).status_code == 201
    with capture_logs() as logs:
        answer = await holder.sign_in(Manner(sign_count=sign_count))
    _refused(answer, logs, Reason.COUNTER)
    query = text(
        "SELECT actor_kind, before, after FROM admin_action_log"
        " WHERE kind = 'passkey.counter_went_back' AND object_id = :id"
    )
    (row,) = (await administrator.execute(query, {"id": made["id"]})).mappings()
    assert (row["actor_kind"], row["before"]) == ("worker", {"sign_count": 7})
    assert row["after"] == {"sign_count": sign_count, "user_id": holder.user_id}


async def test_a_proof_with_a_counter_that_went_back(holder: Holder) -> None:
    await holder.registered(manner=_COUNTED)
    with capture_logs() as logs:
        answer = await holder.prove(_COUNTED)
    _refused(answer, logs, Reason.COUNTER)
    assert (await holder.get("/v1/me/security"))["proved_at"] is None


async def test_a_counter_that_fell_silent_is_let_in_and_not_forgotten(holder: Holder) -> None:
    await holder.registered(manner=_COUNTED)
    answers = [await holder.sign_in(Manner(sign_count=told)) for told in (0, 7, 8)]
    assert [answer.status_code for answer in answers] == [201, 401, 201]


async def test_a_forged_counter_leaves_no_trace(
    holder: Holder, administrator: AsyncConnection
) -> None:
    made = await holder.registered(manner=_COUNTED)
    shown = await holder.show(Manner(sign_count=1))
    spoilt = {**shown, "credential": _flip("signature")(shown["credential"])}
    assert (await holder.bring(spoilt)).status_code == 401
    query = text(
        "SELECT count(*) FROM admin_action_log WHERE kind LIKE '%counter%' AND object_id = :id"
    )
    assert await administrator.scalar(query, {"id": made["id"]}) == 0


async def test_a_proof_by_somebody_elses_passkey(holder: Holder, stranger: Holder) -> None:
    await stranger.registered()
    shown = await stranger.show()
    url = "/v1/me/passkeys/proofs"
    with capture_logs() as logs:
        answer = await holder.browser.client.post(url, json=shown, headers=holder.headers)
    _refused(answer, logs, Reason.OWNER)
    assert (await holder.get("/v1/me/security"))["proved_at"] is None


@pytest.mark.parametrize(
    "broken",
    [
        {"type": "password"},
        {"rawId": "not base64!"},
        {"rawId": ""},
        {"rawId": "A" * 1_365},
        {"response": {}},
        {"response": None},
    ],
)
async def test_what_is_no_credential_at_all_is_an_invalid_request(
    holder: Holder, broken: Json
) -> None:
    await holder.registered()
    shown = await holder.show()
    answer = await holder.bring({**shown, "credential": {**shown["credential"], **broken}})
    assert (answer.status_code, answer.json()["code"]) == (422, "request_invalid")


async def test_a_refusal_logs_nothing_of_the_passkey(holder: Holder) -> None:
    await holder.registered()
    shown = await holder.show(Manner(origin="https://evil.example"))
    with capture_logs() as logs:
        await holder.bring(shown)
    (refused,) = [log for log in logs if log["event"] == "passkey.refused"]
    assert set(refused) == {"event", "log_level", "reason"}
