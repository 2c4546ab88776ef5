"""Tells the log why a passkey was refused; whoever showed it learns no more than that it was."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

import structlog

from sync_server.passkeys.errors import PasskeyRefusedError

_LOG: Final = structlog.get_logger(__name__)


@contextmanager
def refusals_logged(headers: Mapping[str, str] | None = None) -> Iterator[None]:
    """Log the reason, and add header fields to the answer."""
    try:
        yield
    except PasskeyRefusedError as refused:
        _LOG.warning("passkey.refused", reason=refused.reason.value)
        refused.headers.update(headers or {})
        raise
