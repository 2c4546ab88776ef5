"""The organizer's side of the demonstration: a small client of the server's HTTP interface."""

import base64
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

import httpx

from attendee import Wallet, WalletKey
from shared.credentials.holding import HeldTicket
from shared.credentials.layout import Form

Json = dict[str, Any]
_TICKETS_PER_CALL: Final = 500
_FORMS: Final = {
    "R": (Form.ROTATING_REFERENCE, "reference"),
    "E": (Form.ROTATING_SELF_CONTAINED, "credential"),
}


@dataclass(frozen=True)
class IssuedTicket:
    """A ticket as its buyer gets it."""

    ticket_id: str
    claim_token: str = field(repr=False)


class Organizer:
    """Acts for one organizer and one event."""

    def __init__(self, server_address: str, organizer_id: str, event_id: str, token: str) -> None:
        self._event = f"/v1/organizers/{organizer_id}/events/{event_id}"
        self._http = httpx.Client(
            base_url=server_address, headers={"Authorization": f"Bearer {token}"}, timeout=30
        )
        self._public = httpx.Client(base_url=server_address, timeout=30)

    def close(self) -> None:
        self._http.close()
        self._public.close()

    def gates(self) -> dict[str, str]:
        """Give gate ids by name."""
        return {gate["name"]: gate["id"] for gate in self._list("/gates")}

    def ticket_types(self) -> dict[str, str]:
        """Give ticket type ids by name."""
        return {kind["name"]: kind["id"] for kind in self._list("/ticket-types")}

    def issue(self, ticket_type_id: str, count: int, holder_name: str) -> list[IssuedTicket]:
        """Issue tickets in calls of 500."""
        issued: list[IssuedTicket] = []
        while len(issued) < count:
            share = min(_TICKETS_PER_CALL, count - len(issued))
            wanted = [
                {
                    "ticket_type_id": ticket_type_id,
                    "holder_name": f"{holder_name} {len(issued) + number + 1}",
                }
                for number in range(share)
            ]
            answer = self._post("/tickets", {"tickets": wanted})
            issued += [
                IssuedTicket(ticket["ticket_id"], ticket["claim_token"])
                for ticket in answer["tickets"]
            ]
        return issued

    def change_status(self, ticket_id: str, status: str) -> None:
        self._post(f"/tickets/{ticket_id}/status", {"status": status, "reason": "demonstration"})

    def bind(self, ticket: IssuedTicket) -> WalletKey:
        """Make a key on the visitor's phone and bind the ticket to it."""
        key = WalletKey()
        holder_key = base64.b64encode(key.public_key).decode()
        answer = self._public.post(
            "/v1/wallet/tickets/bind",
            headers=_claim(ticket),
            json={"holder_algorithm": "p256", "holder_key": holder_key},
        )
        _checked(answer)
        return key

    def wallet(
        self, ticket: IssuedTicket, key: WalletKey, form_letter: str | None = None
    ) -> Wallet:
        """Fetch what a wallet shows: the form the server names, or the one asked for."""
        shown = self.wallet_ticket(ticket)
        form, body = _FORMS[form_letter or shown["form"]]
        held = HeldTicket(
            event_id=UUID(shown["event_id"]),
            key_set_id=shown["kid"],
            form=form,
            body=base64.b64decode(shown[body]),
        )
        return Wallet(key, held, ticket.ticket_id)

    def wallet_ticket(self, ticket: IssuedTicket) -> Json:
        return _checked(self._public.get("/v1/wallet/ticket", headers=_claim(ticket)))

    def create_deployment(self, gate_ids: list[str], rules: Json) -> str:
        answer = self._post(
            "/deployments", {"name": "Demo Night", "gate_ids": gate_ids, "rules": rules}
        )
        return str(answer["id"])

    def enrolment_code(self, deployment_id: str, gate_id: str) -> str:
        """Give the text of a QR code that enrols one kiosk."""
        place = f"/deployments/{deployment_id}/enrolment-codes"
        return str(self._post(place, {"gate_id": gate_id})["text"])

    def devices(self, deployment_id: str) -> list[Json]:
        return self._list(f"/deployments/{deployment_id}/devices")

    def scans(self, deployment_id: str) -> list[Json]:
        return self._list(f"/deployments/{deployment_id}/scans")

    def conflicts(self, deployment_id: str) -> list[Json]:
        return self._list(f"/deployments/{deployment_id}/conflicts")

    def revoke_device(self, deployment_id: str, device_id: str) -> None:
        self._post(f"/deployments/{deployment_id}/devices/{device_id}/revoke", {})

    def _post(self, place: str, body: Json) -> Json:
        return _checked(self._http.post(self._event + place, json=body))

    def _list(self, place: str) -> list[Json]:
        items: list[Json] = []
        cursor: str | None = None
        while True:
            query = {"limit": "200"} | ({} if cursor is None else {"cursor": cursor})
            page = _checked(self._http.get(self._event + place, params=query))
            items += page["items"]
            cursor = page.get("next_cursor")
            if cursor is None:
                return items


def _claim(ticket: IssuedTicket) -> dict[str, str]:
    return {"Authorization": f"Bearer {ticket.claim_token}"}


def _checked(answer: httpx.Response) -> Json:
    if answer.is_error:
        message = f"{answer.request.method} {answer.request.url.path}: {answer.text}"
        raise RuntimeError(message)
    document: Json = answer.json()
    return document
