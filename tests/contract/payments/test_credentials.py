"""What every rail says when its configuration is tried, against its own sandbox."""

from collections.abc import AsyncIterator

import pytest

from sync_server.payments.ports import Accepted, Answer, CredentialCheck, Refused, Unknown
from sync_server.sandboxes.engine import Fault
from tests.factories.rails import CALLED_RAILS, Rail, RunningRail, running


@pytest.fixture(params=CALLED_RAILS, ids=lambda rail: rail.name)
async def rail(request: pytest.FixtureRequest) -> AsyncIterator[RunningRail]:
    wanted: Rail = request.param
    async with running(wanted) as rail:
        yield rail


async def _checked(client: object) -> Answer:
    assert isinstance(client, CredentialCheck)
    return await client.check_credentials()


async def test_who_is_known_is_told_so(rail: RunningRail) -> None:
    assert await _checked(rail.collector) == Accepted()
    assert rail.engine.movements == {}


async def test_who_is_not_known_is_refused(rail: RunningRail) -> None:
    make = rail.rail.wrong_credentials
    assert make is not None
    answer = await _checked(make(rail.line, rail.clock))
    assert isinstance(answer, Refused)
    assert answer.code


@pytest.mark.parametrize(
    "fault", [Fault.UNAVAILABLE, Fault.TOO_MANY, Fault.HTML_ERROR, Fault.LOST_ANSWER]
)
async def test_a_provider_that_is_away_says_nothing_of_credentials(
    rail: RunningRail, fault: Fault
) -> None:
    rail.engine.dial.turn(rail.rail.credentials_by, fault)
    assert isinstance(await _checked(rail.collector), Unknown)
