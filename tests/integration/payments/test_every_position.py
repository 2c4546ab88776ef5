"""Every position of the dial of faults is turned on every rail, for money that comes, goes back and
leaves, or there is a reason why it never comes.
"""

from itertools import product

import pytest

from sync_server.sandboxes.engine import (
    OF_ANSWERS,
    OF_CALLBACKS,
    OF_READINGS,
    Movement,
    Operation,
)
from tests.factories.payments import reference_of
from tests.factories.positions import (
    ASKED,
    BESIDE,
    NEVER,
    Kind,
    Position,
    Way,
    beside,
    everything,
    turned,
)
from tests.factories.rails import CALLED_RAILS, RAILS, Rail
from tests.factories.till import Till, on_rails


@pytest.mark.parametrize("way", Way)
@pytest.mark.parametrize("rail", RAILS, ids=lambda rail: rail.name)
def test_every_position_is_turned_or_never_comes(rail: Rail, way: Way) -> None:
    known = everything(rail, way)
    done = {each for kind in Kind for each in turned(rail, way, kind)}
    never = {each for positions in NEVER[rail.name, way].values() for each in positions} & known
    assert (done | never, done & never) == (known, set())
    assert all(positions & known for positions in NEVER[rail.name, way].values())


def test_the_dial_has_no_other_positions() -> None:
    every: set[Position] = set()
    for rail, way in product(CALLED_RAILS, Way):
        every |= everything(rail, way)
    for operation in BESIDE:
        every |= set(beside(operation))
    assert every == {
        *product(set(Operation) - {Operation.CALLBACK}, OF_ANSWERS),
        *product({Operation.CALLBACK}, OF_CALLBACKS),
        *product({Operation.READ}, OF_READINGS),
    }


@on_rails(RAILS)
async def test_a_provider_calls_back_of_what_it_is_said_to(till: Till) -> None:
    called = {
        way for way, movement in (await _one_each(till)).items() if await _hears(till, movement)
    }
    assert called == {way for way in Way if ASKED[way] in till.rail.rail.calls_back}


async def _one_each(till: Till) -> dict[Way, Movement]:
    """Money that came, that is asked back, and that is paid out where the rail does that."""
    payment = await till.pay()
    came = till.rail.engine.movements[await reference_of(till.services, payment)]
    _, asked = await till.ask_back(payment)
    found = {Way.COMING: came, Way.GOING_BACK: asked}
    if till.rail.rail.disburses:
        treasury = await till.treasury()
        found[Way.LEAVING] = await till.pay_out(treasury, await treasury.approved())
    return found


async def _hears(till: Till, movement: Movement) -> bool:
    """Whether anything comes when the provider is done."""
    till.rail.merchant.notices.clear()
    await till.settle(movement)
    return bool(till.rail.merchant.notices)
