"""A small server on loopback that speaks the scanner contract, and fails on demand."""

import os
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric import ec

from shared.clock import SystemClock
from shared.credentials.keys import HolderKey
from shared.credentials.layout import HolderAlgorithm
from shared.ids import new_uuid7
from shared.wire import paths
from shared.wire.base import WireModel
from shared.wire.changes import ChangesPage
from shared.wire.problems import ProblemDocument
from shared.wire.proofs import ProofError, ProvenCall, make_proof_nonce, verify_proof
from shared.wire.scanners import (
    EnrolmentAnswer,
    EnrolmentRequest,
    EnrolmentState,
    Heartbeat,
    HeartbeatAnswer,
    RevocationOrder,
    SessionAnswer,
    SessionRequest,
    SignedRevocation,
    SignedTime,
)
from shared.wire.scans import EntryAnswer, EntryResult, ScanBatch, ScanBatchAnswer
from shared.wire.signing import (
    batch_message,
    confirmation_digits,
    file_key_info,
    manifest_message,
    revocation_message,
    time_message,
)
from shared.wire.snapshots import SignedManifest
from tests.factories.admission import DEVICE, GATE
from tests.factories.scanner_state import (
    CODE,
    FILE_KEY,
    SNAPSHOT,
    Faults,
    Refusal,
    ServerState,
    a_manifest,
)
from tests.factories.sync import DEPLOYMENT, HPKE_SUITE


class ScannerServer:
    """The server as a process would be: it can stop, and come back at the same address."""

    def __init__(self) -> None:
        self.state = ServerState()
        self._http: _Listener | None = None
        self._thread: threading.Thread | None = None
        self._port = 0

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def faults(self) -> Faults:
        return self.state.faults

    def confirm(self) -> None:
        """Let the waiting device in, as an organizer would who compared the digits."""
        self.state.state = EnrolmentState.ENROLLED

    def start(self) -> None:
        self._http = _Listener(("127.0.0.1", self._port), _Handler)
        self._http.state = self.state
        self._port = self._http.server_address[1]
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,))
        self._thread.start()

    def stop(self) -> None:
        """End the listener and break every open connection."""
        if self._http is None or self._thread is None:
            return
        self._http.shutdown()
        self._thread.join()
        self._http.hang_up()
        self._http.server_close()
        self._http = None


class _Listener(ThreadingHTTPServer):
    daemon_threads = False
    state: ServerState

    def __init__(self, address: tuple[str, int], handler: type["_Handler"]) -> None:
        super().__init__(address, handler)
        self._open: set[socket.socket] = set()
        self.hung_up = threading.Event()

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:  # noqa: ANN401
        self._open.discard(request)
        super().shutdown_request(request)

    def hang_up(self) -> None:
        self.hung_up.set()
        with self.state.changed:
            self.state.changed.notify_all()
        for connection in list(self._open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Listener

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Say nothing."""

    def handle(self) -> None:
        # Whoever hangs up in the middle, this side or the other, means to.
        with suppress(OSError):
            super().handle()

    def do_GET(self) -> None:
        self._serve(self._routes_get())

    def do_POST(self) -> None:
        self._serve(self._routes_post())

    @property
    def state(self) -> ServerState:
        return self.server.state

    def _routes_get(self) -> dict[str, Callable[[], WireModel | None]]:
        return {
            paths.ENROLMENT.format(device_id=DEVICE): self._enrolment,
            paths.MANIFEST: self._manifest,
            paths.SNAPSHOT.format(sha256=sha256(SNAPSHOT).hexdigest()): self._snapshot,
            paths.CHANGES: self._changes,
            paths.CHANGES_STREAM: self._stream,
        }

    def _routes_post(self) -> dict[str, Callable[[], WireModel | None]]:
        return {
            paths.ENROLMENTS: self._enrol,
            paths.SESSIONS: self._start_session,
            paths.SESSION_TOKENS.format(session_id=self.state.session_id): self._renew_session,
            paths.SCANS: self._scans,
            paths.HEARTBEATS: self._heartbeat,
        }

    def _serve(self, routes: dict[str, Callable[[], WireModel | None]]) -> None:
        self._body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self._keep_silent()
        if self.state.faults.garbage:
            self._reply(200, b"<html>Please log in to the stadium's network</html>", "text/html")
            return
        route = routes.get(urlsplit(self.path).path, _refuse_unknown)
        try:
            answer = route()
        except ProofError as error:
            answer = Refusal(401, error.code).problem
        except Refusal as refusal:
            answer = refusal.problem
        if answer is not None:
            status = answer.status if isinstance(answer, ProblemDocument) else 200
            self._reply(status, answer.model_dump_json().encode(), "application/json")

    def _keep_silent(self) -> None:
        while self.state.faults.silent and not self.server.hung_up.is_set():
            self.server.hung_up.wait(0.05)

    def _reply(self, status: int, body: bytes, media_type: str) -> None:
        self._begin(status, media_type, len(body))
        self.wfile.write(body)

    def _begin(self, status: int, media_type: str, length: int | None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", media_type)
        self.send_header(paths.NONCE_HEADER, make_proof_nonce(bytes(32), SystemClock().now_ms()))
        if length is None:
            self.send_header("Connection", "close")
            self.close_connection = True
        else:
            self.send_header("Content-Length", str(length))
        self.end_headers()

    def _check_proof(self, token: str | None = None) -> None:
        address = f"http://{self.headers['Host']}{self.path}"
        call = ProvenCall(self.command, address, token)
        now_ms = SystemClock().now_ms()
        proof = verify_proof(self.headers.get(paths.PROOF_HEADER, ""), call, bytes(32), now_ms)
        if proof.jti in self.state.proofs_used:
            raise Refusal(401, "proof_replayed")
        self.state.proofs_used.add(proof.jti)
        enrolled = self.state.enrolled
        if enrolled is not None and proof.signing_key != enrolled.signing_key:
            raise Refusal(401, "proof_invalid")

    def _check_session(self) -> None:
        scheme, _, token = self.headers.get(paths.AUTHORIZATION_HEADER, "").partition(" ")
        self._check_proof(token)
        if self.state.faults.revoked:
            raise Refusal(401, "session_revoked", self._revocation())
        if scheme != paths.TOKEN_SCHEME or token != self.state.token:
            raise Refusal(401, "token_expired")

    def _revocation(self) -> SignedRevocation:
        order = RevocationOrder(
            session_id=self.state.session_id or UUID(int=0),
            device_id=DEVICE,
            deployment_id=DEPLOYMENT,
            reason="revoked",
            issued_at_ms=SystemClock().now_ms(),
        )
        data = order.model_dump_json().encode()
        signature = self.state.key.sign(revocation_message(data))
        if self.state.faults.revocation_forged:
            signature = bytes(64)
        return SignedRevocation(order=data, signature=signature)

    def _enrol(self) -> WireModel:
        self._check_proof()
        request = EnrolmentRequest.model_validate_json(self._body)
        if request.code != CODE:
            raise Refusal(404, "enrolment_code_unknown")
        self.state.enrolled = request
        return self._enrolment_answer(request)

    def _enrolment(self) -> WireModel:
        self._check_proof()
        assert self.state.enrolled is not None
        return self._enrolment_answer(self.state.enrolled)

    def _enrolment_answer(self, request: EnrolmentRequest) -> EnrolmentAnswer:
        server_key = self.state.public_key
        return EnrolmentAnswer(
            device_id=DEVICE,
            deployment_id=DEPLOYMENT,
            state=self.state.state,
            server_key=server_key,
            digits=confirmation_digits(
                server_key, (request.signing_key, request.sealing_key), request.code
            ),
            deployment_name="Main gates",
            gate_id=GATE,
            gate_name="North",
        )

    def _start_session(self) -> WireModel:
        self._check_proof()
        if self.state.faults.revoked:
            raise Refusal(401, "session_revoked", self._revocation())
        self.state.session_id = new_uuid7(SystemClock().now_ms(), os.urandom(10))
        return self._session_answer()

    def _renew_session(self) -> WireModel:
        self._check_proof()
        self.state.renewals += 1
        return self._session_answer()

    def _session_answer(self) -> SessionAnswer:
        request = SessionRequest.model_validate_json(self._body)
        self.state.token = os.urandom(16).hex()
        time = self._time(request.nonce)
        assert self.state.session_id is not None
        return SessionAnswer(
            session_id=self.state.session_id,
            access_token=self.state.token,
            expires_at_ms=time.time_ms + self.state.faults.token_lifetime_ms,
            heartbeat_interval_seconds=1,
            stale_after_seconds=90,
            time=time,
        )

    def _time(self, nonce: bytes) -> SignedTime:
        now_ms = SystemClock().now_ms()
        signed_nonce = bytes(16) if self.state.faults.wrong_nonce else nonce
        message = time_message(DEVICE, signed_nonce, now_ms, 1, None)
        return SignedTime(
            device_id=DEVICE,
            nonce=signed_nonce,
            time_ms=now_ms,
            seq=1,
            signature=self.state.key.sign(message),
        )

    def _manifest(self) -> WireModel:
        self._check_session()
        assert self.state.enrolled is not None
        manifest = a_manifest(**self.state.manifest_changes)
        data = manifest.model_dump_json().encode()
        signature = self.state.key.sign(manifest_message(data))
        info = file_key_info(DEPLOYMENT, DEVICE, manifest.sha256)
        sealing_key = ec.EllipticCurvePublicKey.from_encoded_point(
            ec.SECP256R1(), self.state.enrolled.sealing_key
        )
        return SignedManifest(
            manifest=data,
            signature=bytes(64) if self.state.faults.manifest_forged else signature,
            wrapped_key=HPKE_SUITE.encrypt(FILE_KEY, sealing_key, info),
        )

    def _snapshot(self) -> None:
        self._check_session()
        asked = self.headers["Range"]
        self.state.ranges.append(asked)
        start = int(asked.removeprefix("bytes=").removesuffix("-"))
        data = bytes(len(SNAPSHOT)) if self.state.faults.file_damaged else SNAPSHOT
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        cut_at, self.state.faults.download_cut_at = self.state.faults.download_cut_at, None
        self.wfile.write(data[start:cut_at])
        self.close_connection = cut_at is not None

    def _changes(self) -> WireModel:
        self._check_session()
        if self.state.faults.changes_broken:
            raise Refusal(500, "internal_error")
        after = int(parse_qs(urlsplit(self.path).query)["id"][0])
        page = self.state.changes[after : after + 2]
        end = after + len(page)
        return ChangesPage(changes=tuple(page), cursor=(1, end), more=end < len(self.state.changes))

    def _stream(self) -> None:
        self._check_session()
        self._begin(200, paths.EVENT_STREAM_MEDIA_TYPE, None)
        known = len(self.state.changes)
        while not self.server.hung_up.is_set():
            self._keep_silent()
            with self.state.changed:
                if len(self.state.changes) == known:
                    self.state.changed.wait(0.5)
                news, known = len(self.state.changes) > known, len(self.state.changes)
            event = f"event: changed\ndata: 1,{known}\n\n" if news else ": still here\n\n"
            self.wfile.write(event.encode())

    def _scans(self) -> WireModel | None:
        self._check_session()
        batch = ScanBatch.model_validate_json(self._body)
        seqs = tuple(entry.seq for entry in batch.entries)
        self.state.batches.append(seqs)
        self._check_batch(batch)
        faults = self.state.faults
        answers = [self._accept(entry.seq, entry.entry_hash) for entry in batch.entries]
        faults.lost_seqs = frozenset()
        if faults.replies_dropped:
            faults.replies_dropped -= 1
            self.close_connection = True
            return None
        known = self.state.scans
        gaps = tuple((seq, seq) for seq in range(1, max(known, default=0)) if seq not in known)
        return ScanBatchAnswer(answers=tuple(answers), contiguous_seq=0, missing=gaps)

    def _check_batch(self, batch: ScanBatch) -> None:
        assert self.state.enrolled is not None
        hashes = tuple(entry.entry_hash for entry in batch.entries)
        message = batch_message(batch.device_id, batch.entries[0].seq, hashes)
        key = HolderKey(HolderAlgorithm.P256, self.state.enrolled.signing_key)
        if self.state.faults.scans_broken or not key.verifies(batch.signature, message):
            raise Refusal(503, "busy")
        if self.state.faults.unreadable_seqs & {entry.seq for entry in batch.entries}:
            raise Refusal(422, "invalid_request")

    def _accept(self, seq: int, entry_hash: bytes) -> EntryAnswer:
        if seq in self.state.scans:
            return EntryAnswer(seq=seq, result=EntryResult.DUPLICATE)
        if seq not in self.state.faults.lost_seqs:
            self.state.scans[seq] = entry_hash
        if seq in self.state.faults.quarantined_seqs:
            return EntryAnswer(seq=seq, result=EntryResult.QUARANTINED, finding="altered")
        return EntryAnswer(seq=seq, result=EntryResult.ACCEPTED)

    def _heartbeat(self) -> WireModel:
        self._check_session()
        heartbeat = Heartbeat.model_validate_json(self._body)
        self.state.heartbeats.append(heartbeat)
        manifest = a_manifest(**self.state.manifest_changes)
        return HeartbeatAnswer(
            time=self._time(heartbeat.nonce), snapshot_version=manifest.version, active_devices=1
        )


def _refuse_unknown() -> WireModel:
    raise Refusal(404, "not_found")
