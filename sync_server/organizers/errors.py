"""Refusals of the organizers domain."""

from sync_server.kit.problems import (
    ForbiddenError,
    NotFoundError,
    ProblemError,
    UnknownSecret,
    UnknownSecretError,
)


class OrganizerNotFoundError(NotFoundError):
    code = "organizer_not_found"
    title = "There is no such organizer, or you are not one of its members"


class CapabilityMissingError(ForbiddenError):
    code = "capability_missing"
    title = "Your membership does not allow this"

    def __init__(self, capability: str) -> None:
        super().__init__(extra={"capability": capability})


class OrganizerExistsError(ProblemError):
    status = 409
    code = "organizer_exists"
    title = "An organizer with this id exists already"


class MemberExistsError(ProblemError):
    status = 409
    code = "member_exists"
    title = "This person is a member already"


class MemberNotFoundError(NotFoundError):
    code = "member_not_found"
    title = "This person is not a member"


class InvitationNotFoundError(NotFoundError):
    code = "invitation_not_found"
    title = "There is no such invitation, or it is accepted, withdrawn or too old"


class InvitationTokenUnknownError(InvitationNotFoundError, UnknownSecretError):
    secret = UnknownSecret.LETTER


class TooManyInvitationsError(ProblemError):
    status = 429
    code = "too_many_invitations"
    title = "This organizer invites too many people at once; wait a while"


class ServiceAccountNotFoundError(NotFoundError):
    code = "service_account_not_found"
    title = "There is no such service account, or it is revoked"


class LastManagerError(ProblemError):
    status = 409
    code = "last_manager"
    title = "Somebody must be left who can manage members"
