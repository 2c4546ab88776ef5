"""Making, sealing and opening an event's keys; the one place where the catalog holds secrets in
the open.
"""

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy.ext.asyncio import AsyncSession

from shared.credentials.keys import EVENT_KEY_BYTES, EventKeySet
from shared.ids import EventId, OrganizerId
from sync_server.catalog import repository
from sync_server.catalog.models import Event, StoredIssuerKey, StoredKeySet
from sync_server.catalog.rules import EventKeys, IssuerKey
from sync_server.kit.keys import KeySealer
from sync_server.kit.services import Services

EVENT_KEY_PURPOSE = "event key"
ISSUER_KEY_PURPOSE = "issuer key"
_ED25519_SEED_BYTES = 32


def make_key_set(services: Services, event: Event) -> StoredKeySet:
    """The id in codes is random: another event's ticket is usually known at once."""
    row_id = services.new_id()
    event_key = services.randomness(EVENT_KEY_BYTES)
    return StoredKeySet(
        organizer_id=event.organizer_id,
        event_id=event.id,
        id=row_id,
        kid=services.randomness(1)[0],
        sealed_event_key=services.key_sealer.seal(event_key, EVENT_KEY_PURPOSE, row_id),
        created_at=event.created_at,
    )


def make_issuer_key(services: Services, event: Event) -> StoredIssuerKey:
    row_id = services.new_id()
    seed = services.randomness(_ED25519_SEED_BYTES)
    public_key = Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
    return StoredIssuerKey(
        organizer_id=event.organizer_id,
        event_id=event.id,
        id=row_id,
        ikid=1,
        public_key=public_key,
        sealed_private_key=services.key_sealer.seal(seed, ISSUER_KEY_PURPOSE, row_id),
        active=True,
        created_at=event.created_at,
    )


async def load(
    session: AsyncSession,
    sealer: KeySealer,
    organizer_id: OrganizerId,
    event_id: EventId,
) -> EventKeys:
    """Open every key of an event; a caller who may not see them gets an empty set."""
    key_sets = await repository.list_keys(session, StoredKeySet, organizer_id, event_id)
    issuers = await repository.list_keys(session, StoredIssuerKey, organizer_id, event_id)
    return EventKeys(
        event_id,
        tuple(_open_key_set(sealer, event_id, row) for row in key_sets),
        tuple(_open_issuer_key(sealer, row) for row in issuers),
    )


def _open_key_set(sealer: KeySealer, event_id: EventId, row: StoredKeySet) -> EventKeySet:
    event_key = sealer.open(row.sealed_event_key, EVENT_KEY_PURPOSE, row.id)
    return EventKeySet(event_id, row.kid, event_key)


def _open_issuer_key(sealer: KeySealer, row: StoredIssuerKey) -> IssuerKey:
    seed = sealer.open(row.sealed_private_key, ISSUER_KEY_PURPOSE, row.id)
    private_key = Ed25519PrivateKey.from_private_bytes(seed)
    return IssuerKey(row.ikid, row.public_key, private_key, row.active)
