"""Tables of sign-ins under way at a provider, and of who is whom there."""

from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Mapped, mapped_column

from sync_server.kit.models import Base


class OpenidFlow(Base):
    """Tokens as hashes, and what comes back later sealed. `code_hash` is set while, and after,
    that code is redeemed; `sealed_person` is what came of it, until `used_at`.
    """

    __tablename__ = "openid_flows"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    provider: Mapped[str]
    token_hash: Mapped[bytes]
    state_hash: Mapped[bytes]
    nonce: Mapped[str]
    sealed_code_verifier: Mapped[bytes]
    language: Mapped[str]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    code_hash: Mapped[bytes | None]
    sealed_person: Mapped[bytes | None]
    used_at: Mapped[datetime | None]


class UserOpenidIdentity(Base):
    """A person is their issuer and subject; the address is shown and decides nothing."""

    __tablename__ = "user_openid_identities"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UUID]
    provider: Mapped[str]
    issuer: Mapped[str]
    subject: Mapped[str]
    address: Mapped[str]
    created_at: Mapped[datetime]
    last_used_at: Mapped[datetime]
