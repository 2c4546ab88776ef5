"""What is Flutterwave's own, beyond what every rail keeps to."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import cast

import pytest

from shared.money import Money
from sync_server.kit.instants import instant
from sync_server.payments.ports import Accepted, CollectionRequest, Payer, Refused
from sync_server.payments.providers.flutterwave import ATTEMPTS_MAX, Flutterwave
from sync_server.payments.rules import Finding
from sync_server.sandboxes.engine import Fault, MovementState, Operation
from sync_server.sandboxes.flutterwave import REFUNDS_ON_A_PAGE
from sync_server.sandboxes.pages import Choice
from tests.factories.rails import FLUTTERWAVE, RunningRail, running


@pytest.fixture
async def rail() -> AsyncIterator[RunningRail]:
    async with running(FLUTTERWAVE) as rail:
        yield rail


@pytest.fixture
def flutterwave(rail: RunningRail) -> Flutterwave:
    return cast("Flutterwave", rail.collector)


async def _page(rail: RunningRail, request: CollectionRequest) -> str:
    answer = await rail.collector.collect(request)
    assert isinstance(answer, Accepted), answer
    return answer.redirect_url or ""


@pytest.mark.parametrize(
    ("open_for", "after", "status"),
    [
        (timedelta(minutes=10), timedelta(minutes=9), 200),
        (timedelta(minutes=10), timedelta(minutes=10), 404),
        (timedelta(seconds=-5), timedelta(seconds=59), 200),
        (timedelta(seconds=-5), timedelta(seconds=60), 404),
        (timedelta(days=3), timedelta(days=1), 404),
    ],
)
async def test_a_page_closes_when_the_payment_is_over(
    rail: RunningRail, open_for: timedelta, after: timedelta, status: int
) -> None:
    expires_at = instant(rail.clock.now_ms()) + open_for
    page = await _page(rail, replace(rail.request(), expires_at=expires_at))
    rail.engine.offset_ms += int(after.total_seconds()) * 1_000
    assert (await rail.see(page)).status_code == status


async def test_a_page_gives_so_many_tries_and_no_more(rail: RunningRail) -> None:
    page = await _page(rail, rail.request())
    tries = [await rail.press(page, Choice.FAIL) for _ in range(ATTEMPTS_MAX + 1)]
    assert [answer.status_code for answer in tries] == [303] * ATTEMPTS_MAX + [404]


async def test_every_try_has_an_id_of_its_own(rail: RunningRail, flutterwave: Flutterwave) -> None:
    request = rail.request()
    page = await _page(rail, request)
    ids = []
    for choice in (Choice.FAIL, Choice.PAY_BY_CARD):
        await rail.press(page, choice)
        ids.append((await flutterwave.read_collection(rail.asked(request))).provider_reference)
    assert len({*ids}) == 2


async def test_a_rejection_comes_with_http_200(rail: RunningRail, flutterwave: Flutterwave) -> None:
    nobody = replace(rail.request(), payer=Payer())
    assert await flutterwave.collect(nobody) == Refused("customer email is required")
    assert rail.engine.movements == {}


async def test_the_fee_is_told_at_once(rail: RunningRail, flutterwave: Flutterwave) -> None:
    request, theirs = await rail.paid()
    reading = await flutterwave.read_collection(rail.asked(request, theirs))
    assert reading.fee == Money(70, "UGX")


@pytest.mark.parametrize(
    ("fault", "authentic"), [(Fault.CALLBACK_EARLY, True), (Fault.CALLBACK_FORGED, False)]
)
async def test_a_webhook_is_proved_by_the_secret(
    rail: RunningRail, flutterwave: Flutterwave, fault: Fault, *, authentic: bool
) -> None:
    request = rail.request()
    await flutterwave.collect(request)
    rail.engine.dial.turn(Operation.CALLBACK, fault)
    await rail.engine.settle(request.reference, MovementState.SUCCEEDED)
    hints = [flutterwave.read_notice(notice) for notice in rail.merchant.notices]
    assert [hint and (hint.reference, hint.is_authentic) for hint in hints] == [
        (request.reference, authentic)
    ]


async def test_a_webhook_of_a_refund_names_its_payment(
    rail: RunningRail, flutterwave: Flutterwave
) -> None:
    request, theirs = await rail.paid()
    await flutterwave.refund(rail.refund(request, theirs))
    await rail.finish_refund()
    hint = flutterwave.read_notice(rail.merchant.notices[-1])
    assert hint is not None
    assert (hint.event, hint.provider_reference) == ("refund.completed", theirs)


async def test_webhooks_of_other_things_are_left_alone(
    rail: RunningRail, flutterwave: Flutterwave
) -> None:
    request, _ = await rail.paid()
    [notice] = rail.merchant.notices
    transfer = replace(notice, body=notice.body.replace(b"charge.", b"transfer."))
    assert flutterwave.read_notice(transfer) is None
    nameless = replace(notice, body=b'{"event": "charge.completed", "data": {}}')
    assert flutterwave.read_notice(nameless) is None
    assert request.reference.encode() in notice.body


async def test_parts_are_given_back_until_nothing_is_left(
    rail: RunningRail, flutterwave: Flutterwave
) -> None:
    request, theirs = await rail.paid()
    answers = [await flutterwave.refund(rail.refund(request, theirs, 2_000)) for _ in range(3)]
    assert [type(answer) for answer in answers] == [Accepted, Accepted, Refused]


async def test_each_part_is_read_by_its_own_reference(
    rail: RunningRail, flutterwave: Flutterwave
) -> None:
    request, theirs = await rail.paid()
    refunds = [rail.refund(request, theirs, amount) for amount in (1_000, 2_000, 500)]
    for refund in refunds[:2]:
        await flutterwave.refund(refund)
    await rail.finish_refund()
    readings = [await flutterwave.read_refund(refund) for refund in refunds]
    assert [(reading.finding, reading.amount) for reading in readings] == [
        (Finding.PENDING, rail.money(1_000)),
        (Finding.SUCCEEDED, rail.money(2_000)),
        (Finding.NOT_FOUND, None),
    ]


async def test_an_old_refund_is_found_behind_many_newer(
    rail: RunningRail, flutterwave: Flutterwave
) -> None:
    request, theirs = await rail.paid()
    old = rail.refund(request, theirs, 100)
    await flutterwave.refund(old)
    for _ in range(REFUNDS_ON_A_PAGE + 1):
        await flutterwave.refund(rail.refund(request, theirs, 100))
    assert (await flutterwave.read_refund(old)).finding is Finding.PENDING


async def test_a_refund_of_what_was_never_tried_says_nothing(
    rail: RunningRail, flutterwave: Flutterwave
) -> None:
    request = rail.request()
    await flutterwave.collect(request)
    refund = rail.refund(request, None)
    assert (await flutterwave.read_refund(refund)).finding is Finding.UNKNOWN
