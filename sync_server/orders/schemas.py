"""What offers, quotes and orders look like over HTTP; amounts are minor units."""

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

from shared.money import CURRENCY_EXPONENTS
from shared.wire.base import TicketIdText
from sync_server.identity.addresses import EmailAddress
from sync_server.identity.rules import Language
from sync_server.orders.holding import Channel, OrderState
from sync_server.orders.rules import TICKETS_MAX, Bearer, FeeKind
from sync_server.payments.rules import PaymentState, Provider, RefundState

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
Phone = Annotated[str, StringConstraints(pattern=r"^\+[1-9][0-9]{7,14}$")]
Currency = Annotated[str, Field(json_schema_extra={"enum": sorted(CURRENCY_EXPONENTS)})]
Code = Annotated[
    str,
    StringConstraints(strip_whitespace=True, to_upper=True, pattern=r"^[A-Za-z0-9-]{3,40}$"),
]
MINOR_UNITS_MAX = 1_000_000_000_000


class _Wanted(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _InCurrency(_Wanted):
    """Names a currency that is traded in."""

    @model_validator(mode="after")
    def _known_currency(self) -> Self:
        named = getattr(self, "currency", None)
        if named is not None and named not in CURRENCY_EXPONENTS:
            message = f"one of {', '.join(sorted(CURRENCY_EXPONENTS))}"
            raise ValueError(message)
        return self


class OfferWanted(_InCurrency):
    """A ticket type is on sale at a price, within a window, so many for one buyer."""

    currency: Currency
    price: Annotated[int, Field(ge=0, le=MINOR_UNITS_MAX)]
    quantity: Annotated[int, Field(ge=0, le=1_000_000)]
    sales_from: AwareDatetime | None = None
    sales_until: AwareDatetime | None = None
    per_buyer_max: Annotated[int, Field(ge=1, le=TICKETS_MAX)] | None = None

    @model_validator(mode="after")
    def _window_opens_before_it_closes(self) -> Self:
        if self.sales_from and self.sales_until and self.sales_from >= self.sales_until:
            message = "sales end after they begin"
            raise ValueError(message)
        return self


class OfferShown(BaseModel):
    """`left` is what can still be bought: neither sold nor held."""

    ticket_type_id: UUID
    name: str
    currency: str
    price: int
    left: int
    sales_from: datetime | None
    sales_until: datetime | None
    per_buyer_max: int | None


class OffersShown(BaseModel):
    items: list[OfferShown]


class NewPromoCode(_InCurrency):
    """A rate in basis points, or an amount in a currency."""

    code: Code
    basis_points: Annotated[int, Field(ge=1, le=10_000)] | None = None
    currency: Currency | None = None
    fixed_minor_units: Annotated[int, Field(ge=1, le=MINOR_UNITS_MAX)] | None = None
    uses_max: Annotated[int, Field(ge=1, le=1_000_000)]
    valid_until: AwareDatetime | None = None

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        fixed = self.fixed_minor_units is not None
        if (self.basis_points is not None) is fixed or (self.currency is not None) is not fixed:
            message = "give either basis_points, or fixed_minor_units with its currency"
            raise ValueError(message)
        return self


class PromoCodeShown(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    code: str
    basis_points: int | None
    currency: str | None
    fixed_minor_units: int | None
    uses_max: int
    uses: int
    valid_until: datetime | None
    withdrawn_at: datetime | None


class NewFeeRule(_InCurrency):
    """The next version of the rule of this name and scope; without an organizer the platform's.

    Rate and amount of nothing take the rule away.
    """

    name: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
    organizer_id: UUID | None = None
    event_id: UUID | None = None
    kind: FeeKind
    bearer: Bearer
    basis_points: Annotated[int, Field(ge=0, le=10_000)] = 0
    currency: Currency | None = None
    fixed_minor_units: Annotated[int, Field(ge=0, le=MINOR_UNITS_MAX)] = 0
    cap_minor_units: Annotated[int, Field(ge=0, le=MINOR_UNITS_MAX)] | None = None
    valid_from: AwareDatetime | None = None

    @model_validator(mode="after")
    def _amounts_have_a_currency(self) -> Self:
        if self.event_id is not None and self.organizer_id is None:
            message = "an event's rule names its organizer"
            raise ValueError(message)
        if self.currency is None and (self.fixed_minor_units or self.cap_minor_units is not None):
            message = "fixed_minor_units and cap_minor_units are in a currency"
            raise ValueError(message)
        return self


class FeeRuleShown(BaseModel):
    id: UUID
    version: int
    name: str
    organizer_id: UUID | None
    event_id: UUID | None
    kind: FeeKind
    bearer: Bearer
    basis_points: int
    currency: str | None
    fixed_minor_units: int
    cap_minor_units: int | None
    valid_from: datetime


class FeeRulesShown(BaseModel):
    items: list[FeeRuleShown]


class WantedTickets(_Wanted):
    ticket_type_id: UUID
    count: Annotated[int, Field(ge=1, le=TICKETS_MAX)]


class _Basket(_Wanted):
    tickets: Annotated[list[WantedTickets], Field(min_length=1, max_length=20)]
    promo_code: Code | None = None

    @model_validator(mode="after")
    def _each_type_once(self) -> Self:
        types = {each.ticket_type_id for each in self.tickets}
        if len(types) != len(self.tickets):
            message = "name each ticket type once"
            raise ValueError(message)
        return self


class NewQuote(_Basket):
    """What would be bought."""


class ChargeShown(BaseModel):
    """What one version of a rule made of an order, and who bears it."""

    rule_id: UUID
    version: int
    kind: FeeKind
    bearer: Bearer
    amount: int


class QuoteShown(BaseModel):
    """`price` is the tickets' after the discount; the buyer pays `total`."""

    currency: str
    price: int
    discount: int
    total: int
    charges: list[ChargeShown]


class BuyerGiven(_Wanted):
    """How the buyer is reached: by e-mail, by telephone, or both; and the language of letters."""

    name: Annotated[str, StringConstraints(strip_whitespace=True, max_length=200)] = ""
    address: EmailAddress | None = None
    phone: Phone | None = None
    language: Language = Language.ENGLISH

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        if self.address is None and self.phone is None:
            message = "give an e-mail address or a telephone number"
            raise ValueError(message)
        return self


class PaymentWanted(_Wanted):
    """A way to pay; rails of mobile money ask the telephone number's owner."""

    provider: Provider
    phone: Phone | None = None


class NewOrder(_Basket):
    """`total` is what the buyer was quoted: an order that costs more is refused."""

    buyer: BuyerGiven
    total: Annotated[int, Field(ge=0)] | None = None
    payment: PaymentWanted | None = None


class NewCashOrder(_Basket):
    """A sale at the box office; who buys need not say who they are."""

    total: Annotated[int, Field(ge=0)] | None = None


class TransferShown(BaseModel):
    """Where the buyer transfers the order's total to, and the reference to write on it; spaces in
    it count for nothing.
    """

    model_config = ConfigDict(
        from_attributes=True,
        json_schema_extra={
            "examples": [
                {
                    "bank": "SBICUGKX",
                    "account_name": "ZERAKET Limited",
                    "account_number": "9030001234567",
                    "reference": "RF80 ABCD EFGH JKMN",
                }
            ]
        },
    )

    bank: str
    account_name: str
    account_number: str
    reference: str


class PaymentShown(BaseModel):
    """`redirect_url` is where the payer goes, where the provider has a page of its own; `transfer`
    is what an order's buyer writes on a transfer of their own, while none has come.
    """

    id: UUID
    provider: Provider
    state: PaymentState
    redirect_url: str | None
    reason: str | None
    expires_at: datetime
    transfer: TransferShown | None = None


class RefundShown(BaseModel):
    id: UUID
    state: RefundState
    amount: int
    reason: str
    refusal: str | None
    requested_at: datetime


class RefundDecision(_Wanted):
    """What a statement says of a refund whose provider tells nothing."""

    given_back: bool
    reason: Text


class LineShown(BaseModel):
    """One ticket; `wallet_link` opens it, and stands in its buyer's own order only."""

    line: int
    ticket_type_id: UUID
    total: int
    ticket_id: TicketIdText | None
    refund_id: UUID | None
    returned_at: datetime | None
    wallet_link: str | None = None


class OrderShown(BaseModel):
    id: UUID
    event_id: UUID
    number: str
    channel: Channel
    state: OrderState
    currency: str
    price: int
    discount: int
    total: int
    charges: list[ChargeShown]
    created_at: datetime
    hold_expires_at: datetime


class OwnRefundShown(BaseModel):
    """Money on its way back, as its buyer sees it; where `wants_account`, they name the account
    that it goes to.
    """

    state: RefundState
    amount: int
    requested_at: datetime
    wants_account: bool


class OwnOrder(OrderShown):
    """An order as its buyer sees it."""

    tickets: list[LineShown]
    payments: list[PaymentShown]
    refunds: list[OwnRefundShown]
    ways_to_pay: list[Provider]


class OrderDetails(OrderShown):
    """An order as its organizer sees it."""

    tickets: list[LineShown]
    payments: list[PaymentShown]
    refunds: list[RefundShown]


class PlacedOrder(OwnOrder):
    """`token` opens the order: whoever has it is its owner."""

    token: str


class NewRefundWanted(_Wanted):
    """Tickets to give back, by line; without any, all that are left."""

    lines: Annotated[frozenset[int], Field(max_length=TICKETS_MAX)] = frozenset()
    reason: Text
