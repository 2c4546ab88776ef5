"""The buyers' side of the demonstration: what somebody without an account does at the shop."""

import secrets
from dataclasses import dataclass, field
from typing import Final

import httpx

from organizer import IDEMPOTENCY_KEY, IssuedTicket, Json, checked
from processes import NotInTimeError, wait_until
from rails import Rail

_PAID_SECONDS: Final = 130  # A bank's files are taken in once a minute.


@dataclass(frozen=True)
class Order:
    """An order as its buyer has it; the token opens it."""

    order_id: str
    token: str = field(repr=False)


class Shop:
    """One event's shop."""

    def __init__(self, server_address: str, organizer_id: str, event_id: str) -> None:
        self._event = f"/v1/shop/{organizer_id}/events/{event_id}"
        self._http = httpx.Client(base_url=server_address, timeout=30)

    def close(self) -> None:
        self._http.close()

    def buy(self, name: str, basket: Json, rail: Rail | None = None) -> tuple[Order, Json]:
        """Ask what it costs, order at that price, and choose how to pay, unless it is free."""
        quoted = checked(self._http.post(f"{self._event}/quotes", json=basket))
        buyer = {"name": name, "address": f"{name.lower()}@example.org"}
        wanted: Json = {**basket, "buyer": buyer, "total": quoted["total"]}
        if rail is not None:
            wanted["payment"] = {"provider": rail.provider, "phone": rail.phone}
        key = {IDEMPOTENCY_KEY: secrets.token_hex(16)}
        placed = checked(self._http.post(f"{self._event}/orders", json=wanted, headers=key))
        return Order(placed["id"], placed["token"]), placed

    def wait_until_paid(self, order: Order) -> Json:
        """Give the order once its tickets are there, or raise NotInTimeError."""
        if not wait_until(lambda: self.read(order)["state"] != "held", _PAID_SECONDS):
            message = f"an order was not paid in {_PAID_SECONDS} s"
            raise NotInTimeError(message)
        return self.read(order)

    def read(self, order: Order) -> Json:
        headers = {"Authorization": f"Bearer {order.token}"}
        return checked(self._http.get("/v1/order", headers=headers))


def tickets_of(order: Json) -> list[IssuedTicket]:
    """Give the tickets of a paid order; the secret is in the link, behind its `#`."""
    return [
        IssuedTicket(line["ticket_id"], line["wallet_link"].partition("#")[2])
        for line in order["tickets"]
    ]
