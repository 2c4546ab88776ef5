"""What payouts look like over HTTP; amounts are minor units."""

from datetime import datetime
from typing import Annotated, Final
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue

from shared.money import CURRENCY_EXPONENTS
from sync_server.payments.rules import Provider
from sync_server.payments.schemas import AccountNumber, BankCode, Holder
from sync_server.payouts.rules import RAILS, NameCheck, PayoutState


def _known_currency(currency: str) -> str:
    if currency not in CURRENCY_EXPONENTS:
        message = "an unknown currency"
        raise ValueError(message)
    return currency


def _payout_rail(rail: Provider) -> Provider:
    if rail not in RAILS:
        message = "nothing is paid out this way"
        raise ValueError(message)
    return rail


Currency = Annotated[str, Field(pattern=r"^[A-Z]{3}$"), AfterValidator(_known_currency)]
Rail = Annotated[Provider, AfterValidator(_payout_rail)]
_PLAIN: Final = r"^[^\x00-\x1f\x7f]+$"
Reason = Annotated[str, Field(max_length=200, pattern=_PLAIN)]


class AmountsShown(BaseModel):
    """`pending` is held until after its event, `in_transit` is asked for and not there yet,
    `owed` is what the organizer owes the platform.
    """

    currency: str
    pending: int
    available: int
    in_transit: int
    owed: int


class PayoutBalancesShown(BaseModel):
    items: list[AmountsShown]


class HoldRuleShown(BaseModel):
    """Version 0 is what holds where nobody set a rule."""

    version: int
    hold_days: int
    reason: str | None
    set_at: datetime | None


class NewHoldRule(BaseModel):
    """Days are counted from the end of an event's first day."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"hold_days": 7, "reason": "first event"}]},
    )

    hold_days: int = Field(ge=0, le=365)
    reason: Reason


_NEW_DESTINATION: dict[str, JsonValue] = {
    "label": "Our MTN line",
    "rail": "mtn",
    "currency": "UGX",
    "holder": "Grace Nakato",
    "account": "+256772123456",
}


class NewDestination(BaseModel):
    """`account` is a telephone with its plus, or the digits of a bank account at `bank` (its BIC
    or sort code); it is never shown again.
    """

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [_NEW_DESTINATION]})

    label: str = Field(max_length=80, pattern=_PLAIN)
    rail: Rail
    currency: Currency
    holder: Holder
    account: AccountNumber
    bank: BankCode = ""
    branch: BankCode = ""


class DestinationShown(BaseModel):
    """`account_ending` are the last digits; `name_check` is what came of asking the rail."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    label: str
    rail: Provider
    currency: str
    account_ending: str
    name_check: NameCheck
    name_checked_at: datetime | None
    added_by: UUID
    added_at: datetime
    confirmed_by: UUID | None
    confirmed_at: datetime | None
    withdrawn_at: datetime | None


class DestinationNames(DestinationShown):
    """Both names: `holder` as somebody wrote it down, `told_name` as the rail says it."""

    holder: str
    told_name: str | None


class NewPayout(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "destination_id": "01a206c5-5235-7e5e-9234-8ac622ca9a74",
                    "currency": "UGX",
                    "amount": 94100,
                }
            ]
        },
    )

    destination_id: UUID
    currency: Currency
    amount: int = Field(gt=0, lt=1 << 53)


class Approval(BaseModel):
    """`accepts_name` says that the name the rail tells was looked at, and is right as well."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{}]})

    accepts_name: bool = False


class Refusal(BaseModel):
    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"reason": "wrong month"}]}
    )

    reason: Reason


class PayoutShown(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    number: str
    destination_id: UUID
    rail: Provider
    state: PayoutState
    currency: str
    amount: int
    reason: str | None
    requested_by: UUID
    requested_at: datetime
    decided_by: UUID | None
    decided_at: datetime | None
    state_changed_at: datetime


class AttemptShown(BaseModel):
    """One call of the rail: `code` is its own word."""

    model_config = ConfigDict(from_attributes=True)

    kind: str
    finding: str
    code: str | None
    milliseconds: int
    started_at: datetime


class PayoutEntryShown(BaseModel):
    """A line in the books; a debit is positive, a credit negative."""

    model_config = ConfigDict(from_attributes=True)

    txn_id: UUID
    kind: str
    account: str
    currency: str
    amount: int


class PayoutDetails(PayoutShown):
    attempts: list[AttemptShown]
    entries: list[PayoutEntryShown]
