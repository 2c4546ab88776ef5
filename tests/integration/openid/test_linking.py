"""Which account somebody comes into: the subject says it, an address hardly ever."""

import asyncio

import pytest
from sqlalchemy import text
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.clock import SettableClock
from sync_server.identity.rules import UserId
from sync_server.kit.services import Services
from sync_server.sandboxes.openid_provider import SandboxPerson
from tests.factories.openid import OpenidBrowser, a_person
from tests.factories.team import confirm_address
from tests.factories.tenants import Person, make_person
from tests.integration.identity.people import Browser as Mailbox
from tests.plugins.openid import SandboxProvider

NOTHING_TO_UNLINK = "openid_identity_not_found"


@pytest.fixture
async def amina(services: Services) -> Person:
    """Somebody signed in here, without password and address."""
    return await make_person(services, "Amina")


def at_provider(
    provider: SandboxProvider,
    services: Services,
    address: str | None = None,
    hosted_domain: str | None = None,
) -> SandboxPerson:
    person = a_person(services, address, hosted_domain=hosted_domain)
    provider.add_person(person)
    return person


async def sign_up(browser: OpenidBrowser, services: Services, address: str) -> str:
    """An account with a password; gives its id."""
    made = await mailbox(browser, services, address).sign_up()
    return str(made["user_id"])


def mailbox(browser: OpenidBrowser, services: Services, address: str) -> Mailbox:
    return Mailbox(browser.client, address, services.data_directory / "mail")


async def recorded(administrator: AsyncConnection, user_id: str) -> list[RowMapping]:
    query = text(
        "SELECT kind, object_kind, object_id, before, after FROM admin_action_log"
        " WHERE actor_id = CAST(:user_id AS uuid) AND kind LIKE 'openid.%' ORDER BY xid, id"
    )
    found = await administrator.execute(query, {"user_id": user_id})
    return list(found.mappings())


@pytest.mark.parametrize(
    ("domain", "hosted_domain", "status"),
    [
        ("gmail.com", None, 201),
        ("googlemail.com", None, 201),
        ("nile.example", "nile.example", 201),
        ("nile.example", "Nile.Example", 201),
        ("nile.example", None, 409),
        ("nile.example", "lake.example", 409),
        ("mail.nile.example", "nile.example", 409),
        ("notgmail.com", None, 409),
    ],
)
async def test_an_account_is_linked_by_its_address_where_the_provider_runs_the_mailbox(
    browser: OpenidBrowser,
    sandbox_provider: SandboxProvider,
    services: Services,
    domain: str,
    hosted_domain: str | None,
    status: int,
) -> None:
    address = f"moses.{services.new_id().hex}@{domain}"
    await sign_up(browser, services, address)
    moses = at_provider(sandbox_provider, services, address, hosted_domain)
    assert (await browser.sign_in(moses)).status_code == status


async def test_a_link_by_address_is_one_account_with_two_ways_in_and_its_owner_is_told(
    browser: OpenidBrowser,
    sandbox_provider: SandboxProvider,
    services: Services,
    administrator: AsyncConnection,
) -> None:
    grace = at_provider(sandbox_provider, services)
    user_id = await sign_up(browser, services, grace.address)
    entered = (await browser.sign_in(grace)).json()
    letter = mailbox(browser, services, grace.address).letters()[-1]
    (identity,) = await browser.identities(entered["token"])
    (entry,) = await recorded(administrator, user_id)
    assert entered["user_id"] == user_id
    assert (letter["Subject"], "Google" in letter.get_content()) == ("Google can sign you in", True)
    assert entry["after"] == {"provider": "google", "linked_by": "address"}
    assert (entry["kind"], entry["object_kind"], entry["object_id"]) == (
        "openid.link",
        "openid_identity",
        identity["id"],
    )


async def test_an_address_that_changed_hands_opens_no_linked_account(
    browser: OpenidBrowser, sandbox_provider: SandboxProvider, services: Services
) -> None:
    address = f"info.{services.new_id().hex}@nile.example"
    first = at_provider(sandbox_provider, services, address, "nile.example")
    second = at_provider(sandbox_provider, services, address, "nile.example")
    assert (await browser.sign_in(first)).status_code == 201
    refused = await browser.sign_in(second)
    assert (refused.status_code, refused.json()["code"]) == (409, "openid_address_taken")
    assert "link" in refused.json()["title"]


async def test_whoever_is_refused_signs_in_and_links_there(
    browser: OpenidBrowser,
    sandbox_provider: SandboxProvider,
    services: Services,
    administrator: AsyncConnection,
) -> None:
    amina = at_provider(sandbox_provider, services, f"amina.{services.new_id().hex}@post.example")
    box = mailbox(browser, services, amina.address)
    made = await box.sign_up()
    refused = await browser.sign_in(amina)
    linked = await browser.link(await browser.come_back(amina), made["token"])
    again = await browser.link(await browser.come_back(amina), made["token"])
    entered = await browser.sign_in(amina)
    (entry,) = await recorded(administrator, made["user_id"])
    assert [answer.status_code for answer in (refused, linked, again, entered)] == [
        409,
        201,
        201,
        201,
    ]
    assert linked.json() == {**again.json(), "last_used_at": linked.json()["last_used_at"]}
    assert set(linked.json()) == {"id", "provider", "address", "created_at", "last_used_at"}
    assert entered.json()["user_id"] == made["user_id"]
    assert entry["after"] == {"provider": "google", "linked_by": "owner"}
    assert [letter["Subject"] for letter in box.letters()][1:] == ["Google can sign you in"]


async def test_an_account_at_the_provider_belongs_to_one_person(
    browser: OpenidBrowser, sandbox_provider: SandboxProvider, services: Services, amina: Person
) -> None:
    grace = at_provider(sandbox_provider, services)
    owner = (await browser.sign_in(grace)).json()
    refused = await browser.link(await browser.come_back(grace), amina.token)
    entered = await browser.sign_in(grace)
    assert (refused.status_code, refused.json()["code"]) == (409, "openid_identity_taken")
    assert await browser.identities(amina.token) == []
    assert entered.json()["user_id"] == owner["user_id"]


async def test_two_who_link_one_account_together_leave_it_to_one(
    browser: OpenidBrowser, sandbox_provider: SandboxProvider, services: Services
) -> None:
    grace = at_provider(sandbox_provider, services)
    people = [await make_person(services, name) for name in ("Amina", "Moses", "Eric")]
    bodies = [await browser.come_back(grace) for _ in people]
    links = (browser.link(body, one.token) for body, one in zip(bodies, people, strict=True))
    answers = await asyncio.gather(*links)
    held = [len(await browser.identities(one.token)) for one in people]
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409]
    assert sorted(held) == [0, 0, 1]


async def test_linking_takes_a_session_and_ones_own_flow(
    browser: OpenidBrowser,
    other_browser: OpenidBrowser,
    sandbox_provider: SandboxProvider,
    services: Services,
    amina: Person,
) -> None:
    mallory = at_provider(sandbox_provider, services)
    body = await other_browser.come_back(mallory)
    begun = await browser.begin()
    nobody = await browser.link(body, "zgu_" + "A" * 43)
    forced = await browser.link({**body, "flow_token": begun["flow_token"]}, amina.token)
    assert (nobody.status_code, nobody.json()["code"]) == (401, "authentication_required")
    assert (forced.status_code, forced.json()["code"]) == (400, "openid_flow_invalid")
    assert await browser.identities(amina.token) == []


async def test_a_session_that_was_left_open_changes_no_way_in(
    browser: OpenidBrowser,
    sandbox_provider: SandboxProvider,
    services: Services,
    clock: SettableClock,
) -> None:
    grace, second = (at_provider(sandbox_provider, services) for _ in range(2))
    token = (await browser.sign_in(grace)).json()["token"]
    (identity,) = await browser.identities(token)
    clock.advance(11 * 60_000)
    refused = await browser.link(await browser.come_back(second), token)
    kept = await browser.unlink(identity["id"], token)
    fresh = (await browser.sign_in(grace)).json()["token"]
    linked = await browser.link(await browser.come_back(second), fresh)
    assert {refused.json()["code"], kept.json()["code"]} == {"fresh_proof_needed"}
    assert linked.status_code == 201


async def test_unlinking_leaves_the_password(
    browser: OpenidBrowser,
    sandbox_provider: SandboxProvider,
    services: Services,
    administrator: AsyncConnection,
) -> None:
    amina = at_provider(sandbox_provider, services, f"amina.{services.new_id().hex}@post.example")
    made = await mailbox(browser, services, amina.address).sign_up()
    linked = (await browser.link(await browser.come_back(amina), made["token"])).json()
    gone = await browser.unlink(linked["id"], made["token"])
    again = await browser.unlink(linked["id"], made["token"])
    refused = await browser.sign_in(amina)
    letter = mailbox(browser, services, amina.address).letters()[-1]
    entry = (await recorded(administrator, made["user_id"]))[-1]
    assert [answer.status_code for answer in (gone, again, refused)] == [204, 404, 409]
    assert again.json()["code"] == NOTHING_TO_UNLINK
    assert (entry["kind"], entry["object_id"]) == ("openid.unlink", linked["id"])
    assert entry["before"] == {"provider": "google"}
    assert letter["Subject"] == "Google signs you in no more"


async def test_the_last_way_in_stays(
    browser: OpenidBrowser,
    sandbox_provider: SandboxProvider,
    services: Services,
    administrator: AsyncConnection,
) -> None:
    grace, second = (at_provider(sandbox_provider, services) for _ in range(2))
    made = (await browser.sign_in(grace)).json()
    (only,) = await browser.identities(made["token"])
    refused = await browser.unlink(only["id"], made["token"])
    other = (await browser.link(await browser.come_back(second), made["token"])).json()
    freed = await browser.unlink(only["id"], made["token"])
    last = await browser.unlink(other["id"], made["token"])
    kinds = [entry["kind"] for entry in await recorded(administrator, made["user_id"])]
    assert [answer.status_code for answer in (refused, freed, last)] == [409, 204, 409]
    assert {refused.json()["code"], last.json()["code"]} == {"last_way_in"}
    assert kinds == ["openid.link", "openid.link", "openid.unlink"]
    assert (await browser.sign_in(second)).json()["user_id"] == made["user_id"]


async def test_of_two_last_ways_in_removed_together_one_stays(
    browser: OpenidBrowser, sandbox_provider: SandboxProvider, services: Services
) -> None:
    grace, second = (at_provider(sandbox_provider, services) for _ in range(2))
    token = (await browser.sign_in(grace)).json()["token"]
    await browser.link(await browser.come_back(second), token)
    held = await browser.identities(token)
    answers = await asyncio.gather(*(browser.unlink(one["id"], token) for one in held))
    assert sorted(answer.status_code for answer in answers) == [204, 409]
    assert len(await browser.identities(token)) == 1


async def test_nobody_sees_or_unlinks_what_is_anothers(
    browser: OpenidBrowser, sandbox_provider: SandboxProvider, services: Services, amina: Person
) -> None:
    owner = (await browser.sign_in(at_provider(sandbox_provider, services))).json()
    (identity,) = await browser.identities(owner["token"])
    tried = await browser.unlink(identity["id"], amina.token)
    assert await browser.identities(amina.token) == []
    assert (tried.status_code, tried.json()["code"]) == (404, NOTHING_TO_UNLINK)
    assert len(await browser.identities(owner["token"])) == 1


async def test_people_without_an_address_link_too_and_get_no_letter(
    browser: OpenidBrowser, sandbox_provider: SandboxProvider, services: Services, amina: Person
) -> None:
    grace = at_provider(sandbox_provider, services)
    linked = await browser.link(await browser.come_back(grace), amina.token)
    entered = await browser.sign_in(grace)
    assert (linked.status_code, linked.json()["address"]) == (201, grace.address)
    assert entered.json()["user_id"] == str(amina.user_id)
    assert not (services.data_directory / "mail").exists()


async def test_the_address_of_a_closed_account_makes_no_second_one(
    browser: OpenidBrowser,
    sandbox_provider: SandboxProvider,
    services: Services,
    administrator: AsyncConnection,
    amina: Person,
) -> None:
    grace = at_provider(sandbox_provider, services)
    await confirm_address(services, UserId(amina.user_id), grace.address)
    closing = text("UPDATE users SET disabled_at = now() WHERE id = :user_id")
    await administrator.execute(closing, {"user_id": amina.user_id})
    refused = await browser.sign_in(grace)
    assert (refused.status_code, refused.json()["code"]) == (409, "openid_address_taken")


async def test_identities_come_in_pages(
    browser: OpenidBrowser, sandbox_provider: SandboxProvider, services: Services, amina: Person
) -> None:
    people = [at_provider(sandbox_provider, services) for _ in range(3)]
    for person in people:
        await browser.link(await browser.come_back(person), amina.token)
    url = "/v1/me/identities"
    first = await browser.client.get(url, params={"limit": 2}, headers=amina.headers)
    cursor = first.json()["next_cursor"]
    rest = await browser.client.get(url, params={"cursor": cursor}, headers=amina.headers)
    pages = [[one["address"] for one in page.json()["items"]] for page in (first, rest)]
    assert [len(page) for page in pages] == [2, 1]
    assert {*pages[0], *pages[1]} == {person.address for person in people}
    assert rest.json()["next_cursor"] is None
