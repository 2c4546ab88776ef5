"""What a rail keeps to whose buyers pay on the provider's own page, against its own sandbox."""

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from sync_server.payments.ports import Accepted, CollectionRequest
from sync_server.payments.rules import Finding
from sync_server.sandboxes.engine import Fault, Operation
from sync_server.sandboxes.pages import Choice
from tests.factories.rails import RAILS, Rail, RunningRail, running


@pytest.fixture(params=[rail for rail in RAILS if rail.has_page], ids=lambda rail: rail.name)
async def rail(request: pytest.FixtureRequest) -> AsyncIterator[RunningRail]:
    wanted: Rail = request.param
    async with running(wanted) as rail:
        yield rail


async def _page(rail: RunningRail, request: CollectionRequest) -> tuple[str, str | None]:
    answer = await rail.collector.collect(request)
    assert isinstance(answer, Accepted), answer
    assert answer.redirect_url
    return answer.redirect_url, answer.provider_reference


async def test_the_page_says_what_is_paid(rail: RunningRail) -> None:
    page, _ = await _page(rail, rail.request())
    shown = await rail.see(page)
    assert (shown.status_code, "UGX 5000" in shown.text) == (200, True)
    assert "Tickets for Nile Nights" in shown.text


@pytest.mark.parametrize(
    ("choice", "finding"),
    [(Choice.PAY_BY_CARD, Finding.SUCCEEDED), (Choice.FAIL, Finding.FAILED)],
)
async def test_a_buyer_decides_and_comes_back(
    rail: RunningRail, choice: Choice, finding: Finding
) -> None:
    request = rail.request()
    page, theirs = await _page(rail, request)
    sent = await rail.press(page, choice)
    welcomed = await rail.see(sent.headers["location"])
    assert (sent.status_code, welcomed.status_code) == (303, 200)
    assert sent.headers["location"].startswith(request.return_url)
    assert request.reference in dict(parse_qsl(urlsplit(sent.headers["location"]).query)).values()
    reading = await rail.collector.read_collection(rail.asked(request, theirs))
    assert reading.finding is finding
    assert len(rail.merchant.notices) == 1


@pytest.mark.parametrize("choice", [Choice.LEAVE, "nonsense"])
async def test_a_buyer_who_leaves_paid_nothing(rail: RunningRail, choice: str) -> None:
    request = rail.request()
    page, theirs = await _page(rail, request)
    assert (await rail.press(page, choice)).status_code == 303
    reading = await rail.collector.read_collection(rail.asked(request, theirs))
    assert (reading.finding, rail.merchant.notices) == (rail.rail.unpaid, [])


async def test_a_second_try_on_the_same_page_may_succeed(rail: RunningRail) -> None:
    request = rail.request()
    page, theirs = await _page(rail, request)
    findings = []
    for choice in (Choice.FAIL, Choice.PAY_BY_CARD):
        await rail.press(page, choice)
        reading = await rail.collector.read_collection(rail.asked(request, theirs))
        findings.append(reading.finding)
    assert findings == [Finding.FAILED, Finding.SUCCEEDED]


async def test_a_page_is_paid_once(rail: RunningRail) -> None:
    page, _ = await _page(rail, rail.request())
    tries = [await rail.press(page, Choice.PAY_BY_CARD) for _ in range(2)]
    assert [answer.status_code for answer in tries] == [303, 404]
    assert len(rail.merchant.notices) == 1


async def test_a_buyer_may_be_quicker_than_the_answer(rail: RunningRail) -> None:
    request = rail.request()
    rail.engine.dial.turn(Operation.CALLBACK, Fault.CALLBACK_EARLY)
    _, theirs = await _page(rail, request)
    hints = [rail.collector.read_notice(notice) for notice in rail.merchant.notices]
    assert [hint and hint.reference for hint in hints] == [request.reference]
    reading = await rail.collector.read_collection(rail.asked(request, theirs))
    assert reading.finding is Finding.SUCCEEDED


async def test_a_page_that_never_was_is_not_there(rail: RunningRail) -> None:
    page, _ = await _page(rail, rail.request())
    unknown = page[:-1] + "Z"
    shown = await rail.see(unknown)
    pressed = await rail.press(unknown, Choice.PAY_BY_CARD)
    assert [shown.status_code, pressed.status_code] == [404, 404]


async def test_an_amount_of_cents_is_paid_to_the_cent(rail: RunningRail) -> None:
    request = rail.request(12_345, "KES")
    page, theirs = await _page(rail, request)
    await rail.press(page, Choice.PAY_BY_CARD)
    reading = await rail.collector.read_collection(rail.asked(request, theirs))
    assert reading.amount == request.amount


async def test_a_hint_is_acknowledged(rail: RunningRail) -> None:
    request = rail.request()
    page, _ = await _page(rail, request)
    await rail.press(page, Choice.PAY_BY_CARD)
    hint = rail.collector.read_notice(rail.merchant.notices[0])
    assert hint is not None
    answer: dict[str, Any] = dict(rail.collector.acknowledge(hint))
    assert answer.get("status", 200) == 200
    assert answer.get("orderMerchantReference", request.reference) == request.reference
