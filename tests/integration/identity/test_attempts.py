"""Strangers who try passwords are slowed down; the owner of the account is not."""

import asyncio

import pytest

from shared.clock import SettableClock
from sync_server.identity import attempts
from sync_server.identity.attempts import Counted, Limit
from sync_server.identity.errors import TooManyAttemptsError
from sync_server.kit.services import Services
from tests.integration.identity.conftest import BrowserFrom
from tests.integration.identity.people import Browser

THREE = Limit("three", 3, 60)


@pytest.fixture
def three(services: Services) -> Counted:
    return Counted(THREE, services.new_id().hex)


async def _tried(services: Services, *counted: Counted) -> int | str:
    try:
        return (await attempts.count(services, *counted)).remaining
    except TooManyAttemptsError as error:
        return error.headers["Retry-After"]


async def test_what_is_left_is_counted_down(services: Services, three: Counted) -> None:
    assert [await _tried(services, three) for _ in range(4)] == [2, 1, 0, "60"]


async def test_a_window_ends(services: Services, three: Counted, clock: SettableClock) -> None:
    for _ in range(4):
        await _tried(services, three)
    clock.advance(59_000)
    assert await _tried(services, three) == "1"
    clock.advance(1_000)
    assert await _tried(services, three) == 2


async def test_an_attempt_is_given_back(services: Services, three: Counted) -> None:
    await _tried(services, three)
    await _tried(services, three)
    await attempts.forgive(services, three)
    assert await _tried(services, three) == 1


async def test_attempts_at_the_same_moment_are_all_counted(
    services: Services, three: Counted
) -> None:
    other = Counted(THREE, "of " + three.subject)
    found = await asyncio.gather(
        *(_tried(services, *pair) for pair in [(three, other), (other, three)] * 2),
    )
    assert sorted(map(str, found)) == ["0", "1", "2", "60"]


async def test_old_counters_are_swept_away(
    services: Services, three: Counted, clock: SettableClock
) -> None:
    await _tried(services, three)
    clock.advance(25 * 3_600_000)
    await _tried(services, Counted(THREE, "another"))
    assert await _tried(services, three) == 2


async def test_whoever_tries_too_often_is_told_how_long_to_wait(browser: Browser) -> None:
    answers = [await browser.sign_in("wrong password") for _ in range(11)]
    assert {answer.status_code for answer in answers[:10]} == {401}
    assert answers[0].headers["ratelimit-policy"] == '"sign-in";q=10;w=900'
    assert answers[0].headers["ratelimit"] == '"sign-in";r=9;t=900'
    last = answers[10]
    assert (last.status_code, last.json()["code"]) == (429, "too_many_attempts")
    assert 0 < int(last.headers["retry-after"]) <= 900


async def test_a_right_password_too_late_is_refused_as_well(browser: Browser) -> None:
    await browser.sign_up()
    for _ in range(10):
        await browser.sign_in("wrong password")
    assert (await browser.sign_in()).status_code == 429


async def test_strangers_elsewhere_do_not_lock_the_owner_out(browser_from: BrowserFrom) -> None:
    owner, stranger = browser_from("198.51.100.7"), browser_from("203.0.113.9")
    await owner.sign_up()
    for _ in range(11):
        await stranger.sign_in("wrong password")
    assert (await stranger.sign_in()).status_code == 429
    assert (await owner.sign_in()).status_code == 201


async def test_a_known_device_works_in_the_very_network_of_strangers(browser: Browser) -> None:
    device = (await browser.sign_up())["device_token"]
    for _ in range(11):
        await browser.sign_in("wrong password")
    assert (await browser.sign_in()).status_code == 429
    assert (await browser.sign_in(device_token=device)).status_code == 201


async def test_a_device_is_known_to_its_owner_alone(browser: Browser) -> None:
    other = Browser(browser.client, "other." + browser.address, browser.folder)
    device = (await other.sign_up())["device_token"]
    for _ in range(11):
        await browser.sign_in("wrong password")
    assert (await browser.sign_in(device_token=device)).status_code == 429


async def test_a_stolen_device_is_limited_too_and_forgotten_at_a_reset(browser: Browser) -> None:
    device = (await browser.sign_up())["device_token"]
    tried = [await browser.sign_in("wrong password", device_token=device) for _ in range(21)]
    assert [answer.status_code for answer in tried[19:]] == [401, 429]
    await browser.ask_reset()
    await browser.reset(browser.token())
    after = await browser.sign_in("wrong password", device_token=device)
    assert after.headers["ratelimit-policy"].startswith('"sign-in"')


async def test_letters_are_limited_by_network(browser: Browser) -> None:
    answers = [await browser.ask_sign_up() for _ in range(6)]
    assert [answer.status_code for answer in answers] == [202] * 5 + [429]


async def test_a_mailbox_is_not_filled_from_many_networks(browser_from: BrowserFrom) -> None:
    browsers = [browser_from(f"192.0.{number}.1") for number in range(12)]
    answers = [await browser.ask_sign_up() for browser in browsers]
    assert {answer.status_code for answer in answers} == {202}
    assert len(browsers[0].letters()) == attempts.LETTERS_ADDRESS.attempts
