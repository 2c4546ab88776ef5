"""Webhooks: taken in at once and once, handled by a job, refused without a detail."""

import asyncio
import base64
import hashlib
import hmac
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import httpx
import pytest
from pydantic import SecretStr
from sqlalchemy import text

from shared.clock import SettableClock
from sync_server.kit.instants import instant
from sync_server.kit.job_queue import PgQueuerJobs
from sync_server.kit.jobs import Job
from sync_server.kit.services import Services
from sync_server.webhooks import service
from sync_server.webhooks.callers import BODY_BYTES_MAX
from sync_server.webhooks.rules import Delivery, StandardWebhooks
from sync_server.webhooks.sources import WebhookEvent, WebhookSource
from tests.factories.jobs import WAIT_SECONDS, Workshop, client_of
from tests.factories.tenants import make_person
from tests.plugins.postgres import ClonedDatabase, connected

KEY = bytes(range(32))
SECRET = "whsec_" + base64.b64encode(KEY).decode()
BODY = b'{"order": "7", "phone": "+256772123456"}'


@dataclass(frozen=True, slots=True)
class Unsigned:
    """A source that signs nothing and names its events in a header; it asks for no secret."""

    scheme: str = "unsigned"

    def fault(self, secrets: Sequence[str]) -> str | None:
        return "takes no secrets" if secrets else None

    def verify(
        self,
        delivery: Delivery,
        secrets: Sequence[str],  # noqa: ARG002 - the Protocol's
        now_ms: int,  # noqa: ARG002
    ) -> str | None:
        return delivery.headers.get("x-event")


@dataclass
class Office:
    """The application with sources of the test's own, and what their handlers were given."""

    shop: Workshop
    client: httpx.AsyncClient
    clock: SettableClock
    database: ClonedDatabase
    handled: "asyncio.Queue[WebhookEvent]"
    fails: list[Exception]

    def signed(
        self, event_id: str = "evt_1", body: bytes = BODY, key: bytes = KEY
    ) -> dict[str, str]:
        timestamp = str(self.clock.now_ms() // 1_000)
        message = f"{event_id}.{timestamp}.".encode() + body
        signature = base64.b64encode(hmac.new(key, message, hashlib.sha256).digest()).decode()
        return {
            "webhook-id": event_id,
            "webhook-timestamp": timestamp,
            "webhook-signature": f"v1a,ignored v1,{signature}",
            "content-type": "application/json; charset=utf-8",
        }

    async def deliver(
        self, headers: dict[str, str], body: bytes = BODY, source: str = "pay"
    ) -> httpx.Response:
        path = f"/api/public/webhooks/{source}"
        return await self.client.post(path, headers=headers, content=body)

    async def next(self) -> WebhookEvent:
        async with asyncio.timeout(WAIT_SECONDS):
            return await self.handled.get()

    async def inbox(self) -> list[tuple[str, bool, bool]]:
        query = text(
            "SELECT event_id, conflicting, processed_at IS NOT NULL AS processed"
            " FROM webhook_inbox ORDER BY event_id, conflicting"
        )
        async with connected(self.database.administrator_url) as administrator:
            rows = await administrator.execute(query)
            return [(row.event_id, row.conflicting, row.processed) for row in rows]


@pytest.fixture
async def office(
    workshop: Workshop, spare_database: ClonedDatabase, clock: SettableClock
) -> AsyncIterator[Office]:
    handled: asyncio.Queue[WebhookEvent] = asyncio.Queue()
    fails: list[Exception] = []

    async def handle(_: Services, event: WebhookEvent) -> None:
        if fails:
            raise fails.pop()
        handled.put_nowait(event)

    sources = {
        "pay": WebhookSource(StandardWebhooks(), handle),
        "plain": WebhookSource(Unsigned(), handle, frozenset(("text/plain",))),
        "closed": WebhookSource(StandardWebhooks(), handle),
    }
    jobs = PgQueuerJobs()
    service.register(jobs, sources)
    secrets = {"pay": (SecretStr("whsec_" + "A" * 40), SecretStr(SECRET)), "plain": ()}
    shop = Workshop(replace(workshop.services, jobs=jobs, webhook_secrets=secrets))
    async with client_of(shop.services, sources) as client:
        yield Office(shop, client, clock, spare_database, handled, fails)


async def test_a_delivery_is_answered_at_once_and_handled_by_a_job(office: Office) -> None:
    answer = await office.deliver(office.signed())
    assert (answer.status_code, await office.inbox()) == (202, [("evt_1", False, False)])
    async with office.shop.working():
        event = await office.next()
        await office.shop.until()
    assert (event.source, event.event_id, event.body) == ("pay", "evt_1", BODY)
    assert await office.inbox() == [("evt_1", False, True)]


async def test_a_repeat_is_answered_the_same_and_handled_once(office: Office) -> None:
    answers = [await office.deliver(office.signed()) for _ in range(3)]
    async with office.shop.working():
        await office.next()
        await office.shop.until()
        answers.append(await office.deliver(office.signed()))
        await office.shop.until()
    assert [answer.status_code for answer in answers] == [202] * 4
    assert (office.handled.empty(), len(await office.inbox())) == (True, 1)


async def test_repeats_that_come_together_are_handled_once(office: Office) -> None:
    together = (office.deliver(office.signed()) for _ in range(5))
    answers = await asyncio.gather(*together)
    assert [answer.status_code for answer in answers] == [202] * 5
    assert len(await office.shop.rows()) == 1


async def test_another_content_under_a_known_id_is_kept_and_refused(
    office: Office, capsys: pytest.CaptureFixture[str]
) -> None:
    other = b'{"order": "8"}'
    answers = [
        await office.deliver(office.signed()),
        *[await office.deliver(office.signed(body=other), other) for _ in range(2)],
    ]
    assert [answer.status_code for answer in answers] == [202, 409, 409]
    assert answers[1].json()["code"] == "webhook_conflicting"
    assert await office.inbox() == [("evt_1", False, False), ("evt_1", True, False)]
    assert len(await office.shop.rows()) == 1
    assert "webhooks.conflicting" in capsys.readouterr().out


async def test_one_id_of_two_sources_is_two_events(office: Office) -> None:
    plain = {"x-event": "evt_1", "content-type": "text/plain"}
    answers = [await office.deliver(office.signed()), await office.deliver(plain, source="plain")]
    assert [answer.status_code for answer in answers] == [202, 202]
    assert [row["entrypoint"] for row in await office.shop.rows()] == [
        "webhooks.pay",
        "webhooks.plain",
    ]


async def test_a_handler_that_fails_is_given_the_delivery_again(office: Office) -> None:
    office.fails.append(RuntimeError())
    await office.deliver(office.signed())
    async with office.shop.working():
        assert (await office.next()).event_id == "evt_1"
        await office.shop.until()
    assert await office.inbox() == [("evt_1", False, True)]


async def test_a_delivery_that_was_handled_is_not_handled_by_a_second_job(office: Office) -> None:
    await office.deliver(office.signed())
    async with office.shop.working():
        await office.next()
        await office.shop.until()
    query = text("SELECT id::text FROM webhook_inbox")
    async with connected(office.database.administrator_url) as administrator:
        row_id = await administrator.scalar(query)
    handler = office.shop.services.jobs.handlers["webhooks.pay"]
    await handler.handle(office.shop.services, Job(1, handler.name, {"id": row_id}, 1))
    assert office.handled.empty()


async def test_what_came_lies_sealed(office: Office) -> None:
    await office.deliver(office.signed())
    async with connected(office.database.administrator_url) as administrator:
        bodies = await administrator.scalars(text("SELECT body FROM webhook_inbox"))
        jobs = await administrator.scalars(text("SELECT payload FROM jobs.pgqueuer"))
        stored = b"".join(bytes(each) for each in (*bodies, *jobs))
    assert b"order" not in stored
    assert b"772123456" not in stored


@pytest.mark.parametrize("source", ["closed", "unknown", "pay%2F..", "PAY"])
async def test_a_source_that_is_not_configured_is_not_there(office: Office, source: str) -> None:
    answer = await office.deliver(office.signed(), source=source)
    assert answer.status_code == 404


@pytest.mark.parametrize(
    "change",
    [
        {"webhook-signature": ""},
        {"webhook-signature": "v1,AAAA"},
        {"webhook-signature": "v1,%%%"},
        {"webhook-id": "evt_2"},
        {"webhook-id": ""},
        {"webhook-id": "x" * 256},
        {"webhook-timestamp": "1"},
        {"webhook-timestamp": "soon"},
    ],
    ids=str,
)
async def test_what_is_not_signed_is_refused_without_a_detail(
    office: Office, change: dict[str, str]
) -> None:
    answer = await office.deliver({**office.signed(), **change})
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (401, "signature_invalid")
    assert "detail" not in problem
    assert await office.inbox() == []


async def test_a_stranger_is_refused(office: Office) -> None:
    person = await make_person(office.shop.services)
    json = {"content-type": "application/json"}
    answers = [
        await office.deliver(office.signed(key=b"\1" * 32)),
        await office.deliver({**person.headers, **json}),
        await office.deliver(office.signed(), b"{}"),
    ]
    assert [answer.status_code for answer in answers] == [401, 401, 401]


async def test_an_unsigned_source_without_an_id_is_refused(office: Office) -> None:
    answer = await office.deliver({"content-type": "text/plain"}, source="plain")
    assert answer.status_code == 401


@pytest.mark.parametrize("media_type", ["text/plain", "application/jsonx", ""])
async def test_another_media_type_is_refused(office: Office, media_type: str) -> None:
    answer = await office.deliver({**office.signed(), "content-type": media_type})
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")


async def test_a_body_is_taken_up_to_a_limit(office: Office) -> None:
    largest, larger = b" " * BODY_BYTES_MAX, b" " * (BODY_BYTES_MAX + 1)
    taken = await office.deliver(office.signed(body=largest), largest)
    refused = await office.deliver(office.signed("evt_2", larger), larger)
    assert (taken.status_code, refused.status_code) == (202, 413)


async def test_only_posting_is_taken(office: Office) -> None:
    assert (await office.client.get("/api/public/webhooks/pay")).status_code == 405


async def test_pruning_forgets_what_is_over_and_keeps_what_waits(
    office: Office, clock: SettableClock
) -> None:
    other = b"{}"
    await office.deliver(office.signed("handled"))
    async with office.shop.working():
        await office.next()
        await office.shop.until()
    await office.deliver(office.signed("waiting"))
    await office.deliver(office.signed("waiting", other), other)
    old = instant(clock.now_ms()) - service.KEPT_FOR - timedelta(hours=1)
    async with connected(office.database.administrator_url) as administrator:
        aged = text("UPDATE webhook_inbox SET received_at = :old")
        await administrator.execute(aged, {"old": old})
    await office.deliver(office.signed("new"))
    await service.prune(office.shop.services, Job(1, service.PRUNING, {}, 1))
    assert await office.inbox() == [("new", False, False), ("waiting", False, False)]
