"""What can go wrong between a kiosk and its server; transport and parsing errors end here."""

from enum import StrEnum

from shared.errors import ZeraketError
from shared.wire.problems import ProblemDocument
from shared.wire.scanners import RevocationOrder, SignedRevocation


class SyncError(ZeraketError):
    """A failure of sync; the gate goes on without it."""

    code = "sync_error"


class Silence(StrEnum):
    """Why there is no answer to work with."""

    NO_CONNECTION = "no_connection"
    CUT_SHORT = "cut_short"
    WRONG_PART = "wrong_part"
    """Another part of a file than was asked for."""
    NOT_OUR_CONTRACT = "not_our_contract"
    """Somebody else answered, a hotel's login page for one."""
    STOPPED = "stopped"
    """Sync itself is being stopped."""


class ServerUnreachable(SyncError):
    """No answer, half an answer, or one that is not of this contract."""

    code = "server_unreachable"

    def __init__(self, silence: Silence) -> None:
        super().__init__(f"the server gives no usable answer: {silence}")
        self.silence = silence


class ServerRefusal(SyncError):
    """The server said no, with a problem document."""

    code = "server_refusal"

    def __init__(self, problem: ProblemDocument) -> None:
        super().__init__(f"{problem.code}: {problem.title}")
        self.problem = problem

    @property
    def problem_code(self) -> str:
        """The server's stable code."""
        return self.problem.code


class SessionMissing(SyncError):
    """There is no session yet, so the call was not made."""

    code = "session_missing"


class SessionRevoked(SyncError):
    """The server stopped this kiosk; the order's signature has been verified."""

    code = "session_revoked"

    def __init__(self, signed: SignedRevocation, order: RevocationOrder) -> None:
        super().__init__(f"this kiosk was stopped by its server: {order.reason}")
        self.signed = signed
        self.order = order


class Mistrust(StrEnum):
    """Why an answer is not believed."""

    SERVER_KEY_UNEXPECTED = "server_key_unexpected"
    DIGITS_DIFFER = "digits_differ"
    ENROLMENT_ALTERED = "enrolment_altered"
    """The server says something else about who this kiosk is than it did before."""
    MANIFEST_FORGED = "manifest_forged"
    MANIFEST_UNREADABLE = "manifest_unreadable"
    MANIFEST_FOR_ANOTHER_DEPLOYMENT = "manifest_for_another_deployment"
    MANIFEST_FORMAT_UNKNOWN = "manifest_format_unknown"
    MANIFEST_OUTDATED = "manifest_outdated"
    """Older than one already seen: used tickets would come back to life."""
    FILE_KEY_UNUSABLE = "file_key_unusable"
    TIME_FORGED = "time_forged"
    REVOCATION_FORGED = "revocation_forged"
    REVOCATION_FOR_ANOTHER_KIOSK = "revocation_for_another_kiosk"


class ServerUntrusted(SyncError):
    """Something that should be signed by the pinned server key, for this kiosk, is not."""

    code = "server_untrusted"

    def __init__(self, mistrust: Mistrust) -> None:
        super().__init__(f"the server's answer is not believed: {mistrust}")
        self.mistrust = mistrust


class AnswerIncomplete(SyncError):
    """The server answered a batch without saying anything about its entries."""

    code = "answer_incomplete"


class DownloadUnwritable(SyncError):
    """The downloaded file cannot be kept: the disk is full or broken."""

    code = "download_unwritable"
