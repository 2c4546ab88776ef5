"""What a provider sent word for word, for whoever keeps it: payouts seal it beside each attempt.

Nothing is gathered unless somebody asks for it around the call. Tokens are left out.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Final

_SECRETS: Final = frozenset({"access_token", "token", "refresh_token", "key", "pin_key", "pin"})
_LEFT_OUT: Final = "…"
_GATHERED: ContextVar[list["Exchange"] | None] = ContextVar("gathered_exchanges", default=None)


@dataclass(frozen=True, slots=True)
class Exchange:
    """One answer: where to, its status and what it said."""

    route: str
    status: int
    document: Any = field(repr=False)


@contextmanager
def gathered() -> Iterator[list[Exchange]]:
    """Gather the answers to every call made inside."""
    exchanges: list[Exchange] = []
    token = _GATHERED.set(exchanges)
    try:
        yield exchanges
    finally:
        _GATHERED.reset(token)


def note(route: str, status: int, document: object) -> None:
    exchanges = _GATHERED.get()
    if exchanges is not None:
        exchanges.append(Exchange(route, status, _without_secrets(document)))


def _without_secrets(document: object) -> object:
    if isinstance(document, dict):
        return {
            name: _LEFT_OUT if name in _SECRETS else _without_secrets(value)
            for name, value in document.items()
        }
    if isinstance(document, list):
        return [_without_secrets(each) for each in document]
    return document
