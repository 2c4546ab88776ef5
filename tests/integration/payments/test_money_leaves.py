"""The dial of faults turned to every position on every rail for money that leaves: it leaves once,
and the books close.
"""

from functools import partial
from uuid import UUID

from sync_server.payouts.rules import OPEN, PayoutState
from sync_server.sandboxes.engine import MovementState, Operation
from tests.factories.ledger import balances
from tests.factories.payments import SHARES
from tests.factories.positions import ASKED, Kind, Position, Way, turned
from tests.factories.till import PAID_OUT, TWO_MINUTES_MS, Till, turning

S = PayoutState
_SENT_BEFORE = frozenset({Operation.TOKEN, Operation.READ})


@turning(Way.LEAVING, Kind.ANSWERS)
async def test_money_leaves_once_whatever_is_lost_on_the_way(till: Till) -> None:
    """What stands around a call suffers before it, at the name that is asked for, and after it."""
    treasury = await till.treasury()
    before = turned(till.rail.rail, Way.LEAVING, Kind.ANSWERS)
    after = tuple(each for each in before if each[0] in _SENT_BEFORE)
    turns = [*((each, False) for each in before), *((each, True) for each in after)]
    for position, is_sent in turns:
        payout_id = await treasury.approved(PAID_OUT)
        await _send(till, payout_id, position, is_sent=is_sent)
        await till.rail.engine.settle(await treasury.reference(payout_id), MovementState.SUCCEEDED)
        till.clock.advance(TWO_MINUTES_MS)
        assert (await till.payouts.refresh(payout_id)).state is S.SUCCEEDED
        till.note(position)
    till.require_all_turned(Way.LEAVING, Kind.ANSWERS)
    await _require_gone(till, len(turns))


async def _send(till: Till, payout_id: UUID, position: Position, *, is_sent: bool) -> None:
    if is_sent:
        await till.payouts.submit(payout_id)
    till.turn(position)
    # A name that nobody told is asked for again.
    for _ in range(2):
        await till.payouts.submit(payout_id)
    till.clock.advance(TWO_MINUTES_MS)
    await till.payouts.refresh(payout_id)


@turning(Way.LEAVING, Kind.CALLBACKS)
async def test_money_leaves_once_however_it_is_called_back(till: Till) -> None:
    """Nobody asks by themselves but where no callback comes at all."""
    treasury = await till.treasury()
    positions = turned(till.rail.rail, Way.LEAVING, Kind.CALLBACKS)
    for position in positions:
        payout_id = await treasury.approved(PAID_OUT)
        till.turn(position)
        asked = await till.pay_out(treasury, payout_id)
        await till.finish(asked, position[1], partial(till.payouts.refresh, payout_id))
        assert await till.payout_state(payout_id) is S.SUCCEEDED, position
        till.note(position)
    till.require_all_turned(Way.LEAVING, Kind.CALLBACKS)
    await _require_gone(till, len(positions))


@turning(Way.LEAVING, Kind.CALLBACKS)
async def test_a_stranger_says_in_vain_that_money_left(till: Till) -> None:
    treasury = await till.treasury()
    payout_id = await treasury.approved(PAID_OUT)
    await till.say_falsely(await till.pay_out(treasury, payout_id))
    assert await till.payout_state(payout_id) in OPEN
    assert await till.balance("payout_in_transit") == -PAID_OUT


@turning(Way.LEAVING, Kind.READINGS)
async def test_other_money_than_was_sent_is_posted_by_nobody(till: Till) -> None:
    """What a bank has booked it says for ever; whoever is asked again may say the right thing."""
    treasury, states = await till.treasury(), []
    positions = turned(till.rail.rail, Way.LEAVING, Kind.READINGS)
    for position in positions:
        payout_id = await treasury.approved(PAID_OUT)
        await till.settle_untold(await till.pay_out(treasury, payout_id))
        till.clock.advance(TWO_MINUTES_MS)
        till.turn(position)
        assert (await till.payouts.refresh(payout_id)).state in OPEN
        till.note(position)
        states.append((await till.payouts.refresh(payout_id)).state)
    till.require_all_turned(Way.LEAVING, Kind.READINGS)
    assert set(states) == {S.SUCCEEDED if till.rail.rail.is_called else S.PENDING}
    await _require_gone(till, len(positions), states.count(S.SUCCEEDED))


async def _require_gone(till: Till, sent: int, told: int | None = None) -> None:
    """Each was sent once; what the rail said of it as it was has left the books."""
    gone = sent if told is None else told
    movements = till.rail.engine.movements.values()
    assert sum(each.operation is ASKED[Way.LEAVING] for each in movements) == sent
    assert await till.balance("payout_in_transit") == -(sent - gone) * PAID_OUT
    left = await balances(till.services, till.tenant)
    assert left["organizer_available"] == sent * PAID_OUT - SHARES.organizer.minor_units
    await till.require_closed_books()
