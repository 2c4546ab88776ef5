"""Every call that keeps its answer for repeats, as a test makes it: where, with what, as whom."""

from base64 import b64encode
from dataclasses import dataclass, field
from typing import Any

import httpx
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from tests.factories.credentials import P256Holder
from tests.factories.scanners import Door

Json = dict[str, Any]
HEADER = "Idempotency-Key"
CALLS = ("tickets", "transfer", "binding", "deployment", "code", "account", "invitation")


@dataclass(frozen=True, slots=True)
class Call:
    """One call, another body for the same place, and how what it makes is counted."""

    client: httpx.AsyncClient
    path: str
    body: Json
    other_body: Json
    count: str
    headers: dict[str, str] = field(repr=False)

    async def send(
        self, key: str | None, body: Json | None = None, caller: dict[str, str] | None = None
    ) -> httpx.Response:
        """`caller` stands in the place of the call's own."""
        headers = {**self.headers, **({} if key is None else {HEADER: key}), **(caller or {})}
        return await self.client.post(self.path, json=body or self.body, headers=headers)

    async def made(self, administrator: AsyncConnection, door: Door) -> int:
        values = {"organizer": door.tenant.organizer_id}
        return int(await administrator.scalar(text(self.count), values) or 0)


async def make_call(door: Door, name: str) -> Call:
    """Arrange what the call needs; nothing it would make is there yet."""
    makers = {
        "tickets": _tickets,
        "transfer": _transfer,
        "binding": _binding,
        "deployment": _deployment,
        "code": _code,
        "account": _account,
        "invitation": _invitation,
    }
    return await makers[name](door)


def binding(word: str) -> Json:
    holder = P256Holder(word)
    return {"holder_algorithm": "p256", "holder_key": b64encode(holder.key.encoded).decode()}


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def _call(door: Door, path: str, bodies: tuple[Json, Json], count: str) -> Call:
    counted = f"SELECT count(*) FROM {count}"
    return Call(door.client, path, *bodies, counted, door.tenant.headers)


async def _tickets(door: Door) -> Call:
    listed = await door.client.get(f"{door.event_path}/ticket-types", headers=door.tenant.headers)
    ticket = {"ticket_type_id": listed.json()["items"][0]["id"], "holder_name": "Amina"}
    bodies = ({"tickets": [ticket]}, {"tickets": [ticket, ticket]})
    count = "tickets WHERE organizer_id = :organizer"
    return _call(door, f"{door.event_path}/tickets", bodies, count)


async def _transfer(door: Door) -> Call:
    (ticket,) = await door.issue()
    path = f"{door.event_path}/tickets/{ticket['ticket_id']}/transfers"
    bodies = ({"holder_name": "Okello"}, {"holder_name": "Moses"})
    count = "admin_action_log WHERE organizer_id = :organizer AND kind = 'ticket.transfer'"
    return _call(door, path, bodies, count)


async def _binding(door: Door) -> Call:
    (ticket,) = await door.issue()
    bodies = (binding("one"), binding("two"))
    count = "SELECT count(*) FROM ticket_bindings WHERE organizer_id = :organizer"
    headers = bearer(ticket["claim_token"])
    return Call(door.client, "/v1/wallet/tickets/bind", *bodies, count, headers)


async def _deployment(door: Door) -> Call:
    # An explicit null lifts a limit, and leaving it out does not.
    rules = {"rules": [{"set": {"capacity": None, "check_identity": True}}]}
    body = {"name": "Side doors", "gate_ids": [door.gate_id], "rules": rules}
    bodies = (body, {**body, "name": "Back doors"})
    count = "deployments WHERE organizer_id = :organizer AND name <> 'Main doors'"
    return _call(door, f"{door.event_path}/deployments", bodies, count)


async def _code(door: Door) -> Call:
    listed = await door.client.get(f"{door.event_path}/gates", headers=door.tenant.headers)
    (gate,) = listed.json()["items"]
    unknown = "01a206c5-5235-7e5e-9234-8ac622ca9a74"
    bodies = ({"gate_id": gate["id"]}, {"gate_id": unknown})
    count = "enrolment_codes WHERE organizer_id = :organizer"
    return _call(door, f"{door.path}/enrolment-codes", bodies, count)


async def _account(door: Door) -> Call:
    body = {"name": "Scoreboard", "capabilities": ["scans.view", "event.manage", "tickets.issue"]}
    bodies = (body, {**body, "name": "Till"})
    count = "service_accounts WHERE organizer_id = :organizer"
    return _call(door, f"{door.tenant.path}/service-accounts", bodies, count)


async def _invitation(door: Door) -> Call:
    body = {"address": "moses@example.org", "capabilities": ["scans.view", "event.manage"]}
    bodies = (body, {**body, "address": "grace@example.org"})
    count = "organizer_invitations WHERE organizer_id = :organizer"
    return _call(door, f"{door.tenant.path}/invitations", bodies, count)
