"""Where webhooks come from: how each source proves itself, and what is done with what it says.

A webhook is a hint and never proof: a handler asks the source itself before it believes.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Protocol

from pydantic import SecretStr

from sync_server.kit.services import Services
from sync_server.webhooks.rules import Delivery

JSON_ONLY: Final = frozenset(("application/json",))


class Verifier(Protocol):
    """Tells a source's deliveries from a stranger's. A source that signs nothing has one that looks
    at what there is, and asks for no secrets.
    """

    @property
    def scheme(self) -> str:
        """What is written beside a delivery: how it was verified."""
        ...

    def fault(self, secrets: Sequence[str]) -> str | None:
        """Say what is wrong with the configured secrets, None if nothing is."""
        ...

    def verify(self, delivery: Delivery, secrets: Sequence[str], now_ms: int) -> str | None:
        """Give the event's id, or None for a delivery that is not the source's."""
        ...


@dataclass(frozen=True, slots=True)
class WebhookEvent:
    """One delivery, taken out of the inbox."""

    source: str
    event_id: str
    body: bytes = field(repr=False)
    received_at: datetime


HandleWebhook = Callable[[Services, WebhookEvent], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class WebhookSource:
    """`handle` may be called again with the same event, and does its work under a key of its own.

    It is there where ZERAKET_WEBHOOK_SECRETS names it, if with no secret.
    """

    verifier: Verifier
    handle: HandleWebhook
    media_types: frozenset[str] = JSON_ONLY


WebhookSources = Mapping[str, WebhookSource]
WebhookSecrets = Mapping[str, tuple[SecretStr, ...]]


def plain_secrets(secrets: Sequence[SecretStr]) -> list[str]:
    return [secret.get_secret_value() for secret in secrets]


def source_faults(sources: WebhookSources, secrets: WebhookSecrets) -> list[str]:
    """Say which configured sources cannot be taken from, and why."""
    faults = []
    for name, configured in secrets.items():
        source = sources.get(name)
        if source is None:
            faults.append(f"this program knows no source {name!r}")
        elif (fault := source.verifier.fault(plain_secrets(configured))) is not None:
            faults.append(f"{name}: {fault}")
    return faults
