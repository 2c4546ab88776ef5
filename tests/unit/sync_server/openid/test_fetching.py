"""What is fetched once and shared, without a network."""

import asyncio
import subprocess
import sys
from dataclasses import dataclass, field

import pytest

from shared.clock import SettableClock
from sync_server.openid.errors import OpenidProviderUnavailableError
from sync_server.openid.fetching import Kept

AGE_MS = 1_000


@dataclass(slots=True)
class Source:
    """Gives a number a fetch; holds it back, or fails, as told."""

    fetches: int = 0
    is_away: bool = False
    may_answer: asyncio.Event = field(default_factory=asyncio.Event)

    async def fetch(self) -> int:
        self.fetches += 1
        await self.may_answer.wait()
        if self.is_away:
            raise OpenidProviderUnavailableError
        return self.fetches


@pytest.fixture
def clock() -> SettableClock:
    return SettableClock(0)


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
def kept(source: Source, clock: SettableClock) -> Kept[int]:
    return Kept(source.fetch, clock)


async def test_a_value_is_fetched_when_it_is_too_old(
    kept: Kept[int], source: Source, clock: SettableClock
) -> None:
    source.may_answer.set()
    first = await kept.get(AGE_MS)
    clock.advance(AGE_MS - 1)
    same = await kept.get(AGE_MS)
    clock.advance(1)
    assert (first, same, await kept.get(AGE_MS)) == (1, 1, 2)


async def test_who_waits_together_shares_one_fetch(kept: Kept[int], source: Source) -> None:
    waiting = [asyncio.create_task(kept.get(AGE_MS)) for _ in range(5)]
    await asyncio.sleep(0)
    source.may_answer.set()
    assert (await asyncio.gather(*waiting), source.fetches) == ([1] * 5, 1)


async def test_who_waits_together_shares_one_failure_and_whoever_comes_later_tries(
    kept: Kept[int], source: Source
) -> None:
    source.is_away = True
    waiting = [asyncio.create_task(kept.get(AGE_MS)) for _ in range(5)]
    await asyncio.sleep(0)
    source.may_answer.set()
    failed = await asyncio.gather(*waiting, return_exceptions=True)
    source.is_away = False
    assert {type(one) for one in failed} == {OpenidProviderUnavailableError}
    assert (await kept.get(AGE_MS), source.fetches) == (2, 2)


async def test_whoever_leaves_while_fetching_takes_nobody_along(
    kept: Kept[int], source: Source
) -> None:
    first, second = (asyncio.create_task(kept.get(AGE_MS)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    source.may_answer.set()
    assert await second == 2


def test_the_server_uses_nothing_of_authlib_that_will_go() -> None:
    program = (
        "import sys, sync_server.app;"
        "print(*(name for name in sys.modules"
        " if name.startswith(('authlib.jose', 'authlib.integrations'))))"
    )
    command = [sys.executable, "-W", "error::DeprecationWarning", "-c", program]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout.strip()) == (0, ""), ran.stderr
