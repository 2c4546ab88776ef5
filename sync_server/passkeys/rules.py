"""Whose passkeys these are and how long things are good for; pure."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final
from urllib.parse import urlsplit

CHALLENGE_BYTES: Final = 32
CHALLENGE_LIFETIME: Final = timedelta(minutes=5)
CHALLENGE_MILLISECONDS: Final = CHALLENGE_LIFETIME // timedelta(milliseconds=1)
PASSKEYS_MAX: Final = 20
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


class Purpose(StrEnum):
    """What a challenge was made for."""

    REGISTRATION = "registration"
    ASSERTION = "assertion"


@dataclass(frozen=True, slots=True)
class RelyingParty:
    """Whom passkeys are made for (WebAuthn's word): a host name, and the one page's origin."""

    id: str
    origin: str


def relying_party(public_url: str) -> RelyingParty | None:
    """Name the relying party behind the server's address; None where browsers make no passkeys: for
    an IP address, and for http:// on any machine but their own.
    """
    try:
        parts = urlsplit(public_url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return None
    if not host or _is_ip_address(host) or not _is_secure(parts.scheme, host):
        return None
    place = host if port in {None, _DEFAULT_PORTS[parts.scheme]} else f"{host}:{port}"
    return RelyingParty(host, f"{parts.scheme}://{place}")


def _is_ip_address(host: str) -> bool:
    """As browsers see it: a name whose last part is a number is an address, 127.1 as well."""
    return ":" in host or host.rpartition(".")[2].isdigit()


def _is_secure(scheme: str, host: str) -> bool:
    """Browsers trust https:// and what never leaves the machine (W3C Secure Contexts §3.1)."""
    is_local = host == "localhost" or host.endswith(".localhost")
    return scheme == "https" or (scheme == "http" and is_local)


def counter_went_back(known: int, told: int) -> bool:
    """A counter that does not grow is a sign of a copied key (WebAuthn §6.1.1). Most passkeys have
    none and say 0, also after they were copied to another device by the owner's own account.
    """
    return 0 < told <= known
