"""Who a database transaction speaks for: a database role and an opaque token, never an identity.

The database itself finds out whose token it is (schema `private`), so no query can claim to be
somebody else.
"""

import hashlib
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final


class DatabaseRole(StrEnum):
    """One role for each kind of principal, so that its grants say what that kind can ever reach."""

    APP = "zeraket_app"
    DEVICE = "zeraket_device"
    WALLET = "zeraket_wallet"
    WORKER = "zeraket_worker"


LOGIN: Final = "zeraket_login"
"""Requests log in as this role; it may act as any principal but the worker."""
WORKER_LOGIN: Final = "zeraket_worker_login"
"""The server's own work logs in as this role, so nothing a request runs can act as the worker."""


@dataclass(frozen=True, slots=True)
class Claims:
    """The first statement of a transaction; the token stays out of every representation."""

    role: DatabaseRole
    token: str = field(default="", repr=False)


ANONYMOUS: Final = Claims(DatabaseRole.APP)
WORKER: Final = Claims(DatabaseRole.WORKER)


def user_claims(session_token: str) -> Claims:
    """A person signed in: organizer's member or administrator."""
    return Claims(DatabaseRole.APP, session_token)


def device_claims(session_token: str) -> Claims:
    """A scanner session."""
    return Claims(DatabaseRole.DEVICE, session_token)


def wallet_claims(claim_token: str) -> Claims:
    """The holder of a ticket's claim token."""
    return Claims(DatabaseRole.WALLET, claim_token)


def token_hash(token: str) -> bytes:
    """What tables keep of a token; the same value as `private.token_hash()` in the database."""
    return hashlib.sha256(token.encode()).digest()
