"""The driver's connection as our pools hand it out: what a statement set for the session goes with
the transaction, in the same message as its COMMIT; and a transaction that speaks for nobody but
the server says so in the same message as its BEGIN.
"""

from typing import Any, Final

import asyncpg

_BEGIN: Final = "BEGIN;"
_COMMIT: Final = "COMMIT;"
"""What asyncpg sends; for any other text `tidy` asks anew, which costs a message and no safety."""


class TidyConnection(asyncpg.Connection):  # type: ignore[misc] # asyncpg has no types
    """Between transactions it has no settings, locks, cursors or listeners of its own."""

    _is_tidy = False
    opening: str | None = None
    """What the next transaction begins with, in place of a plain BEGIN."""

    async def execute(self, query: str, *args: Any, timeout: float | None = None) -> str:  # noqa: ANN401, ASYNC109 - asyncpg's own
        self._is_tidy = False
        if query == _BEGIN and self.opening is not None:
            query, self.opening = self.opening, None
        if query != _COMMIT:
            return await super().execute(query, *args, timeout=timeout)  # type: ignore[no-any-return]
        # A COMMIT that fails ends the message there.
        status: str = await super().execute(_COMMIT + self.get_reset_query(), timeout=timeout)
        self._is_tidy = True
        return status

    async def tidy(self) -> None:
        """Leave nothing behind, unless the last COMMIT saw to it; every transaction begins with an
        `execute`.
        """
        if not self._is_tidy:
            await self.reset()
            self._is_tidy = True
