"""Random sales, refunds, payouts, storms of callbacks, killed workers and jumping clocks: after
every step the books balance and orders, tickets and providers agree with them.

`MONEY_MACHINE_EXAMPLES=500` looks for longer than a suite can.
"""

import asyncio
import os
from collections.abc import Coroutine, Iterator
from pathlib import Path
from secrets import token_hex
from typing import Any, ClassVar, TypeVar

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from shared.clock import SettableClock, system_clock
from shared.money import Money
from sync_server.kit.database import Database, DatabaseLimits
from sync_server.ledger import service as ledger
from sync_server.orders.schemas import PaymentWanted
from sync_server.payments.rules import Finding, Provider
from sync_server.payouts import releases
from sync_server.reconciliation import service as reconciliation
from tests.factories.market import PROMO_CODE, PROVIDERS, Market, open_market
from tests.factories.model_provider import CLOSED_ACCOUNT, Kind, Mishap, ModelProvider, Moved
from tests.factories.money_truth import require_settled, require_truth
from tests.factories.orders import an_order
from tests.plugins.postgres import Cluster, services_on, spare_clone

_Item = TypeVar("_Item")
_EXAMPLES = int(os.environ.get("MONEY_MACHINE_EXAMPLES", "10"))
_STEPS = int(os.environ.get("MONEY_MACHINE_STEPS", "50"))
_MINUTE, _HOUR, _DAY = 60_000, 3_600_000, 86_400_000
_WHICH = st.integers(0, 30)
_ACCOUNT = "3100012345"
_COUNTS = st.integers(1, 3)
_RAILS = st.sampled_from(PROVIDERS)
# A third of all calls suffer something.
_MISHAPS = st.sampled_from([Mishap.NOTHING] * 2 * len(Mishap) + list(Mishap))
_KILLED_AFTER = st.one_of(st.none(), st.none(), st.none(), st.integers(0, 12))
_TAKEN_BACK = st.sampled_from([Finding.DISPUTED, Finding.REVERSED])
_YES_OR_NO = st.sampled_from([Finding.SUCCEEDED] * 3 + [Finding.FAILED, Finding.EXPIRED])


class MoneyMachine(RuleBasedStateMachine):
    """Each rule is a step that somebody may take at any time; what is refused changes nothing."""

    agreed: ClassVar[int] = 0
    runner: asyncio.Runner
    database: Database
    folder: Path

    def __init__(self) -> None:
        super().__init__()
        self.clock = SettableClock(system_clock().now_ms())
        self.services = services_on(self.database, self.clock, self.folder)
        self.agrees = False

    def run(self, work: Coroutine[Any, Any, Any]) -> None:
        self.runner.run(work)

    @initialize(rails=st.lists(_RAILS, min_size=3, max_size=3))
    def open(self, rails: list[Provider]) -> None:
        """There is money in the books from the beginning, and some of it may be paid out."""
        self.market: Market = self.runner.run(open_market(self.services, self.clock))
        for count, rail in enumerate(rails, start=1):
            self.sell(rail, count)
        self.event_is_over(None)

    def befall(self, rail: Provider, mishap: Mishap) -> None:
        if mishap is not Mishap.NOTHING:
            self.market.providers[rail].mishaps.append(mishap)

    @rule(rail=_RAILS, count=_COUNTS, mishap=_MISHAPS, promo=st.booleans(), dies=_KILLED_AFTER)
    def buy(
        self, rail: Provider, count: int, mishap: Mishap, promo: bool, dies: int | None
    ) -> None:
        market = self.market
        self.befall(rail, mishap)
        payment, code = PaymentWanted(provider=rail), PROMO_CODE if promo else None
        wanted = an_order(market.types[market.event_id], count, payment=payment, promo_code=code)
        self.run(market.do(market.buy(wanted, market.event_id, token_hex(16)), dies))

    @rule(rail=_RAILS, count=_COUNTS)
    def sell(self, rail: Provider, count: int) -> None:
        """As it goes on most days: so that there is money that something can become of."""
        market = self.market
        payment = PaymentWanted(provider=rail)
        wanted = an_order(market.types[market.event_id], count, payment=payment)
        self.run(market.do(market.buy(wanted, market.event_id, token_hex(16))))
        for model, moved in market.movements(Kind.COLLECTION, Finding.PENDING)[-1:]:
            market.decide(model, moved, Finding.SUCCEEDED)
            self.run(market.do(market.hear(model.provider, moved.reference)))

    @rule(free=st.booleans(), count=_COUNTS)
    def hold(self, free: bool, count: int) -> None:
        market = self.market
        event_id = market.free_event_id if free else market.event_id
        wanted = an_order(market.types[event_id], count)
        self.run(market.do(market.buy(wanted, event_id, token_hex(16))))

    @rule()
    def buy_again(self) -> None:
        self.run(self.market.do(self.market.buy_again()))

    @rule(which=_WHICH, rail=_RAILS, mishap=_MISHAPS, dies=_KILLED_AFTER)
    def pay(self, which: int, rail: Provider, mishap: Mishap, dies: int | None) -> None:
        for placed in _one_of(self.market.placed, which):
            self.befall(rail, mishap)
            self.run(self.market.do(self.market.pay(placed, rail), dies))

    @rule(which=_WHICH)
    def cancel(self, which: int) -> None:
        for placed in _one_of(self.market.placed, which):
            self.run(self.market.do(self.market.cancel(placed)))

    @rule(count=_COUNTS)
    def sell_for_cash(self, count: int) -> None:
        self.run(self.market.do(self.market.sell_for_cash(count)))

    @rule(which=_WHICH, finding=_YES_OR_NO)
    def payer_decides(self, which: int, finding: Finding) -> None:
        market = self.market
        for model, moved in _one_of(market.movements(Kind.COLLECTION, Finding.PENDING), which):
            market.decide(model, moved, finding)

    @rule(which=_WHICH)
    def payer_is_late(self, which: int) -> None:
        over = self.market.movements(Kind.COLLECTION, Finding.FAILED, Finding.EXPIRED)
        for model, moved in _one_of(over, which):
            self.market.decide(model, moved, Finding.SUCCEEDED)

    @rule(which=_WHICH, currency=st.sampled_from(["UGX", "KES"]))
    def payer_pays_something_else(self, which: int, currency: str) -> None:
        market = self.market
        for model, moved in _one_of(market.movements(Kind.COLLECTION, Finding.PENDING), which):
            model.pay_otherwise(moved, Money(moved.amount.minor_units - 1, currency))
            market.notices.append((model.provider, moved.reference))

    @rule(which=_WHICH, line=_COUNTS)
    def give_a_part_back(self, which: int, line: int) -> None:
        """As it goes on most days."""
        market = self.market
        for placed in _one_of(market.placed, which):
            self.run(market.do(market.give_back(placed.id, frozenset({line}))))
            for model, moved in market.movements(Kind.REFUND, Finding.PENDING):
                market.decide(model, moved, Finding.SUCCEEDED)
            self.clock.advance(_MINUTE)
            self.run(market.do(market.poll()))

    @rule(which=_WHICH, finding=_YES_OR_NO)
    def provider_decides_a_refund(self, which: int, finding: Finding) -> None:
        market = self.market
        for model, moved in _one_of(market.movements(Kind.REFUND, Finding.PENDING), which):
            market.decide(model, moved, finding)

    @rule(which=_WHICH, finding=_YES_OR_NO)
    def rail_decides_a_payout(self, which: int, finding: Finding) -> None:
        market = self.market
        for model, moved in _one_of(market.movements(Kind.DISBURSEMENT, Finding.PENDING), which):
            market.decide(model, moved, finding)

    @rule(which=_WHICH, finding=_TAKEN_BACK)
    def bank_takes_back(self, which: int, finding: Finding) -> None:
        """A day later; what was set aside is left to the person who looks at it."""
        self.days_go_by(1)
        came = self.market.movements(Kind.COLLECTION, Finding.SUCCEEDED)
        for model, moved in _one_of([each for each in came if each[1].is_as_asked], which):
            self.take_back(model, moved, finding)

    @rule(which=_WHICH, line=_COUNTS, finding=_TAKEN_BACK, silences=st.integers(0, 2))
    def bank_is_quicker(self, which: int, line: int, finding: Finding, silences: int) -> None:
        """Some was given back just before, which nobody has read or can read now."""
        market = self.market
        for placed in _one_of(market.placed, which):
            self.run(market.do(market.give_back(placed.id, frozenset({line}))))
        for model, moved in market.movements(Kind.REFUND, Finding.PENDING):
            whole = model.movements[moved.of]
            # Another refund of the same payment may have been stopped by what was taken back.
            if moved.finding is Finding.PENDING:
                market.decide(model, moved, Finding.SUCCEEDED)
            if whole.finding is Finding.SUCCEEDED:
                model.refund_silences = silences
                self.take_back(model, whole, finding)

    def take_back(self, model: ModelProvider, moved: Moved, finding: Finding) -> None:
        self.market.decide(model, moved, finding)
        self.run(self.market.do(self.market.hear(model.provider, moved.reference)))

    @rule(which=_WHICH, finding=st.sampled_from([Finding.SUCCEEDED, Finding.REVERSED]))
    def dispute_ends(self, which: int, finding: Finding) -> None:
        market = self.market
        for model, moved in _one_of(market.movements(Kind.COLLECTION, Finding.DISPUTED), which):
            market.decide(model, moved, finding)
            self.run(market.do(market.hear(model.provider, moved.reference)))

    @rule(copies=st.integers(1, 3), reversed_order=st.booleans(), polled=st.booleans())
    def callbacks_storm(self, copies: int, reversed_order: bool, polled: bool) -> None:
        """All that were on their way come at once, several times, beside a worker that polls."""
        market = self.market
        heard = market.notices[::-1] if reversed_order else market.notices[:]
        market.notices.clear()
        work = [market.hear(*notice) for notice in heard for _ in range(copies)]
        self.run(market.all_at_once(*work, *([market.poll()] if polled else [])))

    @rule(which=_WHICH)
    def callbacks_are_lost(self, which: int) -> None:
        del self.market.notices[which % 3 :]

    @rule(which=_WHICH, rail=_RAILS, forged=st.sampled_from([None, "", "nobody's"]))
    def stranger_calls(self, which: int, rail: Provider, forged: str | None) -> None:
        """Of what there is, of another rail, or of nobody: also early, before anything is paid."""
        market = self.market
        known = [reference for model in market.providers.values() for reference in model.movements]
        for reference in [forged] if forged is not None else _one_of(known, which):
            self.run(market.do(market.hear(rail, reference)))

    @rule(rail=_RAILS, silences=st.integers(0, 2), mishap=_MISHAPS, dies=_KILLED_AFTER)
    def poll(self, rail: Provider, silences: int, mishap: Mishap, dies: int | None) -> None:
        self.market.providers[rail].silences = silences
        self.befall(rail, mishap)
        self.run(self.market.do(self.market.poll(), dies))

    @rule()
    def network_delivers(self) -> None:
        for model in self.market.providers.values():
            model.deliver()

    @rule(dies=_KILLED_AFTER)
    def expire(self, dies: int | None) -> None:
        self.run(self.market.do(self.market.expire(), dies))

    @rule(which=_WHICH, lines=st.frozensets(_COUNTS, max_size=2), rail=_RAILS, mishap=_MISHAPS)
    def give_back(self, which: int, lines: frozenset[int], rail: Provider, mishap: Mishap) -> None:
        market = self.market
        for order_id in _one_of([*(each.id for each in market.placed), *market.sold], which):
            self.befall(rail, mishap)
            self.run(market.do(market.give_back(order_id, lines)))

    @rule(which=_WHICH, rail=_RAILS, mishap=_MISHAPS, dies=_KILLED_AFTER)
    def retry_refund(self, which: int, rail: Provider, mishap: Mishap, dies: int | None) -> None:
        for refund_id in _one_of([*self.runner.run(self.market.failed_refunds())], which):
            self.befall(rail, mishap)
            self.run(self.market.do(self.market.retry_refund(refund_id), dies))

    @rule(which=_WHICH, is_open=st.booleans(), mishap=_MISHAPS, dies=_KILLED_AFTER)
    def name_account(self, which: int, is_open: bool, mishap: Mishap, dies: int | None) -> None:
        account = _ACCOUNT if is_open else CLOSED_ACCOUNT
        for placed in _one_of(self.market.placed, which):
            self.befall(Provider.BANK, mishap)
            self.run(self.market.do(self.market.name_account(placed, account), dies))

    @rule(amount=st.integers(1, 150_000))
    def ask_payout(self, amount: int) -> None:
        self.run(self.market.do(self.market.ask_payout(amount)))

    @rule(which=_WHICH, mishap=_MISHAPS, dies=_KILLED_AFTER)
    def approve_payout(self, which: int, mishap: Mishap, dies: int | None) -> None:
        for payout_id in _one_of(self.market.payouts, which):
            self.befall(Provider.MTN, mishap)
            self.run(self.market.do(self.market.approve_payout(payout_id), dies))

    @rule(which=_WHICH)
    def refuse_payout(self, which: int) -> None:
        for payout_id in _one_of(self.market.payouts, which):
            self.run(self.market.do(self.market.refuse_payout(payout_id)))

    @rule(which=_WHICH)
    def payout_comes_back(self, which: int) -> None:
        gone = self.market.movements(Kind.DISBURSEMENT, Finding.SUCCEEDED)
        for model, moved in _one_of(gone, which):
            self.market.decide(model, moved, Finding.REVERSED)

    def days_go_by(self, days: int) -> None:
        """No provider keeps silent about a refund for so long."""
        self.clock.advance(days * _DAY)
        for model in self.market.providers.values():
            model.refund_silences = 0

    @rule(dies=_KILLED_AFTER)
    def event_is_over(self, dies: int | None) -> None:
        """What was pending is released once the hold is over; tickets are still sold."""
        self.days_go_by(30)
        self.run(self.market.do(releases.release_due(self.market.services), dies))

    @rule(which=_WHICH, line=_COUNTS, copies=st.integers(1, 2), amount=st.integers(1, 150_000))
    def event_is_over_for_many(self, which: int, line: int, copies: int, amount: int) -> None:
        """Holds end while money goes back, is paid out and is heard of, all at once."""
        market = self.market
        self.days_go_by(30)
        heard = market.notices[:]
        market.notices.clear()
        given_back = [
            market.give_back(order_id, frozenset({line}))
            for order_id in _one_of([*(each.id for each in market.placed), *market.sold], which)
        ]
        released = [releases.release_due(market.services) for _ in range(copies)]
        told = [market.hear(*notice) for notice in heard]
        self.run(market.all_at_once(*given_back, *released, market.ask_payout(amount), *told))

    @rule()
    def checkpoint(self) -> None:
        self.run(ledger.make_checkpoints(self.market.services))

    @rule(by=st.sampled_from([6_000, 31_000, 2 * _MINUTE, 16 * _MINUTE, _HOUR]))
    def clock_goes_on(self, by: int) -> None:
        self.clock.advance(by)

    @rule()
    def day_goes_by(self) -> None:
        self.days_go_by(1)

    @rule(by=st.sampled_from([1, 10_000, _HOUR, _DAY]))
    def clock_jumps_back(self, by: int) -> None:
        self.clock.current_ms -= by

    @invariant()
    def everything_agrees(self) -> None:
        self.agrees = False
        self.run(require_truth(self.market))
        self.agrees = True
        type(self).agreed += 1

    def teardown(self) -> None:
        if self.agrees:
            self.run(self._settle())

    async def _settle(self) -> None:
        await self.market.drain()
        await require_truth(self.market)
        await require_settled(self.market)
        services = self.market.services
        await ledger.make_checkpoints(services)
        report = await reconciliation.run(services, reconciliation.RunSource.OPERATOR)
        assert report.is_clean, report.items


def _one_of(items: list[_Item], which: int) -> list[_Item]:
    """One of them, or none where there is none."""
    return [items[which % len(items)]] if items else []


@pytest.fixture(scope="module")
def running_machine(
    embedded_cluster: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[type[MoneyMachine]]:
    """The machine in a database of its own, whose books are all its."""
    with spare_clone(embedded_cluster) as clone, asyncio.Runner() as runner:
        database = Database(clone.login_url, DatabaseLimits(connections_max=20))
        opened = {
            "runner": runner,
            "database": database,
            "folder": tmp_path_factory.mktemp("market"),
        }
        yield type("RunningMachine", (MoneyMachine,), opened)
        runner.run(database.close())


@pytest.mark.timeout(60 * _EXAMPLES)
def test_money_is_kept_whatever_happens(running_machine: type[MoneyMachine]) -> None:
    wanted = settings(max_examples=_EXAMPLES, stateful_step_count=_STEPS, phases=[Phase.generate])
    run_state_machine_as_test(running_machine, settings=wanted)
    assert running_machine.agreed >= _EXAMPLES
