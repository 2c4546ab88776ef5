"""How often may be tried: counters in the database, for who is asked for and where they ask from.

A stranger is slowed down by network; the owner's known device has a counter of its own, so nobody
can lock an owner out.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from sync_server.identity import repository
from sync_server.identity.errors import TooManyAttemptsError
from sync_server.kit.claims import WORKER
from sync_server.kit.instants import instant
from sync_server.kit.services import Services


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `attempts` in a window that begins with the first."""

    name: str
    attempts: int
    window_seconds: int


SIGN_IN: Final = Limit("sign-in", 10, 900)
SIGN_IN_NETWORK: Final = Limit("sign-in-network", 200, 900)
SIGN_IN_DEVICE: Final = Limit("sign-in-device", 20, 900)
PASSWORD_CHANGE: Final = Limit("password-change", 10, 900)
SECOND_FACTOR: Final = Limit("second-factor", 10, 900)
LETTERS: Final = Limit("letters", 5, 3_600)
LETTERS_NETWORK: Final = Limit("letters-network", 60, 3_600)
LETTERS_ADDRESS: Final = Limit("letters-address", 10, 3_600)


@dataclass(frozen=True, slots=True)
class Counted:
    """One limit, applied to one subject."""

    limit: Limit
    subject: str

    @property
    def key_hash(self) -> bytes:
        return hashlib.sha256(f"{self.limit.name}\x00{self.subject}".encode()).digest()


@dataclass(frozen=True, slots=True)
class Standing:
    """How much of a limit is left, and when it is whole again."""

    limit: Limit
    attempts: int
    seconds_left: int

    @property
    def remaining(self) -> int:
        return max(self.limit.attempts - self.attempts, 0)

    @property
    def is_exceeded(self) -> bool:
        return self.attempts > self.limit.attempts

    @property
    def headers(self) -> dict[str, str]:
        """The header fields of the IETF's draft on rate limits."""
        name, window = self.limit.name, self.limit.window_seconds
        return {
            "RateLimit-Policy": f'"{name}";q={self.limit.attempts};w={window}',
            "RateLimit": f'"{name}";r={self.remaining};t={self.seconds_left}',
        }


async def count(services: Services, *counted: Counted) -> Standing:
    """Count one attempt for each, whatever becomes of it; give the standing that is nearest its
    end, or raise TooManyAttemptsError.
    """
    now = instant(services.clock.now_ms())
    async with services.database.transaction(WORKER) as session:
        # Always in one order: two requests that count the same things never wait for each other.
        standings = [
            _standing(each.limit, now, await _counted_in(session, each, now))
            for each in sorted(counted, key=lambda each: each.key_hash)
        ]
        await repository.forget_attempts(session, now - timedelta(days=1))
    tightest = min(standings, key=lambda standing: standing.limit.attempts - standing.attempts)
    if tightest.is_exceeded:
        headers = {**tightest.headers, "Retry-After": str(tightest.seconds_left)}
        refused = TooManyAttemptsError(headers=headers)
        refused.is_first = tightest.attempts == tightest.limit.attempts + 1
        raise refused
    return tightest


async def forgive(services: Services, *counted: Counted) -> None:
    """Take one attempt back: it was the right person."""
    async with services.database.transaction(WORKER) as session:
        for each in sorted(counted, key=lambda each: each.key_hash):
            await repository.forgive_attempt(session, each.key_hash)


async def _counted_in(
    session: AsyncSession, counted: Counted, now: datetime
) -> tuple[int, datetime]:
    window = timedelta(seconds=counted.limit.window_seconds)
    return await repository.count_attempt(session, counted.key_hash, now, window)


def _standing(limit: Limit, now: datetime, found: tuple[int, datetime]) -> Standing:
    attempts, started = found
    passed = int((now - started).total_seconds())
    return Standing(limit, attempts, max(limit.window_seconds - passed, 1))
