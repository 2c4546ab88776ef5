"""Coming in from the provider: accounts are made once, flows are used once."""

import asyncio
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.clock import SettableClock
from sync_server.identity import service as identity
from sync_server.identity.rules import Language
from sync_server.kit.claims import WORKER
from sync_server.kit.services import Services
from sync_server.sandboxes.openid_provider import SandboxPerson
from tests.factories.openid import OpenidBrowser, a_person, bearer
from tests.integration.identity.people import ANOTHER_PASSWORD
from tests.integration.identity.people import Browser as Mailbox
from tests.plugins.openid import SandboxProvider

FLOW_MS = 600_000
SWEPT_AT_ONCE = 20


@pytest.fixture
def grace(services: Services, sandbox_provider: SandboxProvider) -> SandboxPerson:
    """Somebody with an account at the provider and none here."""
    person = a_person(services)
    sandbox_provider.add_person(person)
    return person


def code_of(answer: httpx.Response) -> str | None:
    code: str | None = answer.json().get("code")
    return code


async def test_the_provider_is_offered_by_name(browser: OpenidBrowser) -> None:
    answer = await browser.client.get("/v1/openid/providers")
    assert answer.json() == {"items": [{"id": "google", "name": "Google"}]}


async def test_without_a_client_nobody_comes_in_that_way(app_client: httpx.AsyncClient) -> None:
    body = {"code": "c", "state": "s", "flow_token": "f"}
    providers = await app_client.get("/v1/openid/providers")
    begun = await app_client.post("/v1/openid/google/requests", json={})
    finished = await app_client.post("/v1/openid/google/sessions", json=body)
    assert providers.json() == {"items": []}
    assert [(answer.status_code, code_of(answer)) for answer in (begun, finished)] == [
        (404, "openid_provider_unknown"),
        (404, "openid_provider_unknown"),
    ]


async def test_the_browser_is_sent_with_everything_that_binds_its_answer(
    browser: OpenidBrowser, sandbox_provider: SandboxProvider
) -> None:
    begun = await browser.begin(language="sw")
    url = urlsplit(begun["authorization_url"])
    sent = {name: values[0] for name, values in parse_qs(url.query).items()}
    assert f"{url.scheme}://{url.netloc}" == sandbox_provider.issuer
    assert sent.pop("redirect_uri") == "http://127.0.0.1/sign-in/google"
    assert {len(sent.pop(name)) for name in ("state", "nonce")} == {47}
    assert len(sent.pop("code_challenge")) == 43
    assert sent == {
        "response_type": "code",
        "client_id": "zeraket.apps.sandbox.example",
        "scope": "openid email profile",
        "code_challenge_method": "S256",
        "prompt": "select_account",
        "ui_locales": "sw",
    }
    assert begun["flow_token"].startswith("zgf_")
    assert begun["flow_token"] not in begun["authorization_url"]


async def test_a_first_visit_makes_an_account_and_a_second_finds_it(
    browser: OpenidBrowser, services: Services, grace: SandboxPerson
) -> None:
    first = await browser.sign_in(grace, language="lg")
    second = await browser.sign_in(grace, language="fr")
    made, again = first.json(), second.json()
    assert (first.status_code, first.headers["cache-control"]) == (201, "no-store")
    assert set(made) == {"user_id", "token", "device_token", "expires_at"}
    assert (again["user_id"], again["token"] != made["token"]) == (made["user_id"], True)
    assert await browser.who(made["token"]) == {
        "user_id": made["user_id"],
        "display_name": "Grace Akello",
    }
    async with services.database.reading(WORKER) as session:
        account = await identity.find_account_of_address(session, grace.address)
    assert account is not None
    assert (str(account.user_id), account.language) == (made["user_id"], Language.LUGANDA)


async def test_people_are_known_by_subject_whatever_becomes_of_their_address(
    browser: OpenidBrowser, services: Services, sandbox_provider: SandboxProvider
) -> None:
    before = a_person(services)
    after = SandboxPerson(before.subject, f"new.{before.address}", "Grace Okello")
    sandbox_provider.add_person(before)
    made = (await browser.sign_in(before)).json()
    sandbox_provider.sandbox.people = (after,)
    again = (await browser.sign_in(after)).json()
    assert again["user_id"] == made["user_id"]
    assert [shown["address"] for shown in await browser.identities(again["token"])] == [
        after.address
    ]
    async with services.database.reading(WORKER) as session:
        assert await identity.find_account_of_address(session, after.address) is None


async def test_an_account_that_google_made_may_choose_a_password(
    browser: OpenidBrowser, services: Services, grace: SandboxPerson
) -> None:
    made = (await browser.sign_in(grace)).json()
    mailbox = Mailbox(browser.client, grace.address, services.data_directory / "mail")
    await mailbox.ask_reset()
    chosen = await mailbox.reset(mailbox.token())
    signed_in = await mailbox.sign_in(ANOTHER_PASSWORD)
    assert (chosen.status_code, signed_in.status_code) == (201, 201)
    assert {answer.json()["user_id"] for answer in (chosen, signed_in)} == {made["user_id"]}


async def test_a_flow_is_used_once(browser: OpenidBrowser, grace: SandboxPerson) -> None:
    body = await browser.come_back(grace)
    answers = [await browser.finish(body) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 400]
    assert code_of(answers[1]) == "openid_flow_invalid"


async def test_of_many_who_bring_one_flow_together_one_comes_in(
    browser: OpenidBrowser, grace: SandboxPerson
) -> None:
    body = await browser.come_back(grace)
    answers = await asyncio.gather(*(browser.finish(body) for _ in range(5)))
    codes = [code_of(answer) for answer in answers]
    assert sorted(answer.status_code for answer in answers) == [201, 400, 400, 400, 400]
    assert codes.count("openid_flow_invalid") == 4


async def test_one_person_in_many_tabs_gets_one_account(
    browser: OpenidBrowser, grace: SandboxPerson
) -> None:
    bodies = [await browser.come_back(grace) for _ in range(4)]
    answers = await asyncio.gather(*(browser.finish(body) for body in bodies))
    assert [answer.status_code for answer in answers] == [201] * 4
    assert len({answer.json()["user_id"] for answer in answers}) == 1
    assert len(await browser.identities(answers[0].json()["token"])) == 1


async def test_a_flow_of_another_browser_lets_nobody_in(
    browser: OpenidBrowser, other_browser: OpenidBrowser, grace: SandboxPerson
) -> None:
    mine, theirs = await browser.come_back(grace), await other_browser.come_back(grace)
    crossed = [
        {**mine, "flow_token": theirs["flow_token"]},
        {**mine, "state": theirs["state"]},
        {**theirs, "flow_token": "zgf_" + "A" * 43},
    ]
    answers = [await browser.finish(body) for body in crossed]
    assert [code_of(answer) for answer in answers] == ["openid_flow_invalid"] * 3
    assert (await browser.finish(mine)).status_code == 201


async def test_a_code_of_another_flow_lets_nobody_in(
    browser: OpenidBrowser, other_browser: OpenidBrowser, grace: SandboxPerson
) -> None:
    mine, theirs = await browser.come_back(grace), await other_browser.come_back(grace)
    injected = await browser.finish({**mine, "code": theirs["code"]})
    assert (injected.status_code, code_of(injected)) == (400, "openid_code_refused")


async def test_a_code_nobody_gave_ends_its_flow(
    browser: OpenidBrowser, grace: SandboxPerson
) -> None:
    body = await browser.come_back(grace)
    guessed = await browser.finish({**body, "code": "guessed"})
    late = await browser.finish(body)
    assert [code_of(answer) for answer in (guessed, late)] == [
        "openid_code_refused",
        "openid_flow_invalid",
    ]


@pytest.mark.parametrize(
    ("passed_ms", "status"), [(FLOW_MS - 1, 201), (FLOW_MS, 400), (FLOW_MS + 1, 400)]
)
async def test_a_flow_ends_after_ten_minutes(
    browser: OpenidBrowser,
    sandbox_provider: SandboxProvider,
    grace: SandboxPerson,
    clock: SettableClock,
    passed_ms: int,
    status: int,
) -> None:
    begun = await browser.begin()
    clock.advance(passed_ms)
    answer = await sandbox_provider.answer(begun["authorization_url"], grace)
    body = {**answer, "flow_token": begun["flow_token"]}
    assert (await browser.finish(body)).status_code == status


async def test_flows_are_swept_away(
    browser: OpenidBrowser, clock: SettableClock, administrator: AsyncConnection
) -> None:
    begun = await browser.begin()
    clock.advance(FLOW_MS + 1)
    stale = await administrator.scalar(text("SELECT count(*) FROM openid_flows"))
    for _ in range(stale // SWEPT_AT_ONCE + 1):
        await browser.begin()
    hashed = "SELECT count(*) FROM openid_flows WHERE token_hash = sha256(CAST(:token AS bytea))"
    left = await administrator.scalar(text(hashed), {"token": begun["flow_token"].encode()})
    assert left == 0


async def test_whoever_denies_has_no_code_to_bring(
    browser: OpenidBrowser, sandbox_provider: SandboxProvider
) -> None:
    begun = await browser.begin()
    nobody = SandboxPerson("", "", "")
    answer = await sandbox_provider.answer(begun["authorization_url"], nobody)
    assert answer["error"] == "access_denied"
    assert "code" not in answer


async def test_a_closed_account_stays_closed(
    browser: OpenidBrowser, grace: SandboxPerson, administrator: AsyncConnection
) -> None:
    made = (await browser.sign_in(grace)).json()
    closing = text("UPDATE users SET disabled_at = now() WHERE id = :user_id")
    await administrator.execute(closing, {"user_id": made["user_id"]})
    answer = await browser.sign_in(grace)
    assert (answer.status_code, code_of(answer)) == (403, "account_disabled")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("requests", {"language": "de"}),
        ("requests", {"prompt": "none"}),
        ("sessions", {"code": "c", "state": "s"}),
        ("sessions", {"code": "", "state": "s", "flow_token": "f"}),
        ("sessions", {"code": "c" * 2_001, "state": "s", "flow_token": "f"}),
        ("sessions", {"code": "c", "state": "s", "flow_token": "f", "code_of_second_factor": "1"}),
    ],
)
async def test_what_is_misshapen_is_told_so_without_being_repeated(
    browser: OpenidBrowser, path: str, body: dict[str, str]
) -> None:
    answer = await browser.client.post(f"/v1/openid/google/{path}", json=body)
    assert (answer.status_code, code_of(answer)) == (422, "request_invalid")
    assert "ccc" not in answer.text


async def test_a_flow_keeps_no_secret_in_the_open(
    browser: OpenidBrowser, grace: SandboxPerson, administrator: AsyncConnection
) -> None:
    body = await browser.come_back(grace)
    await browser.finish(body)
    query = text("SELECT * FROM openid_flows WHERE token_hash = sha256(CAST(:token AS bytea))")
    found = await administrator.execute(query, {"token": body["flow_token"].encode()})
    row = found.mappings().one()
    assert (row["used_at"] is not None, row["sealed_person"]) == (True, None)
    assert [name for name in ("code", "state", "flow_token") if body[name] in str(row)] == []


async def test_many_sign_ins_from_one_network_are_too_many(
    browser: OpenidBrowser, grace: SandboxPerson
) -> None:
    device_token = (await browser.sign_in(grace)).json()["device_token"]
    body = {"code": "c", "state": "s", "flow_token": "f"}
    answers = [await browser.finish(body) for _ in range(200)]
    known = await browser.finish(await browser.come_back(grace), device_token=device_token)
    assert {answer.status_code for answer in answers[:-1]} == {400}
    assert (answers[-1].status_code, code_of(answers[-1])) == (429, "too_many_attempts")
    assert known.status_code == 201


async def test_the_description_names_its_refusals(browser: OpenidBrowser) -> None:
    document = (await browser.client.get("/openapi.json")).json()
    sessions = document["paths"]["/v1/openid/{provider}/sessions"]["post"]["responses"]
    assert set(sessions) >= {"201", "400", "401", "403", "404", "409", "422", "429", "503"}
    assert "`openid_token_refused`" in sessions["403"]["description"]
    assert "`second_factor_wrong`" in sessions["403"]["description"]


async def test_nobody_lists_anything_without_a_session(browser: OpenidBrowser) -> None:
    headers = bearer("zgu_" + "A" * 43)
    answer = await browser.client.get("/v1/me/identities", headers=headers)
    assert (answer.status_code, code_of(answer)) == (401, "authentication_required")
