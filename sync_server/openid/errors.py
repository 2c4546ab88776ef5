"""Refusals of signing in at another provider."""

from sync_server.kit.problems import ForbiddenError, NotFoundError, ProblemError


class OpenidProviderUnknownError(NotFoundError):
    code = "openid_provider_unknown"
    title = "This server lets nobody in through this provider"


class OpenidProviderUnavailableError(ProblemError):
    status = 503
    code = "openid_provider_unavailable"
    title = "The provider cannot be reached; try again, or sign in another way"

    def __init__(self) -> None:
        super().__init__(headers={"Retry-After": "5"})


class OpenidFlowInvalidError(ProblemError):
    status = 400
    code = "openid_flow_invalid"
    title = "This sign-in is unknown, used, too old or of another browser; begin again"


class OpenidCodeRefusedError(ProblemError):
    status = 400
    code = "openid_code_refused"
    title = "The provider does not know this code, or it was used already; begin again"


class OpenidTokenRefusedError(ProblemError):
    """`at_fault` names the claim, header parameter or part that is wrong."""

    status = 403
    code = "openid_token_refused"
    title = "What the provider said about you cannot be trusted; begin again"

    def __init__(self, at_fault: str) -> None:
        super().__init__(extra={"at_fault": at_fault})
        self.at_fault = at_fault


class OpenidAddressUnverifiedError(ForbiddenError):
    code = "openid_address_unverified"
    title = "The provider has not verified your address; verify it there first"


class OpenidAddressTakenError(ProblemError):
    status = 409
    code = "openid_address_taken"
    title = "An account has this address: sign in with its password, and link this one in it"


class OpenidIdentityTakenError(ProblemError):
    status = 409
    code = "openid_identity_taken"
    title = "Somebody else has linked this account"


class OpenidIdentityNotFoundError(NotFoundError):
    code = "openid_identity_not_found"
    title = "You have linked no such account"


class AccountDisabledError(ForbiddenError):
    code = "account_disabled"
    title = "This account is closed"
