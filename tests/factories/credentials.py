"""An event with its keys, holders with theirs, and the codes they make; all derived from words.

The defaults are the check vectors of the TK1 format (tests/vectors/tk1.json).
"""

from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Final
from uuid import UUID

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from shared.credentials.holding import HeldTicket, HolderSigner, show_code
from shared.credentials.issuing import issue_credential, issue_static_code
from shared.credentials.keys import EventKeySet, HolderKey
from shared.credentials.layout import Core, Form, HolderAlgorithm, SyncAge, TicketFlag
from shared.credentials.opening import EventKeyring
from shared.ids import TicketId
from tests.factories.changes import changed

EVENT_ID: Final = UUID("00010203-0405-0607-0809-0a0b0c0d0e0f")
EVENT_KEY: Final = bytes(range(0x20, 0x40))
KEY_SET_ID: Final = 7
ISSUER_KEY_ID: Final = 1
TICKET_ID: Final = TicketId(0x0123456789ABCDEF)
COUNTER: Final = 118_000_000
WINDOW_START_MS: Final = COUNTER * 15_000
"""1 770 000 000 000: the first instant of the window `COUNTER`."""


@dataclass(frozen=True)
class P256Holder:
    """A holder with a P-256 key; signatures are the same on every run (RFC 6979)."""

    word: str = "holder"

    @property
    def algorithm(self) -> HolderAlgorithm:
        return HolderAlgorithm.P256

    @cached_property
    def private_key(self) -> ec.EllipticCurvePrivateKey:
        scalar = int.from_bytes(sha256(self.word.encode()).digest(), "big")
        return ec.derive_private_key(scalar, ec.SECP256R1())

    @cached_property
    def key(self) -> HolderKey:
        """The public half, as codes and snapshots carry it."""
        point = self.private_key.public_key().public_bytes(
            serialization.Encoding.X962, serialization.PublicFormat.CompressedPoint
        )
        return HolderKey(self.algorithm, point)

    def sign(self, message: bytes) -> bytes:
        """Sign and give raw r‖s, as WebCrypto does."""
        algorithm = ec.ECDSA(hashes.SHA256(), deterministic_signing=True)
        r, s = decode_dss_signature(self.private_key.sign(message, algorithm))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")


@dataclass(frozen=True)
class Ed25519Holder:
    """A holder with an Ed25519 key."""

    word: str = "holder"

    @property
    def algorithm(self) -> HolderAlgorithm:
        return HolderAlgorithm.ED25519

    @cached_property
    def private_key(self) -> ed25519.Ed25519PrivateKey:
        return ed25519.Ed25519PrivateKey.from_private_bytes(sha256(self.word.encode()).digest())

    @cached_property
    def key(self) -> HolderKey:
        """The public half, as codes and snapshots carry it."""
        return HolderKey(self.algorithm, self.private_key.public_key().public_bytes_raw())

    def sign(self, message: bytes) -> bytes:
        return self.private_key.sign(message)


Holder = P256Holder | Ed25519Holder


def a_core(**changes: object) -> Core:
    """Make the core of a ticket: tier 2, zones 1 to 3, valid for a day from the base time."""
    core = Core(
        ticket_id=TICKET_ID,
        generation=1,
        tier=2,
        zones=0b111,
        flags=TicketFlag(0),
        not_before_units=0,
        expires_units=96,
        issuer_key_id=ISSUER_KEY_ID,
    )
    return changed(core, changes)


@dataclass(frozen=True)
class EventKeys:
    """One event's secrets, able to make codes in every form and a keyring that opens them."""

    event_id: UUID = EVENT_ID
    event_key: bytes = EVENT_KEY
    key_set_id: int = KEY_SET_ID
    issuer_word: str = "issuer"
    issuer_key_id: int = ISSUER_KEY_ID

    @cached_property
    def issuer(self) -> ed25519.Ed25519PrivateKey:
        seed = sha256(self.issuer_word.encode()).digest()
        return ed25519.Ed25519PrivateKey.from_private_bytes(seed)

    @cached_property
    def issuer_public_key(self) -> bytes:
        return self.issuer.public_key().public_bytes_raw()

    @cached_property
    def key_set(self) -> EventKeySet:
        return EventKeySet(self.event_id, self.key_set_id, self.event_key)

    @cached_property
    def keyring(self) -> EventKeyring:
        """What a gate of this event holds."""
        return EventKeyring([self.key_set], {self.issuer_key_id: self.issuer_public_key})

    def reference(self, core: Core) -> HeldTicket:
        """Hand a wallet its ticket by reference (form R)."""
        body = self.key_set.seal_reference(core.ticket_id, core.generation)
        return HeldTicket(self.event_id, self.key_set_id, Form.ROTATING_REFERENCE, body)

    def credential(self, core: Core, holder: HolderKey) -> HeldTicket:
        """Hand a wallet its self-contained ticket (form E)."""
        body = issue_credential(self.key_set, self.issuer, core, holder)
        return HeldTicket(self.event_id, self.key_set_id, Form.ROTATING_SELF_CONTAINED, body)

    def reference_code(
        self,
        core: Core,
        holder: HolderSigner,
        counter: int = COUNTER,
        sync_age: SyncAge = SyncAge.UNDER_ONE_HOUR,
    ) -> str:
        """Write an R text for one window."""
        return show_code(self.reference(core), holder, counter, sync_age)

    def self_contained_code(
        self,
        core: Core,
        holder: Holder,
        counter: int = COUNTER,
        sync_age: SyncAge = SyncAge.UNDER_ONE_HOUR,
    ) -> str:
        """Write an E text for one window."""
        return show_code(self.credential(core, holder.key), holder, counter, sync_age)

    def static_code(self, core: Core) -> str:
        """Write an S text; give the core TicketFlag.STATIC_ALLOWED where a gate shall accept it."""
        return issue_static_code(self.key_set, self.issuer, core)
