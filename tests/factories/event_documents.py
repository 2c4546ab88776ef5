"""Event documents for `inspect`, around the one ticket of the credential factory."""

from typing import Any

from scanner_app.gate.event_document import EventUnderInspection, read_event_document
from tests.factories.credentials import (
    EVENT_ID,
    EVENT_KEY,
    ISSUER_KEY_ID,
    KEY_SET_ID,
    TICKET_ID,
    EventKeys,
    P256Holder,
    a_core,
)

BASE_TIME = "2026-02-02T00:00:00Z"


def a_ticket_item(**changes: object) -> dict[str, Any]:
    """Make a valid ticket bound to the factory's holder."""
    item: dict[str, Any] = {
        "ticket_id": f"{TICKET_ID:016x}",
        "gen": 1,
        "holder_alg": "p256",
        "holder_pk": P256Holder().key.encoded.hex(),
        "core": a_core().to_bytes().hex(),
        "status": "valid",
    }
    return {**item, **changes}


def an_event_document(**changes: object) -> dict[str, Any]:
    """Make the document of the factory's event; it begins three hours before its codes."""
    document: dict[str, Any] = {
        "event_uuid": str(EVENT_ID),
        "base_time": BASE_TIME,
        "key_sets": [{"kid": KEY_SET_ID, "k_event": EVENT_KEY.hex()}],
        "issuer_keys": [{"ikid": ISSUER_KEY_ID, "public_key": EventKeys().issuer_public_key.hex()}],
        "tickets": [a_ticket_item()],
    }
    return {**document, **changes}


def an_event(**changes: object) -> EventUnderInspection:
    """Read such a document."""
    return read_event_document(an_event_document(**changes))
