"""Dead jobs are seen by admins, tried again or discarded, and nobody else comes near."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta

import httpx
import pytest
from sqlalchemy import text

from shared.clock import SettableClock
from sync_server.kit.claims import WORKER
from sync_server.kit.instants import instant
from sync_server.kit.jobs import Job, JobHandler, NewJob, Schedule
from sync_server.operations import jobs_pruning
from tests.factories.jobs import Noting, Workshop, client_of, make_admin
from tests.factories.tenants import Person, make_person, make_tenant
from tests.plugins.postgres import ClonedDatabase, connected

NAME = "tests.work"
JOBS = "/v1/jobs"
DEAD = f"{JOBS}/dead"


class Broken(Exception):
    pass


@dataclass
class Office:
    """An admin's view of a queue in which jobs fail for as long as the test says."""

    shop: Workshop
    client: httpx.AsyncClient
    admin: Person
    handler: Noting
    is_broken: bool = True

    async def fail_while_broken(self, _: Job) -> None:
        if self.is_broken:
            raise Broken

    async def die(self, *jobs: NewJob) -> None:
        await self.shop.enqueue(*jobs)
        async with self.shop.working():
            await self.shop.until(*["failed"] * len(await self.shop.rows()))

    async def listed(self, **query: str | int) -> httpx.Response:
        return await self.client.get(DEAD, headers=self.admin.headers, params=query)

    async def act(self, path: str, body: object = None) -> httpx.Response:
        return await self.client.post(f"{DEAD}/{path}", headers=self.admin.headers, json=body)


@pytest.fixture
async def office(workshop: Workshop, spare_database: ClonedDatabase) -> AsyncIterator[Office]:
    noting = Noting()
    shop = workshop.registering(JobHandler(NAME, noting, attempts_max=2, first_delay_ms=1))
    admin = await make_admin(shop.services, spare_database.administrator_url)
    async with client_of(shop.services) as client:
        office = Office(shop, client, admin, noting)
        noting.then = office.fail_while_broken
        yield office


async def test_a_dead_job_is_shown_with_its_reason(office: Office) -> None:
    await office.die(NewJob(NAME, {"order_id": "7"}))
    (shown,) = (await office.listed()).json()["items"]
    assert (shown["name"], shown["payload"], shown["attempts"]) == (NAME, {"order_id": "7"}, 2)
    assert shown["reason"].startswith("Broken at Office.fail_while_broken:")
    assert shown["enqueued_at"] <= shown["died_at"]


async def test_secrets_are_taken_out_of_a_payload(office: Office) -> None:
    payload = {"claim_token": "zgw_12345", "note": "call +256 772 123456", "ids": ["7"]}
    await office.die(NewJob(NAME, payload))
    (shown,) = (await office.listed()).json()["items"]
    assert shown["payload"] == {
        "claim_token": "[withheld]",
        "note": "call [withheld]",
        "ids": ["7"],
    }


async def test_dead_jobs_come_in_pages_oldest_first(office: Office) -> None:
    await office.die(*(NewJob(NAME, {"n": number}) for number in range(5)))
    pages = [(await office.listed(limit=2)).json()]
    for _ in range(2):
        pages.append((await office.listed(limit=2, cursor=pages[-1]["next_cursor"])).json())
    seen = [item["payload"]["n"] for page in pages for item in page["items"]]
    assert (seen, pages[-1]["next_cursor"]) == ([0, 1, 2, 3, 4], None)


async def test_a_cursor_of_another_list_is_refused(office: Office) -> None:
    answers = [await office.listed(cursor=cursor) for cursor in ("_" * 22, "nonsense")]
    assert [(each.status_code, each.json()["code"]) for each in answers] == [
        (400, "cursor_invalid")
    ] * 2


async def test_a_dead_job_is_tried_again_with_all_its_attempts(office: Office) -> None:
    await office.die(NewJob(NAME))
    (shown,) = (await office.listed()).json()["items"]
    office.is_broken = False
    assert (await office.act(f"{shown['id']}/retry")).status_code == 204
    assert (await office.listed()).json()["items"] == []
    async with office.shop.working():
        await office.shop.until()
    assert [job.attempt for job in office.handler.done] == [1]


async def test_a_job_that_dies_again_is_shown_with_its_new_attempts(office: Office) -> None:
    await office.die(NewJob(NAME))
    (shown,) = (await office.listed()).json()["items"]
    await office.act(f"{shown['id']}/retry")
    await office.die()
    (again,) = (await office.listed()).json()["items"]
    assert (again["id"], again["attempts"]) == (shown["id"], 2)


async def test_a_job_whose_work_waits_already_is_not_tried_beside_it(office: Office) -> None:
    await office.die(NewJob(NAME, unique_key="order 7"))
    (shown,) = (await office.listed()).json()["items"]
    await office.shop.enqueue(NewJob(NAME, unique_key="order 7"))
    answer = await office.act(f"{shown['id']}/retry")
    assert (answer.status_code, answer.json()["code"]) == (409, "job_waits_already")
    assert await office.shop.states() == ["failed", "queued"]


async def test_a_dead_job_is_discarded_with_a_reason_that_is_kept(
    office: Office, spare_database: ClonedDatabase
) -> None:
    await office.die(NewJob(NAME, {"order_id": "7"}))
    (shown,) = (await office.listed()).json()["items"]
    answer = await office.act(f"{shown['id']}/discard", {"reason": "  refunded by hand "})
    assert (answer.status_code, await office.shop.rows()) == (204, [])
    query = "SELECT kind, object_id, actor_id, reason, before FROM admin_action_log"
    async with connected(spare_database.administrator_url) as administrator:
        row = (await administrator.execute(text(query))).one()
    assert (row.kind, row.object_id, row.reason) == (
        "job.discard",
        str(shown["id"]),
        "refunded by hand",
    )
    assert row.actor_id == office.admin.user_id
    assert row.before["payload"] == {"order_id": "7"}


@pytest.mark.parametrize("body", [None, {}, {"reason": "  "}, {"reason": "x" * 501}])
async def test_nothing_is_discarded_without_a_reason(office: Office, body: object) -> None:
    await office.die(NewJob(NAME))
    (shown,) = (await office.listed()).json()["items"]
    assert (await office.act(f"{shown['id']}/discard", body)).status_code == 422
    assert await office.shop.states() == ["failed"]


@pytest.mark.parametrize("verb", ["retry", "discard"])
async def test_only_a_dead_job_can_be_acted_on(office: Office, verb: str) -> None:
    await office.shop.enqueue(NewJob(NAME))
    (waiting,) = await office.shop.rows()
    body = {"reason": "not wanted"}
    answers = [await office.act(f"{job}/{verb}", body) for job in (waiting["id"], 2**63 - 1)]
    assert [(each.status_code, each.json()["code"]) for each in answers] == [
        (404, "dead_job_not_found")
    ] * 2
    assert (await office.act(f"{2**63}/{verb}", body)).status_code == 422
    assert await office.shop.states() == ["queued"]


async def test_an_action_that_is_done_twice_is_done_once(office: Office) -> None:
    await office.die(NewJob(NAME))
    (shown,) = (await office.listed()).json()["items"]
    answers = [(await office.act(f"{shown['id']}/retry")).status_code for _ in range(2)]
    assert answers == [204, 404]


async def test_jobs_are_counted_by_name_and_state(office: Office) -> None:
    office.shop.services.jobs.schedule(Schedule(NAME, 3_600))
    await office.die(NewJob(NAME), NewJob(NAME))
    await office.shop.enqueue(NewJob("tests.other"))
    shown = (await office.client.get(JOBS, headers=office.admin.headers)).json()
    counted = [(each["name"], each["state"], each["count"]) for each in shown["jobs"]]
    assert counted == [("tests.other", "waiting", 1), (NAME, "dead", 2)]
    assert all(each["oldest_age_seconds"] >= 0 for each in shown["jobs"])
    assert shown["schedules"] == [
        {"name": NAME, "every_seconds": 3_600, "last_due_at": None, "last_source": None}
    ]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", JOBS),
        ("GET", DEAD),
        ("POST", f"{DEAD}/1/retry"),
        ("POST", f"{DEAD}/1/discard"),
    ],
)
async def test_jobs_are_for_admins_who_showed_a_second_factor(
    office: Office, spare_database: ClonedDatabase, method: str, path: str
) -> None:
    services = office.shop.services
    founder = (await make_tenant(services)).founder
    careless = await make_person(services)
    async with connected(spare_database.administrator_url) as administrator:
        statement = "INSERT INTO user_roles (user_id, role) VALUES (:id, 'admin')"
        await administrator.execute(text(statement), {"id": careless.user_id})
    told = []
    for headers in ({}, founder.headers, careless.headers):
        answer = await office.client.request(
            method, path, headers=headers, json={"reason": "not wanted"}
        )
        told.append((answer.status_code, answer.json()["code"]))
    assert told == [
        (401, "authentication_required"),
        (403, "admin_required"),
        (403, "second_factor_needed"),
    ]


_AGED = (
    "UPDATE jobs.pgqueuer SET status = 'failed'",
    "UPDATE jobs.pgqueuer_log SET created = :old",
    """
    INSERT INTO jobs.pgqueuer_log (created, job_id, status, priority, entrypoint)
    VALUES (:old, 999, 'successful', 0, 'tests.gone'), (now(), 998, 'successful', 0, 'tests.new')
    """,
    """
    INSERT INTO cron_ticks
    VALUES ('tests.a', :old, 'inside', :old), ('tests.b', now(), 'inside', now())
    """,
)


async def test_pruning_forgets_what_is_over_and_keeps_what_is_dead(
    workshop: Workshop, spare_database: ClonedDatabase, clock: SettableClock
) -> None:
    broken = Noting()
    shop = workshop.registering(
        JobHandler(NAME, Noting(broken.then)), JobHandler("tests.scheduled", broken)
    )
    shop.services.jobs.schedule(Schedule("tests.scheduled", 60))
    await shop.enqueue(NewJob(NAME), *(NewJob("tests.scheduled") for _ in range(3)))
    old = instant(clock.now_ms()) - jobs_pruning.KEPT_FOR - timedelta(hours=1)
    async with connected(spare_database.administrator_url) as administrator:
        for statement in _AGED:
            values = {"old": old} if ":old" in statement else {}
            await administrator.execute(text(statement), values)
    await jobs_pruning.prune(shop.services, Job(1, jobs_pruning.PRUNING, {}, 1))
    left = [(row["id"], row["entrypoint"]) for row in await shop.rows()]
    assert left == [(1, NAME), (4, "tests.scheduled")]
    async with shop.services.database.reading(WORKER) as session:
        notes = list(
            await session.scalars(
                text("SELECT DISTINCT job_id FROM jobs.pgqueuer_log ORDER BY job_id")
            )
        )
        ticks = list(await session.scalars(text("SELECT name FROM cron_ticks")))
    assert (notes, ticks) == ([1, 2, 3, 4, 998], ["tests.b"])
