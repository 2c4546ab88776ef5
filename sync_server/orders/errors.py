"""Refusals of the orders domain."""

from sync_server.kit.problems import (
    NotFoundError,
    ProblemError,
    UnknownSecret,
    UnknownSecretError,
)


class OrderNotFoundError(NotFoundError):
    code = "order_not_found"
    title = "There is no such order here"


class OrderTokenInvalidError(UnknownSecretError):
    secret = UnknownSecret.ORDER
    status = 401
    code = "order_token_invalid"
    title = "This link opens no order: it is mistyped, or not whole"

    def __init__(self) -> None:
        super().__init__(headers={"WWW-Authenticate": "Bearer"})


class OfferNotFoundError(NotFoundError):
    code = "offer_not_found"
    title = "These tickets are not on sale"


class NotOnSaleError(ProblemError):
    status = 409
    code = "not_on_sale"
    title = "These tickets are not sold now"


class SoldOutError(ProblemError):
    status = 409
    code = "sold_out"
    title = "There are not so many of these tickets left"


class PriceChangedError(ProblemError):
    status = 409
    code = "price_changed"
    title = "The price has changed; ask for a new quote"


class BuyerLimitError(ProblemError):
    status = 409
    code = "buyer_limit_reached"
    title = "One buyer cannot have so many of these tickets"


class PromoCodeInvalidError(ProblemError):
    status = 422
    code = "promo_code_invalid"
    title = "This code is unknown, over, or used up"


class QuoteRefusedError(ProblemError):
    status = 422
    code = "quote_refused"
    title = "These tickets cannot be sold together, or not at this price"


class OfferConflictError(ProblemError):
    status = 409
    code = "offer_conflict"
    title = "More of these tickets are held and sold than there would be"


class PromoCodeNotFoundError(NotFoundError):
    code = "promo_code_not_found"
    title = "This event has no such code"


class PromoCodeExistsError(ProblemError):
    status = 409
    code = "promo_code_exists"
    title = "This event has a code of this name already"


class FeeRuleChangedError(ProblemError):
    status = 409
    code = "fee_rule_changed"
    title = "Somebody else has just changed this rule; look at it again"


class OrderNotPayableError(ProblemError):
    status = 409
    code = "order_not_payable"
    title = "This order waits for no payment"


class PhoneRequiredError(ProblemError):
    status = 422
    code = "phone_required"
    title = "This way to pay asks a telephone: name its number with the payment"


class PaymentTooLargeError(ProblemError):
    status = 422
    code = "payment_too_large"
    title = "This way to pay carries no such amount at once: take another, or order less"


class CurrencyNotTakenError(ProblemError):
    status = 422
    code = "currency_not_taken"
    title = "This way to pay does not take the order's currency: take another"


class RefundAccountNotNeededError(ProblemError):
    status = 409
    code = "refund_account_not_needed"
    title = "Nothing of this was paid by transfer: money goes back the way it came"


class RefundAccountNeededError(ProblemError):
    status = 409
    code = "refund_account_needed"
    title = "This money goes back to an account alone: name one, or have the buyer name it"


class RefundAccountUnusableError(ProblemError):
    status = 422
    code = "refund_account_unusable"
    title = "Nothing can be transferred to this account: look at its number and the bank's code"


class PaymentUnderWayError(ProblemError):
    status = 409
    code = "payment_under_way"
    title = "A payment is under way; nobody knows yet whether the money comes"


class PaymentsExhaustedError(ProblemError):
    status = 429
    code = "payments_exhausted"
    title = "This order was tried to be paid too often; place a new one"


class IdempotencyKeyWeakError(ProblemError):
    status = 422
    code = "idempotency_key_weak"
    title = "Whoever is not signed in sends an Idempotency-Key of 16 random characters or more"


class LinesNotRefundableError(ProblemError):
    status = 409
    code = "lines_not_refundable"
    title = "A ticket named here was not sold, or is given back already"
