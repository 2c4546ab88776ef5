"""What is Airtel's own, beyond what every rail keeps to."""

from collections.abc import AsyncIterator
from dataclasses import replace
from secrets import token_bytes
from typing import Any, cast

import httpx
import pytest
from starlette.types import ASGIApp

from shared.clock import Clock
from shared.money import Money
from sync_server.payments.ports import (
    Accepted,
    Answer,
    CollectionRequest,
    Collector,
    Destination,
    Disburser,
    HolderName,
    Notice,
    Payer,
    Refused,
    Unknown,
)
from sync_server.payments.providers.airtel import Airtel, AirtelConfiguration
from sync_server.payments.rules import Expected, Finding, PaymentState, next_state
from sync_server.sandboxes import airtel as airtel_sandbox
from sync_server.sandboxes.engine import Engine, Fault, MovementState, Operation
from tests.factories.rails import AIRTEL, Rail, RunningRail, running

UGANDA = "+256"


@pytest.fixture
async def rail() -> AsyncIterator[RunningRail]:
    async with running(AIRTEL) as rail:
        yield rail


@pytest.fixture
def airtel(rail: RunningRail) -> Airtel:
    return cast("Airtel", rail.collector)


def from_phone(rail: RunningRail, phone: str) -> CollectionRequest:
    return replace(rail.request(), payer=Payer("Grace", "grace@example.org", phone))


def with_changes(rail: RunningRail, **changes: Any) -> Airtel:  # noqa: ANN401 - any setting
    configuration = AirtelConfiguration(
        rail.line.base_url, "UG", airtel_sandbox.CLIENT_ID, airtel_sandbox.CLIENT_SECRET
    )
    return Airtel(replace(configuration, **changes), rail.line, rail.clock, token_bytes)


async def test_one_client_takes_and_sends(airtel: Airtel) -> None:
    fits: tuple[Collector, Disburser] = (airtel, airtel)
    assert [client.provider for client in fits] == ["airtel", "airtel"]


@pytest.mark.parametrize(
    ("ending", "expected"),
    [
        ("00", Accepted()),
        ("05", Refused("DP00800001005")),
        ("35", Refused("ESB000035")),
        ("98", Unknown("DP00800001000")),
    ],
)
async def test_a_telephone_may_decide_at_once(
    rail: RunningRail, airtel: Airtel, ending: str, expected: Answer
) -> None:
    assert await airtel.collect(from_phone(rail, f"{UGANDA}7000000{ending}")) == expected


@pytest.mark.parametrize(
    ("ending", "finding", "reason"),
    [
        ("02", Finding.FAILED, "DP00800001002"),
        ("07", Finding.FAILED, "DP00800001007"),
        ("29", Finding.EXPIRED, "DP00800001029"),
    ],
)
async def test_a_telephone_may_decide_later(
    rail: RunningRail, airtel: Airtel, ending: str, finding: Finding, reason: str
) -> None:
    request = from_phone(rail, f"{UGANDA}7000000{ending}")
    await airtel.collect(request)
    reading = await airtel.read_collection(rail.asked(request))
    assert (reading.finding, reading.reason) == (finding, reason)


async def test_a_number_of_another_country_is_refused(rail: RunningRail, airtel: Airtel) -> None:
    answer = await airtel.collect(from_phone(rail, "+254712345678"))
    assert answer == Refused("ESB000036")


async def test_a_part_of_a_shilling_is_refused_and_never_rounded(
    rail: RunningRail, airtel: Airtel
) -> None:
    collection = replace(rail.request(), amount=Money(5_050, "KES"))
    disbursement = replace(rail.disbursement(), amount=Money(5_050, "KES"))
    answers = [await airtel.collect(collection), await airtel.disburse(disbursement)]
    assert answers == [Refused("AMOUNT_NOT_WHOLE")] * 2
    assert rail.engine.movements == {}


async def test_money_is_given_back_once(rail: RunningRail, airtel: Airtel) -> None:
    request = rail.request()
    await airtel.collect(request)
    await rail.engine.settle(request.reference, MovementState.SUCCEEDED)
    # Without Airtel's own id it is asked for first.
    refund = rail.refund(request, None)
    answers = [await airtel.refund(refund) for _ in range(2)]
    assert [type(answer) for answer in answers] == [Accepted, Refused]


async def test_what_was_never_paid_is_not_given_back(rail: RunningRail, airtel: Airtel) -> None:
    request = rail.request()
    await airtel.collect(request)
    assert await airtel.refund(rail.refund(request, None)) == Unknown("NoAirtelMoneyId")


@pytest.mark.parametrize(
    ("fault", "authentic"), [(Fault.CALLBACK_EARLY, True), (Fault.CALLBACK_FORGED, False)]
)
async def test_a_callback_is_proved_by_its_hash(
    rail: RunningRail, airtel: Airtel, fault: Fault, *, authentic: bool
) -> None:
    request = rail.request()
    await airtel.collect(request)
    rail.engine.dial.turn(Operation.CALLBACK, fault)
    await rail.engine.settle(request.reference, MovementState.SUCCEEDED)
    hints = [airtel.read_notice(notice) for notice in rail.merchant.notices]
    assert [hint and (hint.reference, hint.is_authentic) for hint in hints] == [
        (request.reference, authentic)
    ]


async def test_without_a_key_nobody_can_say_who_sent_it(rail: RunningRail) -> None:
    body = b'{"transaction":{"id":"X","status_code":"TS"},"hash":"x"}'
    hint = with_changes(rail).read_notice(Notice("POST", {}, {}, body))
    assert hint is not None
    assert (hint.reference, hint.is_authentic) == ("X", None)


async def test_a_new_key_for_pins_is_fetched_where_the_old_one_is_over() -> None:
    sandboxes: list[airtel_sandbox.AirtelSandbox] = []
    engines: list[Engine] = []
    async with running(_remembered(sandboxes, engines)) as rail:
        first, second = rail.disbursement(), rail.disbursement()
        assert isinstance(await rail.disburser.disburse(first), Accepted)
        sandboxes[0].change_key()
        assert isinstance(await rail.disburser.disburse(second), Accepted)
        assert list(engines[0].movements) == [first.reference, second.reference]


async def test_an_account_that_signs_takes_and_gives_back_money() -> None:
    sandboxes: list[airtel_sandbox.AirtelSandbox] = []
    engines: list[Engine] = []
    async with running(_remembered(sandboxes, engines)) as rail:
        signing = with_changes(rail, signs=True)
        first, second = rail.request(), rail.request()
        assert isinstance(await signing.collect(first), Accepted)
        sandboxes[0].change_key()
        assert isinstance(await signing.collect(second), Accepted)
        await engines[0].settle(first.reference, MovementState.SUCCEEDED)
        assert isinstance(await signing.refund(rail.refund(first, None)), Accepted)


async def test_a_signature_of_other_bytes_is_refused(rail: RunningRail, airtel: Airtel) -> None:
    class Changing(httpx.AsyncHTTPTransport):
        """Somebody on the way asks for more."""

        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            content = (await request.aread()).replace(b'"amount":5000', b'"amount":9000')
            method, headers = request.method, request.headers
            changed = httpx.Request(method, request.url, headers=headers, content=content)
            return await super().handle_async_request(changed)

    async with httpx.AsyncClient(transport=Changing()) as client:
        line = replace(rail.line, client=client)
        configuration = with_changes(rail, signs=True)._configuration
        signing = Airtel(configuration, line, rail.clock, token_bytes)
        assert await signing.collect(rail.request()) == Refused("DP00800001026")
    assert rail.engine.movements == {}
    assert isinstance(await airtel.collect(rail.request()), Accepted)


def _remembered(sandboxes: list[airtel_sandbox.AirtelSandbox], engines: list[Engine]) -> Rail:
    """Airtel's rail whose sandbox a test can reach."""

    def make_app(engine: Engine, clock: Clock) -> ASGIApp:
        sandboxes.append(airtel_sandbox.AirtelSandbox(engine, clock))
        engines.append(engine)
        return sandboxes[-1].app()

    return replace(AIRTEL, make_app=make_app)


async def test_a_success_without_an_amount_stands_for_what_was_asked() -> None:
    sandboxes: list[airtel_sandbox.AirtelSandbox] = []
    engines: list[Engine] = []
    async with running(_remembered(sandboxes, engines)) as rail:
        sandboxes[0].tells_amounts = False
        request = rail.request()
        await rail.collector.collect(request)
        await engines[0].settle(request.reference, MovementState.SUCCEEDED)
        reading = await rail.collector.read_collection(rail.asked(request))
        expected = Expected(request.reference, request.amount)
        assert (reading.amount, reading.is_as_asked) == (None, True)
        assert next_state(PaymentState.PENDING, reading, expected) is PaymentState.SUCCEEDED


async def test_a_wrong_pin_pays_nobody(rail: RunningRail) -> None:
    answer = await with_changes(rail, disbursement_pin="0000").disburse(rail.disbursement())
    assert answer == Refused("ROUTER116")
    assert rail.engine.movements == {}


async def test_without_a_key_for_pins_nothing_is_sent(rail: RunningRail, airtel: Airtel) -> None:
    assert isinstance(
        await airtel.check_holder(Destination("", f"{UGANDA}752604392"), "UGX"), HolderName
    )
    rail.engine.dial.turn(Operation.TOKEN, Fault.UNAVAILABLE)
    assert await airtel.disburse(rail.disbursement()) == Unknown("NoPinKey")
    assert rail.engine.movements == {}


@pytest.mark.parametrize(
    ("phone", "expected"),
    [
        (f"{UGANDA}752604392", HolderName("Sand Box", is_active=True)),
        (f"{UGANDA}700000051", HolderName(None, is_active=False)),
        (f"{UGANDA}700000061", HolderName("Sand Box", is_active=False)),
        ("+254712345678", None),
    ],
)
async def test_whose_telephone_it_is(
    airtel: Airtel, phone: str, expected: HolderName | None
) -> None:
    assert await airtel.check_holder(Destination("", phone), "UGX") == expected


@pytest.mark.parametrize(
    ("fault", "changes", "expected"),
    [
        ([], {}, Accepted()),
        ([], {"client_secret": "wrong"}, Refused("invalid_client")),
        ([Fault.HTML_ERROR], {}, Unknown("HTTP 502")),
    ],
)
async def test_credentials_are_tried_without_moving_money(
    rail: RunningRail, fault: list[Fault], changes: dict[str, str], expected: Answer
) -> None:
    for one in fault:
        rail.engine.dial.turn(Operation.TOKEN, one)
    assert await with_changes(rail, **changes).check_credentials() == expected
    assert rail.engine.movements == {}


def test_secrets_do_not_show() -> None:
    shown = repr(
        AirtelConfiguration("https://example.org", "UG", "an-id", "a-secret", "1234", "a-key")
    )
    assert shown == (
        "AirtelConfiguration(base_url='https://example.org', country='UG', path_prefix='',"
        " signs=False)"
    )
