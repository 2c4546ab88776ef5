"""The scanner contract as a kiosk calls it: one method a path, every failure one of errors.py.

It proves each call with the device's key and decides nothing about when to call.
"""

import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeVar

import httpx
from pydantic import ValidationError

from scanner_app.gate.enrolment import Enrolment
from scanner_app.sync.connections import OpenConnections
from scanner_app.sync.downloads import size_to_continue, write_body
from scanner_app.sync.errors import (
    ServerRefusal,
    ServerUnreachable,
    SessionMissing,
    SessionRevoked,
    Silence,
)
from scanner_app.sync.ports import DeviceKeys, Machine
from scanner_app.sync.trust import read_revocation
from shared.ids import DeviceId, ScannerSessionId
from shared.journal.entry import Cursor
from shared.wire import paths
from shared.wire.base import WireModel
from shared.wire.changes import CHANGES_PER_PAGE_MAX, ChangesPage
from shared.wire.problems import ProblemDocument
from shared.wire.proofs import (
    PROOF_ID_BYTES,
    ProofNonceError,
    ProofStamp,
    ProvenCall,
    build_proof,
)
from shared.wire.scanners import (
    EnrolmentAnswer,
    EnrolmentRequest,
    Heartbeat,
    HeartbeatAnswer,
    SessionAnswer,
    SessionRequest,
)
from shared.wire.scans import ScanBatch, ScanBatchAnswer
from shared.wire.snapshots import Manifest, SignedManifest

_CONNECT_SECONDS: Final = 3.0
_READ_SECONDS: Final = 10.0
_STREAM_READ_SECONDS: Final = 20.0
Answer = TypeVar("Answer", bound=WireModel)


@dataclass(frozen=True, slots=True)
class Access:
    """A session and the token that works under it."""

    session_id: ScannerSessionId
    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Call:
    method: str
    path: str
    body: WireModel | None = None
    query: Mapping[str, int] | None = None
    headers: Mapping[str, str] | None = None
    authorized: bool = True
    read_seconds: float = _READ_SECONDS


class ScannerClient:
    """One server as seen by one device; any thread may call it.

    `access` is what calls are made with, None until a session has begun. `on_heard` is called on
    every answer of the server, refusals included, but not on those of somebody in between.
    """

    def __init__(
        self,
        server_address: str,
        keys: DeviceKeys,
        machine: Machine,
        enrolment: Enrolment | None = None,
        on_heard: Callable[[], None] = lambda: None,
    ) -> None:
        self.access: Access | None = None
        self._address = server_address.rstrip("/")
        self._keys = keys
        self._machine = machine
        self._enrolment = enrolment
        self._on_heard = on_heard
        self._proof_nonce: str | None = None
        self._stopped = False
        self._connections = OpenConnections()
        # The system's certificates, and nothing from the environment: no variable reroutes a gate.
        self._http = httpx.Client(verify=ssl.create_default_context(), trust_env=False)

    def stop(self) -> None:
        """Make every call fail as ServerUnreachable at once, those under way too."""
        self._stopped = True
        self._connections.break_all()

    def close(self) -> None:
        """End all connections, once no thread makes calls any more."""
        self.stop()
        self._http.close()

    def enrol(self, request: EnrolmentRequest) -> EnrolmentAnswer:
        call = _Call("POST", paths.ENROLMENTS, request, authorized=False)
        return self._ask(call, EnrolmentAnswer)

    def enrolment(self, device_id: DeviceId) -> EnrolmentAnswer:
        path = paths.ENROLMENT.format(device_id=device_id)
        return self._ask(_Call("GET", path, authorized=False), EnrolmentAnswer)

    def start_session(self, request: SessionRequest) -> SessionAnswer:
        call = _Call("POST", paths.SESSIONS, request, authorized=False)
        return self._ask(call, SessionAnswer)

    def renew_session(self, session_id: ScannerSessionId, request: SessionRequest) -> SessionAnswer:
        path = paths.SESSION_TOKENS.format(session_id=session_id)
        return self._ask(_Call("POST", path, request, authorized=False), SessionAnswer)

    def manifest(self) -> SignedManifest:
        return self._ask(_Call("GET", paths.MANIFEST), SignedManifest)

    def changes(self, cursor: Cursor) -> ChangesPage:
        query = {"xid": cursor.xid, "id": cursor.id, "limit": CHANGES_PER_PAGE_MAX}
        return self._ask(_Call("GET", paths.CHANGES, query=query), ChangesPage)

    def upload(self, batch: ScanBatch) -> ScanBatchAnswer:
        return self._ask(_Call("POST", paths.SCANS, batch), ScanBatchAnswer)

    def heartbeat(self, heartbeat: Heartbeat) -> HeartbeatAnswer:
        return self._ask(_Call("POST", paths.HEARTBEATS, heartbeat), HeartbeatAnswer)

    def download(self, manifest: Manifest, path: Path, on_progress: Callable[[int], None]) -> None:
        """Continue the snapshot at `path` until it has the manifest's size; what came stays."""
        have = size_to_continue(path, manifest.size_bytes)
        if have == manifest.size_bytes:
            return
        call = _Call(
            "GET",
            paths.SNAPSHOT.format(sha256=manifest.sha256),
            headers={"Range": f"bytes={have}-", "Accept-Encoding": "identity"},
        )
        with self._opened(call) as response:
            for size in write_body(response, path, manifest.size_bytes):
                self._check_running()
                on_progress(size)

    @contextmanager
    def changes_stream(self) -> Iterator[httpx.Response]:
        """Open the wake-up stream; its reader calls `note_sign` for every line."""
        call = _Call(
            "GET",
            paths.CHANGES_STREAM,
            headers={"Accept": paths.EVENT_STREAM_MEDIA_TYPE},
            read_seconds=_STREAM_READ_SECONDS,
        )
        with self._opened(call) as response:
            media_type = response.headers.get("Content-Type", "").partition(";")[0]
            if media_type != paths.EVENT_STREAM_MEDIA_TYPE:
                raise ServerUnreachable(Silence.NOT_OUR_CONTRACT)
            self.note_sign()
            yield response

    def note_sign(self) -> None:
        """Note that the server itself said something; raise ServerUnreachable once stopped."""
        self._check_running()
        self._on_heard()

    def _ask(self, call: _Call, answer: type[Answer]) -> Answer:
        with self._opened(call) as response:
            try:
                message = answer.model_validate_json(response.read())
            except ValidationError as error:
                raise ServerUnreachable(Silence.NOT_OUR_CONTRACT) from error
        self.note_sign()
        return message

    @contextmanager
    def _opened(self, call: _Call) -> Iterator[httpx.Response]:
        """Open a successful response; its body is still to be read, under the same translation."""
        try:
            response = self._send_proven(call)
            try:
                yield response
            finally:
                response.close()
        except (httpx.HTTPError, httpx.StreamError) as error:
            raise ServerUnreachable(Silence.NO_CONNECTION) from error

    def _send_proven(self, call: _Call) -> httpx.Response:
        response = self._send(call)
        if response.is_success:
            return response
        problem = _problem(response)
        if problem.code == ProofNonceError.code:
            response = self._send(call)
            if response.is_success:
                return response
            problem = _problem(response)
        self.note_sign()
        raise self._refusal(problem)

    def _send(self, call: _Call) -> httpx.Response:
        self._check_running()
        request = self._http.build_request(
            call.method,
            self._address + call.path,
            params=call.query,
            content=None if call.body is None else call.body.model_dump_json(),
            headers=self._headers(call),
            timeout=httpx.Timeout(call.read_seconds, connect=_CONNECT_SECONDS),
            extensions={"trace": self._connections.trace},
        )
        response = self._http.send(request, stream=True)
        self._proof_nonce = response.headers.get(paths.NONCE_HEADER, self._proof_nonce)
        return response

    def _check_running(self) -> None:
        if self._stopped:
            raise ServerUnreachable(Silence.STOPPED)

    def _headers(self, call: _Call) -> dict[str, str]:
        headers = {"Content-Type": "application/json"} if call.body is not None else {}
        token = self._token() if call.authorized else None
        if token is not None:
            headers[paths.AUTHORIZATION_HEADER] = f"{paths.TOKEN_SCHEME} {token}"
        headers[paths.PROOF_HEADER] = build_proof(
            ProvenCall(call.method, self._address + call.path, token),
            ProofStamp(
                proof_id=self._machine.randomness(PROOF_ID_BYTES),
                issued_at_ms=self._machine.clock.now_ms(),
                nonce=self._proof_nonce,
            ),
            self._keys.signing_public,
            self._keys.sign,
        )
        return {**headers, **(call.headers or {})}

    def _token(self) -> str:
        access = self.access
        if access is None:
            raise SessionMissing
        return access.token

    def _refusal(self, problem: ProblemDocument) -> ServerRefusal | SessionRevoked:
        signed = problem.revocation
        if signed is None or self._enrolment is None:
            return ServerRefusal(problem)
        access = self.access
        session_id = None if access is None else access.session_id
        order = read_revocation(signed, self._enrolment, session_id)
        return ServerRefusal(problem) if order is None else SessionRevoked(signed, order)


def _problem(response: httpx.Response) -> ProblemDocument:
    """Read a refusal; an error page of somebody in between is no refusal of the server."""
    try:
        body = response.read()
    finally:
        response.close()
    try:
        return ProblemDocument.model_validate_json(body)
    except ValidationError as error:
        raise ServerUnreachable(Silence.NOT_OUR_CONTRACT) from error
