"""Refusals of the payments domain."""

from sync_server.kit.problems import NotFoundError, ProblemError


class PaymentNotFoundError(NotFoundError):
    code = "payment_not_found"
    title = "There is no such payment"


class ProviderNotOfferedError(ProblemError):
    status = 422
    code = "provider_not_offered"
    title = "This way to pay is not offered here"


class PaymentRefusedError(ProblemError):
    status = 402
    code = "payment_refused"
    title = "The provider refused; take another way to pay, or try again"


class NotRefundableError(ProblemError):
    status = 409
    code = "not_refundable"
    title = "Only a payment that was received, and not given back yet, can be refunded"


class PaymentNotMismatchedError(ProblemError):
    status = 409
    code = "payment_not_mismatched"
    title = "Only money that came and did not fit is given back so"


class ReceiptUnknownError(ProblemError):
    status = 409
    code = "receipt_unknown"
    title = "Nobody said how much came; have it given back by the provider"


class RefundNotFoundError(NotFoundError):
    code = "refund_not_found"
    title = "There is no such refund"


class RefundTooLargeError(ProblemError):
    status = 409
    code = "refund_too_large"
    title = "This is more than is left of the payment"


class RefundNotFailedError(ProblemError):
    status = 409
    code = "refund_not_failed"
    title = "Only a refund that was refused for good is asked for again"


class RefundRetriedError(ProblemError):
    status = 409
    code = "refund_retried"
    title = "This refund was asked for again already; look at the one that followed it"


class RefundAccountsExhaustedError(ProblemError):
    status = 429
    code = "refund_accounts_exhausted"
    title = "Too many accounts were named for this order; ask whoever sold the tickets"


class CallbackSourceNotFoundError(NotFoundError):
    code = "callback_source_not_found"
    title = "No callbacks are taken from this provider"


class CallbackNotUnderstoodError(ProblemError):
    status = 400
    code = "callback_not_understood"
    title = "This is no callback of this provider's"
