"""A person with an account, a browser and an authenticator."""

from dataclasses import dataclass
from typing import Any

import httpx

from tests.factories.authenticators import HONEST, Authenticator, Json, Manner
from tests.integration.identity.people import Browser, bearer

SITE = "https://gate.example.org"


@dataclass(frozen=True, slots=True)
class Holder:
    """Somebody who is signed in by `token`, and what their phone can do."""

    browser: Browser
    authenticator: Authenticator
    user_id: str
    token: str

    @property
    def headers(self) -> dict[str, str]:
        return bearer(self.token)

    async def get(self, path: str) -> Any:  # noqa: ANN401 - whatever JSON can say
        answer = await self.browser.client.get(path, headers=self.headers)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def begin(self) -> httpx.Response:
        url = "/v1/me/passkeys/registrations"
        return await self.browser.client.post(url, headers=self.headers)

    async def give(self, registration_id: str, credential: Json, name: str) -> httpx.Response:
        body = {"registration_id": registration_id, "name": name, "credential": credential}
        url = "/v1/me/passkeys"
        return await self.browser.client.post(url, json=body, headers=self.headers)

    async def register(self, name: str = "Phone", manner: Manner = HONEST) -> httpx.Response:
        begun = (await self.begin()).json()
        credential = self.authenticator.create(begun["options"], manner)
        return await self.give(begun["registration_id"], credential, name)

    async def registered(self, name: str = "Phone", manner: Manner = HONEST) -> Json:
        answer = await self.register(name, manner)
        assert answer.status_code == 201, answer.text
        made: Json = answer.json()
        return made

    async def challenge(self) -> Json:
        answer = await self.browser.client.post("/v1/passkeys/challenges")
        assert answer.status_code == 201, answer.text
        made: Json = answer.json()
        return made

    async def show(self, manner: Manner = HONEST) -> Json:
        """A fresh challenge, signed."""
        challenge = await self.challenge()
        credential = self.authenticator.get(challenge["options"], manner)
        return {"challenge_id": challenge["challenge_id"], "credential": credential}

    async def sign_in(self, manner: Manner = HONEST, **more: str) -> httpx.Response:
        return await self.bring({**await self.show(manner), **more})

    async def bring(self, shown: Json) -> httpx.Response:
        return await self.browser.client.post("/v1/passkeys/sessions", json=shown)

    async def prove(self, manner: Manner = HONEST) -> httpx.Response:
        shown = await self.show(manner)
        url = "/v1/me/passkeys/proofs"
        return await self.browser.client.post(url, json=shown, headers=self.headers)

    async def remove(self, passkey_id: str) -> httpx.Response:
        url = f"/v1/me/passkeys/{passkey_id}"
        return await self.browser.client.delete(url, headers=self.headers)


async def signed_up(browser: Browser) -> Holder:
    made = await browser.sign_up()
    return Holder(browser, Authenticator(SITE), made["user_id"], made["token"])


def signed_in_as(holder: Holder, token: str) -> Holder:
    """The same person and phone in another session."""
    return Holder(holder.browser, holder.authenticator, holder.user_id, token)
