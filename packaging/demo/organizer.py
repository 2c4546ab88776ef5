"""The organizer's side of the demonstration: a small client of the server's HTTP interface."""

import base64
import secrets
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

import httpx

from attendee import Wallet, WalletKey
from processes import wait_until
from shared.credentials.holding import HeldTicket
from shared.credentials.layout import Form

Json = dict[str, Any]
IDEMPOTENCY_KEY: Final = "Idempotency-Key"
_TICKETS_PER_CALL: Final = 500
_REFUND_SECONDS: Final = 40
_REFUND_DECIDED: Final = {"succeeded", "failed"}
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
        self._organizer = f"/v1/organizers/{organizer_id}"
        self._event = f"{self._organizer}/events/{event_id}"
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
            headers={**_claim(ticket), IDEMPOTENCY_KEY: secrets.token_hex(16)},
            json={"holder_algorithm": "p256", "holder_key": holder_key},
        )
        checked(answer)
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
        return checked(self._public.get("/v1/wallet/ticket", headers=_claim(ticket)))

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

    def put_on_sale(self, ticket_type_id: str, price: int, quantity: int) -> None:
        offer = {"currency": "UGX", "price": price, "quantity": quantity, "per_buyer_max": 10}
        place = f"{self._event}/offers/{ticket_type_id}"
        checked(self._http.put(place, json=offer))

    def give_away(self, promo_code: str, uses: int) -> None:
        """Make a promo code that takes the whole price off."""
        wanted = {"code": promo_code, "basis_points": 10_000, "uses_max": uses}
        self._post("/promo-codes", wanted)

    def sell_for_cash(self, basket: Json) -> Json:
        return self._post("/orders", basket)

    def orders(self) -> list[Json]:
        """Give every order of the event in full."""
        return [self.read(f"/orders/{order['id']}") for order in self._list("/orders")]

    def refund(self, order_id: str, line: int) -> None:
        """Give one ticket's money back."""
        wanted = {"lines": [line], "reason": "demonstration"}
        checked(self.ask(f"/orders/{order_id}/refunds", wanted))

    def wait_for_refund(self, order_id: str) -> str:
        """Give the state of an order's newest refund once its provider has decided."""

        def state() -> str:
            return str(self.read(f"/orders/{order_id}")["refunds"][-1]["state"])

        wait_until(lambda: state() in _REFUND_DECIDED, _REFUND_SECONDS)
        return state()

    def balances(self) -> list[Json]:
        """Give every account of the books; a debit is positive, a credit negative."""
        items: list[Json] = self.read("/ledger/balances")["items"]
        return items

    def read(self, place: str) -> Json:
        """Read what is the organizer's, and of no event."""
        return checked(self._http.get(self._organizer + place))

    def ask(self, place: str, body: Json) -> httpx.Response:
        """Ask for something that is the organizer's, and of no event; it may be refused."""
        return self._send(self._organizer + place, body)

    def _post(self, place: str, body: Json) -> Json:
        return checked(self._send(self._event + place, body))

    def _send(self, place: str, body: Json) -> httpx.Response:
        """A key of its own heads each call; whoever sends one again keeps it."""
        key = {IDEMPOTENCY_KEY: secrets.token_hex(16)}
        return self._http.post(place, json=body, headers=key)

    def _list(self, place: str) -> list[Json]:
        items: list[Json] = []
        cursor: str | None = None
        while True:
            query = {"limit": "200"} | ({} if cursor is None else {"cursor": cursor})
            page = checked(self._http.get(self._event + place, params=query))
            items += page["items"]
            cursor = page.get("next_cursor")
            if cursor is None:
                return items


def _claim(ticket: IssuedTicket) -> dict[str, str]:
    return {"Authorization": f"Bearer {ticket.claim_token}"}


def checked(answer: httpx.Response) -> Json:
    """Give the answer's document; whatever is refused ends the demonstration."""
    if answer.is_error:
        message = f"{answer.request.method} {answer.request.url.path}: {answer.text}"
        raise RuntimeError(message)
    document: Json = answer.json()
    return document
