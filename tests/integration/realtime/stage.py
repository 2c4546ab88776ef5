"""Two organizers with an event each, and everybody who may want to listen to the first."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import httpx
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.ids import EventId
from sync_server.kit import channels
from sync_server.kit.services import Services
from sync_server.organizers import service_accounts
from sync_server.organizers.rules import Capability
from sync_server.organizers.schemas import NewServiceAccount
from tests.factories.scanners import Door, make_door, new_key
from tests.factories.tenants import (
    Person,
    Tenant,
    founder_caller,
    make_event,
    make_member,
    make_person,
    make_tenant,
)


@dataclass(frozen=True, slots=True)
class Stage:
    services: Services
    client: httpx.AsyncClient
    tenant: Tenant
    other: Tenant
    door: Door
    other_door: Door
    ticket: dict[str, Any]
    other_ticket: dict[str, Any]

    @property
    def event_id(self) -> EventId:
        return self.door.event_id

    @property
    def wallet_token(self) -> str:
        return str(self.ticket["claim_token"])

    def channel(self, kind: str) -> str:
        return CHANNELS[kind][0](self)

    async def member(self, *capabilities: Capability) -> Person:
        return await make_member(self.services, self.tenant, *capabilities)

    async def program(self, tenant: Tenant, *capabilities: Capability) -> tuple[UUID, str]:
        """A service account's id and token."""
        named = {"name": "Scoreboard", "capabilities": list(capabilities)}
        wanted = NewServiceAccount.model_validate(named)
        async with self.services.database.transaction(tenant.claims) as session:
            caller = founder_caller(tenant, session)
            made = await service_accounts.create_service_account(caller, self.services, wanted)
        return made.id, made.token

    async def change_status(self, status: str) -> None:
        path = f"{self.door.event_path}/tickets/{self.ticket['ticket_id']}/status"
        body = {"status": status, "reason": "asked for"}
        answer = await self.client.post(path, json=body, headers=self.tenant.headers)
        assert answer.status_code == 200, answer.text

    async def transfer(self) -> None:
        path = f"{self.door.event_path}/tickets/{self.ticket['ticket_id']}/transfers"
        headers = {**self.tenant.headers, **new_key()}
        answer = await self.client.post(path, json={}, headers=headers)
        assert answer.status_code == 201, answer.text


CHANNELS: Final[dict[str, tuple[Callable[[Stage], str], Capability]]] = {
    "sales": (lambda stage: channels.event_sales(stage.event_id), Capability.FINANCE_VIEW),
    "gates": (lambda stage: channels.event_gates(stage.event_id), Capability.SCANS_VIEW),
    "gate": (
        lambda stage: channels.event_gate(stage.event_id, UUID(stage.door.gate_id)),
        Capability.SCANS_VIEW,
    ),
    "ticket": (
        lambda stage: channels.event_ticket(stage.event_id, stage.ticket["ticket_id"]),
        Capability.TICKETS_ISSUE,
    ),
    "alerts": (
        lambda stage: channels.organizer_alerts(stage.tenant.organizer_id),
        Capability.SCANS_VIEW,
    ),
}


async def make_stage(services: Services, client: httpx.AsyncClient) -> Stage:
    doors: list[Door] = []
    for name in ("Nile Nights", "Lake Sounds"):
        tenant = await make_tenant(services, name)
        event_id = await make_event(services, tenant)
        doors.append(await make_door(client, tenant, event_id))
    tickets = [(await door.issue())[0] for door in doors]
    door, other_door = doors
    ticket, other_ticket = tickets
    return Stage(
        services=services,
        client=client,
        tenant=door.tenant,
        other=other_door.tenant,
        door=door,
        other_door=other_door,
        ticket=ticket,
        other_ticket=other_ticket,
    )


async def make_admin(services: Services, administrator: AsyncConnection) -> Person:
    """An admin who showed a second factor."""
    person = await make_person(services)
    who = {"id": person.user_id}
    grant = text("INSERT INTO user_roles (user_id, role) VALUES (:id, 'admin')")
    await administrator.execute(grant, who)
    mark = text("UPDATE user_sessions SET second_factor_at = now() WHERE user_id = :id")
    await administrator.execute(mark, who)
    return person
