"""People with an address and a password, as if they had signed up, and a session of theirs."""

from dataclasses import dataclass

import httpx
import pyotp

from shared.clock import SettableClock
from sync_server.identity.models import UserPassword
from sync_server.identity.passwords import hash_password
from sync_server.kit.claims import WORKER
from sync_server.kit.instants import instant
from sync_server.kit.services import Services
from tests.factories.team import confirm_address
from tests.factories.tenants import Person, make_person

PASSWORD = "lantern bicycle harvest"


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody who can sign in with `address` and `PASSWORD`, and is signed in elsewhere."""

    person: Person
    address: str


async def make_account(services: Services, name: str = "Grace Akello") -> Account:
    person = await make_person(services, name)
    address = f"grace.{person.user_id.hex}@example.org"
    await confirm_address(services, person.user_id, address)
    row = UserPassword(
        user_id=person.user_id,
        password_hash=await hash_password(PASSWORD),
        changed_at=instant(services.clock.now_ms()),
    )
    async with services.database.transaction(WORKER) as session:
        session.add(row)
    return Account(person, address)


async def turn_on_second_factor(
    client: httpx.AsyncClient, account: Account, clock: SettableClock
) -> str:
    """Set up the digits of an app on the account's phone; gives the app's secret."""
    url, headers = "/v1/me/second-factor", account.person.headers
    begun = await client.post(url, json={"present_password": PASSWORD}, headers=headers)
    secret: str = begun.json()["secret"]
    code = pyotp.TOTP(secret).at(clock.now_ms() // 1_000)
    confirmed = await client.post(f"{url}/confirm", json={"code": code}, headers=headers)
    assert confirmed.status_code == 204, confirmed.text
    return secret
