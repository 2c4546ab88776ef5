"""Who buys: sealed in the order's row, told to payment providers alone; and the token by which an
order's owner comes back to it.
"""

import json
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from typing import Final, NewType
from uuid import UUID

from sync_server.identity.rules import Language, opaque_token
from sync_server.kit.services import Services

OrderToken = NewType("OrderToken", str)

TOKEN_PREFIX: Final = "zgo_"  # noqa: S105 - lets a secret scanner know a leaked token by sight
TOKEN_BYTES: Final = 32
_BUYER: Final = "order buyer"
_TOKEN: Final = "order token"  # noqa: S105 - what is sealed
_CLAIM: Final = "order claim"
_DIGEST: Final = "order buyer digest"


@dataclass(frozen=True, slots=True)
class Buyer:
    """How a buyer is reached; no representation shows it. `user_id` is there where they signed
    in.
    """

    name: str = field(repr=False, default="")
    address: str = field(repr=False, default="")
    phone: str = field(repr=False, default="")
    """E.164 with its plus."""
    language: str = Language.ENGLISH.value
    user_id: UUID | None = None

    @property
    def contact(self) -> str:
        """What one buyer is known by: their account, else address, else telephone."""
        if self.user_id is not None:
            return f"user:{self.user_id}"
        return f"address:{self.address}" if self.address else f"phone:{self.phone}"


def buyer_hash(services: Services, organizer_id: UUID, buyer: Buyer) -> bytes:
    """Tell one organizer's buyers apart and name none: without the master key nobody can try
    addresses out. A new master key begins to count anew.
    """
    sealed = services.key_sealer.seal(buyer.contact.encode(), _DIGEST, organizer_id)
    return sha256(sealed).digest()


def seal_buyer(services: Services, order_id: UUID, buyer: Buyer) -> bytes:
    user_id = None if buyer.user_id is None else str(buyer.user_id)
    text = json.dumps({**asdict(buyer), "user_id": user_id})
    return services.key_sealer.seal(text.encode(), _BUYER, order_id)


def open_buyer(services: Services, order_id: UUID, sealed: bytes) -> Buyer:
    opened = json.loads(services.key_sealer.open(sealed, _BUYER, order_id))
    user_id = opened.pop("user_id")
    return Buyer(**opened, user_id=None if user_id is None else UUID(user_id))


def new_token(services: Services) -> OrderToken:
    return OrderToken(opaque_token(TOKEN_PREFIX, services.randomness(TOKEN_BYTES)))


def order_link(public_url: str, token: OrderToken) -> str:
    """Write the link to an order; the token is in the fragment, which no server sees."""
    return f"{public_url}/order#{token}"


def seal_token(services: Services, order_id: UUID, token: OrderToken) -> bytes:
    """Kept for a repeat of the request that made the order."""
    return services.key_sealer.seal(token.encode(), _TOKEN, order_id)


def open_token(services: Services, order_id: UUID, sealed: bytes) -> OrderToken:
    return OrderToken(services.key_sealer.open(sealed, _TOKEN, order_id).decode())


def seal_claim(services: Services, order_id: UUID, claim_token: str) -> bytes:
    return services.key_sealer.seal(claim_token.encode(), _CLAIM, order_id)


def open_claim(services: Services, order_id: UUID, sealed: bytes) -> str:
    return services.key_sealer.open(sealed, _CLAIM, order_id).decode()
