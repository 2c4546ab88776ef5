"""An outside timer proves itself by a signature, and says no more than that it is time."""

from dataclasses import replace

import httpx
import pytest
from pydantic import SecretStr

from shared.clock import SettableClock
from sync_server.operations.jobs_pruning import PRUNING
from sync_server.operations.jobs_signature import AGE_SECONDS_MAX, SignedCall, signature_of
from tests.factories.jobs import Workshop, client_of
from tests.factories.tenants import make_person

SECRET = "0123456789abcdef0123456789abcdef"
PATH = f"/api/public/cron/{PRUNING}"


@pytest.fixture
def cron(workshop: Workshop) -> Workshop:
    return Workshop(replace(workshop.services, cron_secret=SecretStr(SECRET)))


async def call(
    shop: Workshop, headers: dict[str, str], path: str = PATH, body: bytes = b""
) -> httpx.Response:
    async with client_of(shop.services) as client:
        return await client.post(path, headers=headers, content=body)


def signed(
    clock: SettableClock,
    *,
    seconds: int = 0,
    method: str = "POST",
    path: str = PATH,
    body: bytes = b"",
    secret: str = SECRET,
) -> dict[str, str]:
    timestamp = str(clock.now_ms() // 1_000 + seconds)
    signature = signature_of(SignedCall(timestamp, method, path, body), secret.encode())
    return {"Zeraket-Timestamp": timestamp, "Zeraket-Signature": signature}


async def test_a_signed_call_enqueues_the_job_once(cron: Workshop, clock: SettableClock) -> None:
    answers = [await call(cron, signed(clock)) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [202, 202]
    assert [answer.json() for answer in answers] == [{"enqueued": True}, {"enqueued": False}]
    assert [row["entrypoint"] for row in await cron.rows()] == [PRUNING]


async def test_a_worker_does_what_an_outside_timer_asked_for(
    cron: Workshop, clock: SettableClock
) -> None:
    assert (await call(cron, signed(clock))).status_code == 202
    async with cron.working():
        await cron.until()
    assert await cron.reason() is None


async def test_the_signature_covers_the_body(cron: Workshop, clock: SettableClock) -> None:
    headers = signed(clock, body=b"now")
    assert (await call(cron, headers, body=b"now")).status_code == 202
    assert (await call(cron, headers, body=b"never")).status_code == 401


@pytest.mark.parametrize("seconds", [-AGE_SECONDS_MAX, 0, AGE_SECONDS_MAX])
async def test_a_timer_may_be_five_minutes_off(
    cron: Workshop, clock: SettableClock, seconds: int
) -> None:
    assert (await call(cron, signed(clock, seconds=seconds))).status_code == 202


@pytest.mark.parametrize(
    "wrong",
    [
        {"seconds": -AGE_SECONDS_MAX - 1},
        {"seconds": AGE_SECONDS_MAX + 1},
        {"method": "GET"},
        {"path": "/api/public/cron/webhooks.prune"},
        {"secret": "another secret that is long enough"},
        {"body": b"another body"},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
async def test_every_wrong_signature_gets_one_answer(
    cron: Workshop, clock: SettableClock, wrong: dict[str, object]
) -> None:
    answer = await call(cron, signed(clock, **wrong))  # type: ignore[arg-type] # a table of any
    assert _refusal(answer) == (401, "signature_invalid", None)
    assert await cron.rows() == []


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Zeraket-Timestamp": "1"},
        {"Zeraket-Signature": "v1="},
        {"Zeraket-Timestamp": "soon", "Zeraket-Signature": "v1=00"},
        {"Zeraket-Timestamp": "9" * 400, "Zeraket-Signature": "v2=00"},
        {"Zeraket-Timestamp": "-1", "Zeraket-Signature": "\xe9"},
    ],
    ids=["none", "no signature", "no timestamp", "words", "digits", "not ASCII"],
)
async def test_what_is_no_signature_gets_the_same_answer(
    cron: Workshop, headers: dict[str, str]
) -> None:
    encoded = httpx.Headers(headers, encoding="latin-1")
    answer = await call(cron, encoded)  # type: ignore[arg-type] # httpx takes both
    assert _refusal(answer) == (401, "signature_invalid", None)


async def test_a_person_who_is_signed_in_is_no_timer(cron: Workshop) -> None:
    person = await make_person(cron.services)
    assert (await call(cron, person.headers)).status_code == 401


async def test_who_signs_learns_which_schedules_there_are_and_nobody_else(
    cron: Workshop, clock: SettableClock
) -> None:
    path = "/api/public/cron/nothing"
    answer = await call(cron, signed(clock, path=path), path)
    assert _refusal(answer) == (404, "schedule_not_found", None)
    assert (await call(cron, {}, path)).status_code == 401


async def test_without_a_secret_there_is_no_such_endpoint(
    workshop: Workshop, clock: SettableClock
) -> None:
    answer = await call(workshop, signed(clock))
    assert _refusal(answer) == (404, "schedule_not_found", None)


async def test_a_body_is_read_up_to_a_limit(cron: Workshop, clock: SettableClock) -> None:
    body = b"x" * 5_000
    answer = await call(cron, signed(clock, body=body), body=body)
    assert _refusal(answer) == (413, "content_too_large", None)


def _refusal(answer: httpx.Response) -> tuple[int, str, str | None]:
    problem = answer.json()
    return answer.status_code, problem["code"], problem.get("detail")
