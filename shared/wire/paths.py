"""Where the scanner contract lives: every path a kiosk calls, written once for both sides.

Braces name a path parameter, as FastAPI and `str.format` both read them.
"""

from typing import Final

ENROLMENTS: Final = "/v1/scanner/enrolments"
"""POST EnrolmentRequest, with a proof and no token: EnrolmentAnswer."""
ENROLMENT: Final = "/v1/scanner/enrolments/{device_id}"
"""GET with a proof and no token: EnrolmentAnswer."""
SESSIONS: Final = "/v1/scanner/sessions"
"""POST SessionRequest, a proof, no token: SessionAnswer. It revokes the device's older session."""
SESSION_TOKENS: Final = "/v1/scanner/sessions/{session_id}/tokens"
"""POST SessionRequest, a proof, no token: SessionAnswer with a new token of that session."""
MANIFEST: Final = "/v1/scanner/manifest"
"""GET: SignedManifest."""
SNAPSHOT: Final = "/v1/scanner/snapshots/{sha256}"
"""GET, with Range and ETag: the bytes of the file."""
CHANGES: Final = "/v1/scanner/changes"
"""GET with `xid`, `id` and `limit`: ChangesPage."""
CHANGES_STREAM: Final = "/v1/scanner/changes/stream"
"""GET text/event-stream: a wake-up for every change, never the change itself."""
SCANS: Final = "/v1/scanner/scans"
"""POST ScanBatch: ScanBatchAnswer."""
HEARTBEATS: Final = "/v1/scanner/heartbeats"
"""POST Heartbeat: HeartbeatAnswer."""

CHANGED_EVENT: Final = "changed"
"""The server-sent event on CHANGES_STREAM; its data is the newest cursor, `xid,id`."""
STREAM_KEEPALIVE_SECONDS: Final = 1
"""The server writes a comment line this often; two silent seconds mean offline."""
AUTHORIZATION_HEADER: Final = "Authorization"
TOKEN_SCHEME: Final = "DPoP"  # noqa: S105 - the name of a scheme, not a secret
"""`Authorization: DPoP <access token>` (RFC 9449 §7.1) on every path that takes a token."""
PROOF_HEADER: Final = "DPoP"
NONCE_HEADER: Final = "DPoP-Nonce"
"""The server puts a fresh proof nonce on every answer, refusals included (RFC 9449 §8.2)."""
PROBLEM_MEDIA_TYPE: Final = "application/problem+json"
EVENT_STREAM_MEDIA_TYPE: Final = "text/event-stream"
