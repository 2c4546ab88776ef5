"""Refusals of the payouts domain."""

from sync_server.kit.problems import NotFoundError, ProblemError


class DestinationNotFoundError(NotFoundError):
    code = "payout_destination_not_found"
    title = "There is no such payout destination"


class DestinationUnusableError(ProblemError):
    status = 409
    code = "payout_destination_unusable"
    title = "Only a destination that somebody else confirmed, and nobody withdrew, is paid to"


class DestinationDecidedError(ProblemError):
    status = 409
    code = "payout_destination_decided"
    title = "This destination is confirmed or withdrawn already"


class PayoutNotFoundError(NotFoundError):
    code = "payout_not_found"
    title = "There is no such payout"


class PayoutDecidedError(ProblemError):
    status = 409
    code = "payout_decided"
    title = "Somebody decided on this payout already"


class TwoPeopleNeededError(ProblemError):
    status = 409
    code = "two_people_needed"
    title = "Money leaves by two people: whoever asked for it cannot let it go"


class OtherNameError(ProblemError):
    status = 409
    code = "payout_other_name"
    title = (
        "The rail names another holder of this account: look at both names, then accept the other"
        " name or refuse the payout"
    )


class PayoutTooLargeError(ProblemError):
    status = 422
    code = "payout_too_large"
    title = "This rail carries no such amount at once"


class OwedError(ProblemError):
    status = 409
    code = "payout_owed"
    title = "What is available is owed to the platform"


class HoldRuleChangedError(ProblemError):
    status = 409
    code = "payout_hold_rule_changed"
    title = "Somebody set another rule at this moment; look at it first"


class RailNotOfferedError(ProblemError):
    status = 422
    code = "rail_not_offered"
    title = "Money is not paid out this way here"
