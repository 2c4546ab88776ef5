"""A person at a browser: asks, reads their letters, signs in."""

from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import httpx

from tests.factories.letters import letters_to, link_in

PASSWORD = "lantern bicycle harvest"
ANOTHER_PASSWORD = "copper violin monsoon"
Answered = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Browser:
    """One network, one mailbox."""

    client: httpx.AsyncClient
    address: str
    folder: Path

    def letters(self) -> list[EmailMessage]:
        """What this address received, oldest first."""
        return letters_to(self.folder, self.address)

    def token(self) -> str:
        """The token in the newest letter's link."""
        return link_in(self.letters()[-1]).rpartition("#")[2]

    async def ask_sign_up(self, **more: str) -> httpx.Response:
        body = {"address": self.address, "display_name": "Grace", **more}
        return await self.client.post("/v1/sign-ups", json=body)

    async def confirm(self, token: str, password: str = PASSWORD) -> httpx.Response:
        body = {"token": token, "password": password}
        return await self.client.post("/v1/sign-ups/confirm", json=body)

    async def sign_up(self, **more: str) -> Answered:
        await self.ask_sign_up(**more)
        answer = await self.confirm(self.token())
        assert answer.status_code == 201, answer.text
        made: Answered = answer.json()
        return made

    async def sign_in(self, password: str = PASSWORD, **more: str) -> httpx.Response:
        body = {"address": self.address, "password": password, **more}
        return await self.client.post("/v1/sessions", json=body)

    async def ask_reset(self) -> httpx.Response:
        return await self.client.post("/v1/password-resets", json={"address": self.address})

    async def reset(self, token: str, password: str = ANOTHER_PASSWORD) -> httpx.Response:
        body = {"token": token, "password": password}
        return await self.client.post("/v1/password-resets/confirm", json=body)

    async def is_signed_in(self, token: str) -> bool:
        answer = await self.client.get("/v1/me", headers=bearer(token))
        return answer.status_code == 200


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}
