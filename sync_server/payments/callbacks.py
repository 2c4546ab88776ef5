"""Callbacks of providers, into the inbox and out of it: kept sealed as they came, whoever sent
them, and each is a delivery of its own, since providers say the same words again when something
changed.
"""

import json
from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import Final

from sync_server.kit.services import Services
from sync_server.payments.errors import CallbackNotUnderstoodError, CallbackSourceNotFoundError
from sync_server.payments.ports import Notice
from sync_server.payments.rails import rails_of
from sync_server.payments.rules import Provider
from sync_server.webhooks import service as webhooks

BODY_BYTES_MAX: Final = 65_536
_SCHEME: Final = "none"
_HEADERS_LEFT_OUT: Final = frozenset({"authorization", "cookie"})
_EVENT_ID_CHARACTERS_MAX: Final = 120


def inbox_name(provider: Provider) -> str:
    """The name of a provider's part of the inbox."""
    return f"payments.{provider}"


async def take_in(services: Services, provider: Provider, notice: Notice) -> Mapping[str, object]:
    """Keep a callback, and give the words its provider wants to hear; a job acts on it."""
    collector = rails_of(services).collectors.get(provider)
    if collector is None:
        raise CallbackSourceNotFoundError
    hint = collector.read_notice(notice)
    if hint is None:
        raise CallbackNotUnderstoodError
    # Of a stranger's words only what a column holds.
    named = str(hint.our_reference or hint.their_reference or "")
    event_id = f"{services.new_id()}:{named[:_EVENT_ID_CHARACTERS_MAX]}"
    source = inbox_name(provider)
    await webhooks.receive(services, source, _SCHEME, event_id, notice_to_bytes(notice))
    return collector.acknowledge(hint)


def notice_to_bytes(notice: Notice) -> bytes:
    headers = {
        name.lower(): value
        for name, value in notice.headers.items()
        if name.lower() not in _HEADERS_LEFT_OUT
    }
    document = {
        "method": notice.method,
        "headers": headers,
        "query": dict(notice.query),
        "body": b64encode(notice.body).decode(),
    }
    return json.dumps(document).encode()


def notice_from_bytes(kept: bytes) -> Notice:
    document = json.loads(kept)
    return Notice(
        document["method"],
        document["headers"],
        document["query"],
        b64decode(document["body"]),
    )
