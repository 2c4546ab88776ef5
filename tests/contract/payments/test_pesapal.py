"""What is Pesapal's own, beyond what every rail keeps to."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import cast

import pytest
from starlette.types import ASGIApp

from shared.clock import Clock
from sync_server.payments.ports import Accepted, CollectionRequest, Payer, Refused, Withdrawing
from sync_server.payments.providers.pesapal import Pesapal, PesapalConfiguration
from sync_server.payments.rules import Finding
from sync_server.sandboxes import pesapal as pesapal_sandbox
from sync_server.sandboxes.engine import Engine, Fault, MovementState, Operation
from sync_server.sandboxes.pages import Choice
from sync_server.sandboxes.pesapal import PesapalSandbox
from tests.factories.rails import PESAPAL, Rail, RunningRail, running


@pytest.fixture
def sandboxes() -> list[PesapalSandbox]:
    return []


@pytest.fixture
async def rail(sandboxes: list[PesapalSandbox]) -> AsyncIterator[RunningRail]:
    async with running(_remembering(sandboxes)) as rail:
        yield rail


def _remembering(sandboxes: list[PesapalSandbox]) -> Rail:
    """Pesapal's rail whose sandbox a test can reach."""

    def make_app(engine: Engine, clock: Clock) -> ASGIApp:
        sandboxes.append(PesapalSandbox(engine, clock))
        return sandboxes[-1].app()

    return replace(PESAPAL, make_app=make_app)


@pytest.fixture
def pesapal(rail: RunningRail) -> Pesapal:
    return cast("Pesapal", rail.collector)


def _with_changes(rail: RunningRail, **changes: str) -> Pesapal:
    configuration = PesapalConfiguration(
        rail.line.base_url, pesapal_sandbox.CONSUMER_KEY, pesapal_sandbox.CONSUMER_SECRET
    )
    return Pesapal(replace(configuration, **changes), rail.line, rail.clock)


async def _press(rail: RunningRail, request: CollectionRequest, choice: Choice) -> str | None:
    """Ask for money, have the buyer choose, and give the tracking id."""
    answer = await rail.collector.collect(request)
    assert isinstance(answer, Accepted), answer
    await rail.press(answer.redirect_url or "", choice)
    return answer.provider_reference


async def test_a_merchant_says_once_where_notifications_go(
    rail: RunningRail, pesapal: Pesapal
) -> None:
    url = f"{rail.merchant.url}/callback"
    ids = [await pesapal.register_ipn(url), await _with_changes(rail).register_ipn(url)]
    assert ids[0] is not None
    assert ids == [ids[0]] * 2


async def test_a_crowd_registers_once(rail: RunningRail, pesapal: Pesapal) -> None:
    answers = await asyncio.gather(*(pesapal.collect(rail.request()) for _ in range(5)))
    assert {type(answer) for answer in answers} == {Accepted}


async def test_an_id_from_the_settings_is_used_as_it_is(rail: RunningRail) -> None:
    registered = await _with_changes(rail).register_ipn(f"{rail.merchant.url}/callback")
    right, wrong = (_with_changes(rail, ipn_id=ipn_id) for ipn_id in (registered or "", "another"))
    assert isinstance(await right.collect(rail.request()), Accepted)
    assert await wrong.collect(rail.request()) == Refused("invalid_ipn_id")


async def test_an_id_that_is_known_no_more_is_registered_anew(
    rail: RunningRail, pesapal: Pesapal, sandboxes: list[PesapalSandbox]
) -> None:
    await pesapal.collect(rail.request())
    sandboxes[0].forget_ipns()
    answers = [await pesapal.collect(rail.request()) for _ in range(2)]
    assert [type(answer) for answer in answers] == [Refused, Accepted]


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_notifications_come_both_ways(rail: RunningRail, method: str) -> None:
    client = _with_changes(rail, ipn_method=method)
    request = rail.request()
    answer = await client.collect(request)
    assert isinstance(answer, Accepted)
    await rail.engine.settle(request.reference, MovementState.SUCCEEDED)
    [notice] = rail.merchant.notices
    hint = client.read_notice(notice)
    assert hint is not None
    assert (notice.method, hint.reference, hint.event) == (method, request.reference, "IPNCHANGE")
    assert client.acknowledge(hint) == {
        "orderNotificationType": "IPNCHANGE",
        "orderTrackingId": answer.provider_reference,
        "orderMerchantReference": request.reference,
        "status": 200,
    }


async def test_names_are_read_in_any_case(rail: RunningRail, pesapal: Pesapal) -> None:
    request = rail.request()
    await pesapal.collect(request)
    await rail.engine.settle(request.reference, MovementState.SUCCEEDED)
    [notice] = rail.merchant.notices
    lower = replace(notice, body=notice.body.lower())
    first, second = pesapal.read_notice(notice), pesapal.read_notice(lower)
    assert first is not None
    assert second == replace(first, event="ipnchange")


async def test_an_error_comes_with_http_200(rail: RunningRail, pesapal: Pesapal) -> None:
    dear = rail.request(pesapal_sandbox.AMOUNT_MAX + 1)
    nobody = replace(rail.request(), payer=Payer())
    answers = [await pesapal.collect(request) for request in (dear, nobody)]
    assert answers == [
        Refused("maximum_amount_limit_exceeded"),
        Refused("invalid_api_request_parameters"),
    ]
    assert rail.engine.movements == {}


async def test_a_reference_that_was_used_may_be_refused(
    rail: RunningRail, pesapal: Pesapal, sandboxes: list[PesapalSandbox]
) -> None:
    sandboxes[0].refuses_repeats = True
    request = rail.request()
    answers = [await pesapal.collect(request) for _ in range(2)]
    assert [type(answer) for answer in answers] == [Accepted, Refused]


async def test_a_reference_that_was_used_may_make_another_order(
    rail: RunningRail, pesapal: Pesapal
) -> None:
    request = rail.request()
    first = await _press(rail, request, Choice.LEAVE)
    second = await _press(rail, request, Choice.PAY_BY_PHONE)
    findings = [
        (await pesapal.read_collection(rail.asked(request, theirs))).finding
        for theirs in (first, second)
    ]
    assert findings == [Finding.PENDING, Finding.SUCCEEDED]


async def test_whoever_never_got_the_page_cannot_pay(rail: RunningRail, pesapal: Pesapal) -> None:
    request = rail.request()
    rail.engine.dial.turn(Operation.COLLECT, Fault.LOST_ANSWER)
    await pesapal.collect(request)
    assert (await pesapal.read_collection(rail.asked(request))).finding is Finding.UNKNOWN
    assert await pesapal.withdraw(rail.asked(request)) == Accepted()


async def test_an_order_that_is_withdrawn_cannot_be_paid(
    rail: RunningRail, pesapal: Pesapal
) -> None:
    assert isinstance(pesapal, Withdrawing)
    request = rail.request()
    answer = await pesapal.collect(request)
    assert isinstance(answer, Accepted)
    asked = rail.asked(request, answer.provider_reference)
    answers = [await pesapal.withdraw(asked) for _ in range(2)]
    page = await rail.press(answer.redirect_url or "", "card")
    assert [type(answer) for answer in answers] == [Accepted, Refused]
    assert (page.status_code, rail.merchant.notices) == (404, [])


async def test_what_was_paid_is_not_withdrawn(rail: RunningRail, pesapal: Pesapal) -> None:
    request, theirs = await rail.paid()
    assert isinstance(await pesapal.withdraw(rail.asked(request, theirs)), Refused)


@pytest.mark.parametrize(
    ("choice", "amount", "expected"),
    [
        (Choice.PAY_BY_CARD, 2_000, Accepted),
        (Choice.PAY_BY_CARD, 5_000, Accepted),
        (Choice.PAY_BY_CARD, 5_001, Refused),
        (Choice.PAY_BY_PHONE, 2_000, Refused),
        (Choice.PAY_BY_PHONE, 5_000, Accepted),
    ],
)
async def test_a_telephone_gets_all_back_or_nothing(
    rail: RunningRail, pesapal: Pesapal, choice: Choice, amount: int, expected: type
) -> None:
    request = rail.request()
    theirs = await _press(rail, request, choice)
    answer = await pesapal.refund(rail.refund(request, theirs, amount))
    assert isinstance(answer, expected)


async def test_a_part_is_refused_before_pesapal_is_asked(
    rail: RunningRail, pesapal: Pesapal
) -> None:
    request, theirs = await rail.paid()
    answer = await pesapal.refund(rail.refund(request, theirs, 2_000))
    assert answer == Refused("mobile_payments_are_refunded_whole")
    assert list(rail.engine.movements) == [request.reference]


async def test_a_refund_that_is_done_is_a_reversal_to_pesapal(
    rail: RunningRail, pesapal: Pesapal
) -> None:
    request, theirs = await rail.paid()
    await pesapal.refund(rail.refund(request, theirs))
    await rail.finish_refund()
    reading = await pesapal.read_collection(rail.asked(request, theirs))
    assert reading.finding is Finding.REVERSED
