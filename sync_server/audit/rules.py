"""What is recorded, and what never may be: secrets and whole addresses are taken out; pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

WITHHELD: Final = "[withheld]"
_SECRET_NAME: Final = re.compile(
    r"token|secret|password|passphrase|code|digits|key|signature|phone|cookie", re.IGNORECASE
)
_EMAIL: Final = re.compile(r"[^\s@<>,;\"]+@([^\s@<>,;\"]+)")
_PHONE: Final = re.compile(r"\+?\d(?:[ ()./-]?\d){8,14}(?!\d)")
_TOKEN: Final = re.compile(r"(?=[\w-]*\d)(?=[\w-]*[A-Za-z])[\w-]{32,}")
_UUID: Final = re.compile(r"(?<![\w-])([0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12})(?![\w-])")


class Log(StrEnum):
    """The sealed logs, named as their tables are."""

    ACTIONS = "admin_action_log"
    ACCESSES = "access_audit_log"


class AccessKind(StrEnum):
    READ = "read"
    REQUEST = "request"
    SIGN_IN = "sign_in"
    GUESS = "guess"


class AccessOutcome(StrEnum):
    ALLOWED = "allowed"
    DENIED = "denied"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Subject:
    """What an entry is about; an organizer that is not the actor's own is left out of the row."""

    kind: str
    id: str
    organizer_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Action:
    """Something that was changed. `actor_id` counts where the worker acts for somebody."""

    kind: str
    subject: Subject
    before: Mapping[str, Any] | None = None
    after: Mapping[str, Any] | None = None
    reason: str | None = None
    actor_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Access:
    """Somebody looked, tried to, or signed in. `detail` is a stable code and never free text."""

    kind: AccessKind
    subject: Subject
    outcome: AccessOutcome = AccessOutcome.ALLOWED
    detail: str | None = None
    actor_id: UUID | None = None


def fit_to_keep(value: Any) -> Any:  # noqa: ANN401 - whatever JSON can say
    """Take secrets, telephone numbers and most of an e-mail address out of a JSON value."""
    if isinstance(value, Mapping):
        return {
            str(name): WITHHELD if _names_a_secret(str(name), inner) else fit_to_keep(inner)
            for name, inner in value.items()
        }
    if isinstance(value, list | tuple):
        return [fit_to_keep(inner) for inner in value]
    return fit_text(value) if isinstance(value, str) else value


def fit_text(text: str) -> str:
    """An e-mail address keeps its domain; what looks like a telephone number or token is gone."""
    pieces = _UUID.split(text)
    # Every second piece is an id, which names nobody by itself.
    kept = "".join(
        piece if number % 2 else _without_secrets(piece) for number, piece in enumerate(pieces)
    )
    # What is withheld may uncover another beside it, so this goes on until nothing is left.
    return kept if kept == text else fit_text(kept)


def _without_secrets(text: str) -> str:
    without_addresses = _EMAIL.sub(r"…@\1", text)
    return _PHONE.sub(WITHHELD, _TOKEN.sub(WITHHELD, without_addresses))


def _names_a_secret(name: str, value: object) -> bool:
    """A flag or an absence under such a name gives nothing away."""
    return not isinstance(value, bool | None) and _SECRET_NAME.search(name) is not None
