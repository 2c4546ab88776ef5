"""How a kiosk stands, as plain values that any screen can show. Knows no store and no network."""

from dataclasses import dataclass
from enum import StrEnum

from shared.admission.facts import Direction


class KioskPhase(StrEnum):
    """What the kiosk is doing as a whole."""

    STARTING = "starting"
    AWAITING_ENROLMENT = "awaiting_enrolment"
    ENROLLING = "enrolling"
    AWAITING_CONFIRMATION = "awaiting_confirmation"
    DOWNLOADING = "downloading"
    SCANNING = "scanning"
    REVOKED = "revoked"
    FAULT = "fault"


class Fault(StrEnum):
    """Why a kiosk cannot work; each has its own screen that says what to do."""

    DISK_FULL = "disk_full"
    JOURNAL_CORRUPT = "journal_corrupt"
    SNAPSHOT_CORRUPT = "snapshot_corrupt"
    WRONG_KEY = "wrong_key"
    KEY_FILE_EXPOSED = "key_file_exposed"
    """The key file can be read by others than its owner."""
    NO_SNAPSHOT = "no_snapshot"


class EnrolmentProblem(StrEnum):
    """Why an enrolment did not work; each has its own line that says what to do."""

    CODE_INVALID = "code_invalid"
    CODE_UNKNOWN = "code_unknown"
    CODE_USED = "code_used"
    CODE_EXPIRED = "code_expired"
    SERVER_UNREACHABLE = "server_unreachable"
    SERVER_UNTRUSTED = "server_untrusted"
    """The server's key is not the one the code promised."""
    REFUSED = "refused"


class CameraCondition(StrEnum):
    STARTING = "starting"
    WORKING = "working"
    LOST = "lost"
    ABSENT = "absent"


@dataclass(frozen=True, slots=True)
class KioskStatus:
    """The status line, before it is put in words."""

    phase: KioskPhase
    online: bool = False
    waiting_scans: int = 0
    snapshot_age_seconds: int | None = None
    snapshot_version: int | None = None
    snapshot_damaged: bool = False
    """A newer snapshot could not be used; the last good one still serves."""
    ticket_count: int | None = None
    clock_uncertainty_ms: int | None = None
    """None while nothing vouches for the time."""
    camera: CameraCondition = CameraCondition.STARTING
    event_name: str = ""
    gate_name: str = ""
    direction: Direction = Direction.ENTRY
    confirmation_digits: str = ""
    enrolment_problem: EnrolmentProblem | None = None
    fault: Fault | None = None
    conflicts: int = 0
    """Scans of this kiosk that the server found to contradict another."""
