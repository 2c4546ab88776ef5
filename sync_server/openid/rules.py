"""Whom a provider's word lets in: which addresses it may speak for, and what becomes of whoever
arrives; pure.
"""

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from sync_server.identity.rules import UserId

FLOW_LIFETIME: Final = timedelta(minutes=10)
FLOW_TOKEN_PREFIX: Final = "zgf_"  # noqa: S105 - lets a secret scanner know a leaked token by sight
# What a provider and browsers see beside it, told apart by sight as well.
STATE_PREFIX: Final = "zgq_"
NONCE_PREFIX: Final = "zgn_"
VERIFIER_PREFIX: Final = "zgv_"
GOOGLE: Final = "google"
_GOOGLES_OWN: Final = frozenset(("gmail.com", "googlemail.com"))
_NAME_CHARACTERS_MAX: Final = 100
# What a letter's first line cannot carry: control characters and angle brackets.
_NOT_IN_NAMES: Final = re.compile(r"[\x00-\x1f\x7f<>]+")


@dataclass(frozen=True, slots=True)
class FlowKey:
    """What finds a flow: its browser's token and the provider's state have to belong together."""

    provider: str
    token_hash: bytes
    state_hash: bytes


@dataclass(frozen=True, slots=True)
class ProvenPerson:
    """Who a checked ID token says somebody is. `hosted_domain` is the organization whose account
    it is (Google's claim `hd`); `name` is the provider's word, and may be empty.
    """

    issuer: str
    subject: str
    address: str
    name: str
    hosted_domain: str | None


@dataclass(frozen=True, slots=True)
class Known:
    """What is known here of whoever arrives: whose this subject is, who owns the address, and
    whether the owner has linked another subject of this issuer.
    """

    linked: UserId | None = None
    owner: UserId | None = None
    owner_has_linked: bool = False


@dataclass(frozen=True, slots=True)
class SignIn:
    user_id: UserId


@dataclass(frozen=True, slots=True)
class SignUp:
    """Nobody here is known by the subject, or by the address."""


@dataclass(frozen=True, slots=True)
class Link:
    """Sign in to the account that has the address, and link the subject to it."""

    user_id: UserId


@dataclass(frozen=True, slots=True)
class Refuse:
    """The account that has the address may be somebody else's."""


Entrance = SignIn | SignUp | Link | Refuse


def is_authoritative(provider: str, person: ProvenPerson) -> bool:
    """Whether a provider runs the mailbox behind an address, so that its word is as good as a
    letter: Google for its own domains and for an organization's account under that
    organization's domain (Google, "Verify the Google ID token on your server side").
    """
    domain = person.address.rpartition("@")[2]
    hosted = (person.hosted_domain or "").casefold()
    return provider == GOOGLE and (domain in _GOOGLES_OWN or domain == hosted)


def entrance(known: Known, *, authoritative: bool) -> Entrance:
    """Decide by the subject first. Whoever comes with the address of an account and another
    subject than the linked one is somebody new at the provider, and is refused: addresses change
    hands.
    """
    if known.linked is not None:
        return SignIn(known.linked)
    if known.owner is None:
        return SignUp()
    if authoritative and not known.owner_has_linked:
        return Link(known.owner)
    return Refuse()


def display_name(person: ProvenPerson) -> str:
    """Take the provider's name, cut to what we show, or else the first part of the address."""
    name = " ".join(_NOT_IN_NAMES.sub(" ", person.name).split())
    local = _NOT_IN_NAMES.sub("", person.address.partition("@")[0])
    return (name or local)[:_NAME_CHARACTERS_MAX].strip()
