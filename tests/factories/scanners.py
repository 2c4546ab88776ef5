"""Kiosks as the server meets them: keys, proofs with the server's nonce, tokens and signed
batches.
"""

from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from secrets import token_bytes
from typing import Any
from uuid import UUID

import httpx
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from shared.clock import system_clock
from shared.ids import EventId
from shared.journal.chain import ChainedEntry
from shared.wire import paths
from shared.wire.enrolment_code import EnrolmentCode
from shared.wire.proofs import PROOF_ID_BYTES, ProofStamp, ProvenCall, build_proof
from shared.wire.signing import batch_message
from tests.factories.tenants import Tenant


def _point(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)


@dataclass
class Kiosk:
    """A device's keys and what the server gave it."""

    client: httpx.AsyncClient
    device_id: str = ""
    session_id: str = ""
    token: str | None = None
    nonce: str | None = None
    signing: ec.EllipticCurvePrivateKey = field(
        default_factory=lambda: ec.generate_private_key(ec.SECP256R1())
    )
    sealing: ec.EllipticCurvePrivateKey = field(
        default_factory=lambda: ec.generate_private_key(ec.SECP256R1())
    )
    enrolment: dict[str, Any] = field(default_factory=dict)

    @property
    def signing_point(self) -> bytes:
        return _point(self.signing)

    @property
    def sealing_point(self) -> bytes:
        return _point(self.sealing)

    def sign(self, message: bytes) -> bytes:
        r, s = decode_dss_signature(self.signing.sign(message, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")

    def proof(self, method: str, path: str, token: str | None = None) -> str:
        call = ProvenCall(method, str(self.client.base_url).rstrip("/") + path, token)
        stamp = ProofStamp(token_bytes(PROOF_ID_BYTES), system_clock().now_ms(), self.nonce)
        return build_proof(call, stamp, self.signing_point, self.sign)

    async def call(
        self,
        method: str,
        path: str,
        *,
        token: str | None = None,
        **options: Any,  # noqa: ANN401 - httpx's own
    ) -> httpx.Response:
        """Call with a proof, once more where the server wants its newest nonce in it."""
        answer = await self._once(method, path, token, options)
        if answer.status_code == 401 and answer.json()["code"] == "use_dpop_nonce":
            answer = await self._once(method, path, token, options)
        return answer

    async def _once(
        self, method: str, path: str, token: str | None, options: dict[str, Any]
    ) -> httpx.Response:
        headers = {"DPoP": self.proof(method, path, token), **options.get("headers", {})}
        headers |= {"Authorization": f"DPoP {token}"} if token else {}
        sent = {**options, "headers": headers}
        answer = await self.client.request(method, path, **sent)
        self.nonce = answer.headers.get(paths.NONCE_HEADER, self.nonce)
        return answer

    async def get(self, path: str, **options: Any) -> httpx.Response:  # noqa: ANN401 - the same
        return await self.call("GET", path, token=self.token, **options)

    async def post(self, path: str, json: object) -> httpx.Response:
        return await self.call("POST", path, token=self.token, json=json)

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[AsyncIterator[str]]:
        """The lines of an open stream of wake-ups; needs a nonce, as after any call."""
        headers = {
            "DPoP": self.proof("GET", paths.CHANGES_STREAM, self.token),
            "Authorization": f"DPoP {self.token}",
        }
        async with self.client.stream("GET", paths.CHANGES_STREAM, headers=headers) as stream:
            assert stream.status_code == httpx.codes.OK
            assert stream.headers["content-type"].startswith(paths.EVENT_STREAM_MEDIA_TYPE)
            yield stream.aiter_lines()

    async def enrol(self, text: str) -> httpx.Response:
        code = EnrolmentCode.from_text(text)
        body = {
            "code": b64encode(code.secret).decode(),
            "signing_key": b64encode(self.signing_point).decode(),
            "sealing_key": b64encode(self.sealing_point).decode(),
            "name": "Gate kiosk",
        }
        answer = await self.call("POST", paths.ENROLMENTS, json=body)
        if answer.is_success:
            self.enrolment = answer.json()
            self.device_id = self.enrolment["device_id"]
        return answer

    async def start(self) -> httpx.Response:
        body = {"device_id": self.device_id, "nonce": b64encode(bytes(16)).decode()}
        answer = await self.call("POST", paths.SESSIONS, json=body)
        if answer.is_success:
            self.token = answer.json()["access_token"]
            self.session_id = answer.json()["session_id"]
        return answer

    async def renew(self) -> httpx.Response:
        body = {"device_id": self.device_id, "nonce": b64encode(bytes(16)).decode()}
        path = paths.SESSION_TOKENS.format(session_id=self.session_id)
        return await self.call("POST", path, json=body)

    def batch(self, entries: Sequence[ChainedEntry]) -> dict[str, Any]:
        """Sign entries as a batch, in the form it travels."""
        seqs = [item.entry.seq for item in entries]
        hashes_ = tuple(item.entry_hash for item in entries)
        bodies = [item.entry.canonical_bytes() for item in entries]
        return self.raw_batch(list(zip(seqs, bodies, hashes_, strict=True)))

    def raw_batch(self, entries: Sequence[tuple[int, bytes, bytes]]) -> dict[str, Any]:
        digests = tuple(entry_hash for _, _, entry_hash in entries)
        message = batch_message(UUID(self.device_id), entries[0][0], digests)
        return {
            "device_id": self.device_id,
            "entries": [
                {
                    "seq": seq,
                    "entry": b64encode(body).decode(),
                    "entry_hash": b64encode(entry_hash).decode(),
                }
                for seq, body, entry_hash in entries
            ],
            "signature": b64encode(self.sign(message)).decode(),
        }


@dataclass(frozen=True)
class Door:
    """A deployment of one gate, as its organizer holds it."""

    client: httpx.AsyncClient
    tenant: Tenant
    event_id: EventId
    deployment_id: str
    gate_id: str

    @property
    def event_path(self) -> str:
        return f"{self.tenant.path}/events/{self.event_id}"

    @property
    def path(self) -> str:
        return f"{self.event_path}/deployments/{self.deployment_id}"

    async def post(self, place: str, json: object = None) -> httpx.Response:
        headers = {**self.tenant.headers, **new_key()}
        return await self.client.post(f"{self.path}{place}", json=json, headers=headers)

    async def get(self, place: str) -> httpx.Response:
        return await self.client.get(f"{self.path}{place}", headers=self.tenant.headers)

    async def code(self) -> str:
        answer = await self.post("/enrolment-codes", {"gate_id": self.gate_id})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["text"])

    async def issue(self, count: int = 1) -> list[dict[str, Any]]:
        """Issue tickets of the event's first type."""
        headers = self.tenant.headers
        listed = await self.client.get(f"{self.event_path}/ticket-types", headers=headers)
        type_id = listed.json()["items"][0]["id"]
        body = {"tickets": [{"ticket_type_id": type_id, "holder_name": "Amina"}] * count}
        headers = {**headers, **new_key()}
        answer = await self.client.post(f"{self.event_path}/tickets", json=body, headers=headers)
        assert answer.status_code == 201, answer.text
        return list(answer.json()["tickets"])

    async def kiosk(self) -> Kiosk:
        """Enrol a kiosk and start its session."""
        kiosk = Kiosk(self.client)
        enrolled = await kiosk.enrol(await self.code())
        assert enrolled.status_code == 201, enrolled.text
        started = await kiosk.start()
        assert started.status_code == 201, started.text
        return kiosk


async def make_door(
    client: httpx.AsyncClient, tenant: Tenant, event_id: EventId, **settings: object
) -> Door:
    """Make a deployment of the event's first gate."""
    path = f"{tenant.path}/events/{event_id}"
    gates = await client.get(f"{path}/gates", headers=tenant.headers)
    gate_id = gates.json()["items"][0]["id"]
    body = {"name": "Main doors", "gate_ids": [gate_id], **settings}
    answer = await client.post(f"{path}/deployments", json=body, headers=tenant.headers)
    assert answer.status_code == 201, answer.text
    return Door(client, tenant, event_id, answer.json()["id"], gate_id)


def new_key() -> dict[str, str]:
    """Head a request that makes something new."""
    return {"Idempotency-Key": token_bytes(16).hex()}


def plain(value: str) -> bytes:
    return b64decode(value)
