"""What payments that do not fit, and what becomes of them, look like over HTTP."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from sync_server.payments.rules import PaymentState, Provider, ReturnedFrom


class MismatchedPaymentShown(BaseModel):
    """What was asked for, and what the provider says it received: nothing where it told no sum.
    `reference` is what it was asked under.
    """

    id: UUID
    organizer_id: UUID
    event_id: UUID
    order_id: UUID
    provider: Provider
    state: PaymentState
    reference: UUID
    provider_reference: str | None
    currency: str
    amount: int
    received_currency: str | None
    received_amount: int | None
    created_at: datetime
    received_at: datetime


class ReceiptReturn(BaseModel):
    """Where the money that came was given back from: by its provider, at whose own desk somebody
    asked for that, or from our bank account. `reference` is what names it there, as a statement
    will; say nothing of the buyer in it.
    """

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "paid_from": "provider",
                    "reference": "RF-20261126-7",
                    "reason": "The buyer sent too little",
                }
            ]
        },
    )

    paid_from: ReturnedFrom
    reference: Annotated[str, StringConstraints(strip_whitespace=True), Field(max_length=100)] = ""
    reason: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]


class ReturnedReceiptShown(MismatchedPaymentShown):
    """A payment that is over: what came of it went back."""

    paid_from: ReturnedFrom
    return_reference: str
    returned_at: datetime
