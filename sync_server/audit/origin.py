"""Where the work at hand comes from: set once a request, read wherever something is recorded."""

from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Final

from sync_server.audit.rules import Access


@dataclass(frozen=True, slots=True)
class Origin:
    """A request's id and the address it came from; `noted` is recorded when it was answered."""

    request_id: str | None = None
    network_address: str | None = None
    noted: list[Access] = field(default_factory=list)


CURRENT_ORIGIN: Final[ContextVar[Origin | None]] = ContextVar("audit_origin", default=None)


def current_origin() -> Origin:
    """Outside a request (a command, a job) there is no address to tell."""
    return CURRENT_ORIGIN.get() or Origin()
