"""What refused refunds, and the accounts that buyers name for them, look like over HTTP."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from sync_server.orders.schemas import RefundShown, Text
from sync_server.payments.ports import Destination
from sync_server.payments.rules import PaidFrom, Provider
from sync_server.payments.schemas import AccountNumber, BankCode, Holder

_AN_ACCOUNT: dict[str, JsonValue] = {
    "holder": "Grace Nakato",
    "account": "3100012345",
    "bank": "CERBUGKA",
}


class NewRefundAccount(BaseModel):
    """The account of a buyer who paid by transfer: its number at `bank` (its BIC or sort code). It
    is never shown again but for its last characters.
    """

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [_AN_ACCOUNT]})

    holder: Holder
    account: AccountNumber
    bank: Annotated[BankCode, Field(min_length=1)]
    branch: BankCode = ""

    @property
    def destination(self) -> Destination:
        holder, account = self.holder.get_secret_value(), self.account.get_secret_value()
        return Destination(holder, account, self.bank, self.branch)


class RefundAccountShown(BaseModel):
    """`retried` are the refunds that had waited for it, and are under way now."""

    account_ending: str
    named_at: datetime
    retried: list[UUID]


class RefundRetry(BaseModel):
    """Why it is asked for again, and to which account where the buyer named none or a wrong one."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"reason": "The buyer called", "account": _AN_ACCOUNT}]},
    )

    reason: Text
    account: NewRefundAccount | None = None


class OutsideSettlement(BaseModel):
    """Where the money came from that a buyer got: the box office's till, or our bank account.
    `reference` is what names it there (a receipt, the bank's name of the transfer), for whoever
    looks it up; say nothing of the buyer in it.
    """

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "paid_from": "bank",
                    "reference": "FT26330XQ71",
                    "reason": "Sent by the bank's own form",
                }
            ]
        },
    )

    paid_from: PaidFrom
    reference: Annotated[str, Field(max_length=100)] = ""
    reason: Text


class RefusedRefundShown(RefundShown):
    """A refund that waits for a person. `wants_account` says that the buyer's account is unknown or
    wrong.
    """

    organizer_id: UUID
    order_id: UUID
    payment_id: UUID
    provider: Provider
    currency: str
    wants_account: bool
