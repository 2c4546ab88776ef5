"""Enrolling a kiosk, from the scanned code to the installed snapshot; it knows no screen.

Failures before the kiosk is enrolled end the flow, for a person to try again; later ones are
waited out.
"""

import hmac
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from http import HTTPStatus
from threading import Event
from typing import Final

from scanner_app.gate.enrolment import Enrolment
from scanner_app.gate.kiosk import EnrolmentProblem
from scanner_app.gate.ports import GateError
from scanner_app.sync.backoff import Backoff
from scanner_app.sync.client import ScannerClient
from scanner_app.sync.errors import (
    Mistrust,
    ServerRefusal,
    ServerUnreachable,
    ServerUntrusted,
    SyncError,
)
from scanner_app.sync.ports import (
    DeviceKeys,
    EnrolmentRecord,
    Identity,
    Machine,
    SnapshotShelf,
    TimeRecord,
)
from scanner_app.sync.session import SessionKeeper
from scanner_app.sync.snapshots import SnapshotFetcher
from scanner_app.sync.trust import check_server_key
from shared.clock import MILLISECONDS_PER_SECOND
from shared.errors import ZeraketError
from shared.ids import DeploymentId, DeviceId, GateId
from shared.wire.enrolment_code import EnrolmentCode
from shared.wire.problems import ScannerProblem
from shared.wire.scanners import EnrolmentAnswer, EnrolmentRequest, EnrolmentState
from shared.wire.signing import confirmation_digits

_POLL_MS: Final = 1_000
_FRACTION_BYTES: Final = 4
_PROBLEMS: Final = {
    ScannerProblem.ENROLMENT_CODE_UNKNOWN.value: EnrolmentProblem.CODE_UNKNOWN,
    ScannerProblem.ENROLMENT_CODE_USED.value: EnrolmentProblem.CODE_USED,
    ScannerProblem.ENROLMENT_CODE_EXPIRED.value: EnrolmentProblem.CODE_EXPIRED,
}


class EnrolmentStage(StrEnum):
    CONTACTING = "contacting"
    AWAITING_CONFIRMATION = "awaiting_confirmation"
    DOWNLOADING = "downloading"
    FINISHED = "finished"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class EnrolmentProgress:
    """Where an enrolment stands; `problem` is set while it waits one out, and when it failed."""

    stage: EnrolmentStage = EnrolmentStage.CONTACTING
    digits: str = ""
    enrolment: Enrolment | None = None
    """Set, and on disk, from DOWNLOADING on."""
    problem: EnrolmentProblem | None = None
    error: str | None = None
    """The code of the failure behind `problem`, for support."""
    bytes_had: int = 0
    bytes_whole: int = 0

    @property
    def over(self) -> bool:
        return self.stage in {EnrolmentStage.FINISHED, EnrolmentStage.FAILED}


@dataclass(frozen=True, slots=True)
class EnrolmentOffer:
    """What the person at the kiosk brought: a code, and what the kiosk is to be called."""

    code: EnrolmentCode
    kiosk_name: str


@dataclass(frozen=True, slots=True)
class EnrolmentStore:
    """What an enrolment writes."""

    enrolments: EnrolmentRecord
    times: TimeRecord
    shelf: SnapshotShelf


class EnrolmentFlow:
    """One attempt to enrol; `run` it on a thread, or `step` it.

    `observe` is called on that thread with every new progress.
    """

    def __init__(
        self,
        offer: EnrolmentOffer,
        keys: DeviceKeys,
        store: EnrolmentStore,
        machine: Machine,
        observe: Callable[[EnrolmentProgress], None],
    ) -> None:
        self._offer = offer
        self._keys = keys
        self._store = store
        self._machine = machine
        self._observe = observe
        self._progress = EnrolmentProgress()
        self._failures = 0
        self._answer: EnrolmentAnswer | None = None
        self._client = ScannerClient(offer.code.server_address, keys, machine)

    @property
    def progress(self) -> EnrolmentProgress:
        return self._progress

    def run(self, stopping: Event) -> EnrolmentProgress:
        """Step until it is over or `stopping` is set; say where it stands then."""
        self._observe(self._progress)
        while not (self._progress.over or stopping.is_set()):
            stopping.wait(self.step() / MILLISECONDS_PER_SECOND)
        self._client.close()
        return self._progress

    def step(self) -> int:
        """Do what comes next, and say how many milliseconds to wait before the following step."""
        try:
            wait_ms = self._do_next()
        except (SyncError, GateError) as error:
            return self._meet(error)
        self._failures = 0
        return wait_ms

    def _do_next(self) -> int:
        if self._answer is None:
            return self._offer_keys()
        if self._progress.stage is EnrolmentStage.AWAITING_CONFIRMATION:
            return self._poll(self._answer)
        return self._download()

    def _offer_keys(self) -> int:
        request = EnrolmentRequest(
            code=self._offer.code.secret,
            signing_key=self._keys.signing_public,
            sealing_key=self._keys.sealing_public,
            name=self._offer.kiosk_name,
            software_version=self._machine.software_version,
        )
        answer = self._client.enrol(request)
        check_server_key(self._offer.code, answer.server_key)
        digits = confirmation_digits(
            answer.server_key,
            (self._keys.signing_public, self._keys.sealing_public),
            self._offer.code.secret,
        )
        if not hmac.compare_digest(digits.encode(), answer.digits.encode()):
            raise ServerUntrusted(Mistrust.DIGITS_DIFFER)
        self._answer = answer
        self._tell(stage=EnrolmentStage.AWAITING_CONFIRMATION, digits=digits)
        return self._follow_state(answer)

    def _poll(self, offered: EnrolmentAnswer) -> int:
        answer = self._client.enrolment(DeviceId(offered.device_id))
        if _who(answer) != _who(offered):
            raise ServerUntrusted(Mistrust.ENROLMENT_ALTERED)
        return self._follow_state(answer)

    def _follow_state(self, answer: EnrolmentAnswer) -> int:
        match answer.state:
            case EnrolmentState.AWAITING_CONFIRMATION:
                self._tell(problem=None, error=None)
                return _POLL_MS
            case EnrolmentState.REFUSED:
                self._tell(stage=EnrolmentStage.FAILED, problem=EnrolmentProblem.REFUSED)
                return 0
            case EnrolmentState.ENROLLED:
                self._become(answer)
                return 0

    def _become(self, answer: EnrolmentAnswer) -> None:
        address = self._offer.code.server_address
        enrolment = Enrolment(
            device_id=DeviceId(answer.device_id),
            deployment_id=DeploymentId(answer.deployment_id),
            deployment_name=answer.deployment_name,
            gate_id=GateId(answer.gate_id),
            gate_name=answer.gate_name,
            server_address=address,
            server_key=answer.server_key,
        )
        self._store.enrolments.save_enrolment(enrolment)
        self._client.close()
        self._client = ScannerClient(address, self._keys, self._machine, enrolment)
        self._tell(stage=EnrolmentStage.DOWNLOADING, enrolment=enrolment, problem=None, error=None)

    def _download(self) -> int:
        enrolment = self._progress.enrolment
        if enrolment is None:
            message = "a download begins only once the kiosk is enrolled"
            raise AssertionError(message)
        SessionKeeper(self._client, enrolment, self._store.times, self._machine).begin()
        identity = Identity(enrolment, self._keys)
        SnapshotFetcher(self._client, identity, self._store.shelf).fetch(self._note_download)
        self._tell(stage=EnrolmentStage.FINISHED, problem=None, error=None)
        return 0

    def _note_download(self, bytes_had: int, bytes_whole: int) -> None:
        self._tell(bytes_had=bytes_had, bytes_whole=bytes_whole, problem=None, error=None)

    def _meet(self, error: ZeraketError) -> int:
        """Give up before there is anything to keep, and wait out what may pass."""
        self._failures += 1
        problem = problem_of(error)
        code = error.problem_code if isinstance(error, ServerRefusal) else error.code
        waits = self._answer is not None and not _is_final(error)
        if waits or self._progress.enrolment is not None:
            self._tell(problem=problem, error=code)
            randomness = self._machine.randomness(_FRACTION_BYTES)
            fraction = int.from_bytes(randomness, "big") / (1 << 8 * _FRACTION_BYTES)
            return Backoff().wait_ms(self._failures, fraction)
        self._tell(stage=EnrolmentStage.FAILED, problem=problem, error=code)
        return 0

    def _tell(self, **changes: object) -> None:
        progress = replace(self._progress, **changes)  # type: ignore[arg-type] # fields by name
        if progress != self._progress:
            self._progress = progress
            self._observe(progress)


def problem_of(error: ZeraketError) -> EnrolmentProblem | None:
    """Name the line a person should read for an error; None for the kiosk's own store."""
    match error:
        case ServerUnreachable():
            return EnrolmentProblem.SERVER_UNREACHABLE
        case ServerUntrusted():
            return EnrolmentProblem.SERVER_UNTRUSTED
        case ServerRefusal():
            return _PROBLEMS.get(error.problem_code, EnrolmentProblem.REFUSED)
        case SyncError():
            return EnrolmentProblem.REFUSED
        case _:
            return None


def _is_final(error: ZeraketError) -> bool:
    """Whether waiting for a confirmation is of no use any more."""
    if isinstance(error, ServerRefusal):
        passing = error.problem_code == ScannerProblem.ENROLMENT_UNCONFIRMED
        return not passing and error.problem.status < HTTPStatus.INTERNAL_SERVER_ERROR
    return isinstance(error, ServerUntrusted)


def _who(answer: EnrolmentAnswer) -> tuple[object, ...]:
    return (answer.device_id, answer.deployment_id, answer.server_key)
