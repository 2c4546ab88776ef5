"""A person at a browser: asks, reads their letters, signs in."""

import email
import re
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import default as default_policy
from pathlib import Path
from typing import Any

import httpx

PASSWORD = "lantern bicycle harvest"
ANOTHER_PASSWORD = "copper violin monsoon"
_LINK = re.compile(r"http\S+/(?P<page>[\w-]+)#(?P<token>zgl_\S+)")
Answered = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Browser:
    """One network, one mailbox."""

    client: httpx.AsyncClient
    address: str
    folder: Path

    def letters(self) -> list[EmailMessage]:
        """What this address received, oldest first."""
        found = [
            email.message_from_bytes(path.read_bytes(), policy=default_policy)
            for path in sorted(self.folder.glob("*.eml"))
        ]
        return [letter for letter in found if letter["To"] == self.address]

    def token(self) -> str:
        """The token in the newest letter's link."""
        text = self.letters()[-1].get_content()
        found = _LINK.search(text)
        assert found is not None, text
        return found["token"]

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
