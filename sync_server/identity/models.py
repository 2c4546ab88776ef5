"""Tables of people and how they prove who they are; tokens are kept as their hashes only."""

from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Mapped, mapped_column

from sync_server.kit.models import Base


class User(Base):
    __tablename__ = "users"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    display_name: Mapped[str]
    created_at: Mapped[datetime]
    disabled_at: Mapped[datetime | None]
    language: Mapped[str]


class UserRole(Base):
    __tablename__ = "user_roles"

    user_id: Mapped[UUID] = mapped_column(primary_key=True)
    role: Mapped[str] = mapped_column(primary_key=True)
    granted_by: Mapped[UUID | None]
    granted_at: Mapped[datetime]


class UserSession(Base):
    """Good until `expires_at`, which moves while it is used, and never past `ends_at`."""

    __tablename__ = "user_sessions"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UUID]
    token_hash: Mapped[bytes]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    device_name: Mapped[str]
    last_seen_from: Mapped[str | None]
    last_seen_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    second_factor_at: Mapped[datetime | None]
    second_factor_kind: Mapped[str | None]


class UserEmail(Base):
    __tablename__ = "user_emails"

    user_id: Mapped[UUID] = mapped_column(primary_key=True)
    address: Mapped[str]
    verified_at: Mapped[datetime]


class UserPassword(Base):
    __tablename__ = "user_passwords"

    user_id: Mapped[UUID] = mapped_column(primary_key=True)
    password_hash: Mapped[str]
    changed_at: Mapped[datetime]


class UserTotp(Base):
    """`last_step` is the newest step whose code was used; no code is good twice."""

    __tablename__ = "user_totp"

    user_id: Mapped[UUID] = mapped_column(primary_key=True)
    sealed_secret: Mapped[bytes]
    confirmed_at: Mapped[datetime | None]
    last_step: Mapped[int]


class EmailToken(Base):
    """A letter that was sent; whoever brings its token back reads that address."""

    __tablename__ = "email_tokens"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    purpose: Mapped[str]
    address: Mapped[str]
    display_name: Mapped[str]
    language: Mapped[str]
    token_hash: Mapped[bytes]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class UserDevice(Base):
    """A device its owner signed in on before."""

    __tablename__ = "user_devices"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UUID]
    token_hash: Mapped[bytes]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]


class AttemptCounter(Base):
    __tablename__ = "attempt_counters"

    key_hash: Mapped[bytes] = mapped_column(primary_key=True)
    window_started_at: Mapped[datetime]
    attempts: Mapped[int]
