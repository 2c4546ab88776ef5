"""What tokens, networks and devices look like, and how long things are good for; pure."""

from base64 import urlsafe_b64encode
from enum import StrEnum
from ipaddress import ip_address, ip_network
from typing import Final, NewType
from uuid import UUID

UserId = NewType("UserId", UUID)
SessionToken = NewType("SessionToken", str)

TOKEN_BYTES: Final = 32
TOKEN_PREFIX: Final = "zgu_"  # noqa: S105 - lets a secret scanner know a leaked token by sight
DEVICE_TOKEN_PREFIX: Final = "zgd_"  # noqa: S105
LETTER_TOKEN_PREFIX: Final = "zgl_"  # noqa: S105
SERVICE_TOKEN_PREFIX: Final = "zgs_"  # noqa: S105
UNKNOWN_NETWORK: Final = "unknown"
_NETWORK_BITS: Final = {4: 24, 6: 56}
# The first word found names the browser or system: Edge says "Chrome" too, and Chrome "Safari".
_PROGRAMS: Final = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser", "Samsung Internet"),
    ("Firefox", "Firefox"),
    ("Chrome", "Chrome"),
    ("Safari", "Safari"),
    ("curl", "curl"),
    ("python-httpx", "httpx"),
)
_SYSTEMS: Final = (
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
)


class Language(StrEnum):
    """The languages we write to people in."""

    ENGLISH = "en"
    SWAHILI = "sw"
    LUGANDA = "lg"
    KINYARWANDA = "rw"
    FRENCH = "fr"


class SecondFactorKind(StrEnum):
    """How somebody showed that they are the one: digits of an app, or a passkey."""

    TOTP = "totp"
    PASSKEY = "passkey"


class Weakness(StrEnum):
    """What a password that is easily guessed is mostly made of."""

    COMMON = "common"
    """Words, or passwords that many have."""
    PERSONAL = "personal"
    """Its owner's name or address."""
    KEYBOARD = "keyboard"
    REPEATED = "repeated"
    SEQUENCE = "sequence"
    DATE = "date"


def opaque_token(prefix: str, randomness: bytes) -> str:
    """Write 256 random bits as a token."""
    if len(randomness) != TOKEN_BYTES:
        message = f"a token takes {TOKEN_BYTES} random bytes"
        raise ValueError(message)
    return prefix + urlsafe_b64encode(randomness).decode().rstrip("=")


def session_token(randomness: bytes) -> SessionToken:
    return SessionToken(opaque_token(TOKEN_PREFIX, randomness))


def network_of(host: str | None) -> str:
    """Cut an address down to the network whose hosts are one neighbourhood: /24, or /56 of IPv6."""
    try:
        address = ip_address(host or "")
    except ValueError:
        return UNKNOWN_NETWORK
    return str(ip_network((address, _NETWORK_BITS[address.version]), strict=False))


def device_name(user_agent: str) -> str:
    """Name a device as its owner would know it; empty where nothing is known of it."""
    found = (_first(user_agent, _PROGRAMS), _first(user_agent, _SYSTEMS))
    return " · ".join(filter(None, found))


def _first(user_agent: str, names: tuple[tuple[str, str], ...]) -> str:
    return next((name for word, name in names if word in user_agent), "")
