"""Who a kiosk is once it is enrolled, as store and sync both say it. Values only."""

from dataclasses import dataclass

from scanner_app.gate.ports import GateError
from shared.ids import DeploymentId, DeviceId, GateId


class UnsealError(GateError):
    """A secret that was not sealed for this device and this purpose, or was damaged on its way."""

    code = "unseal_failed"


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What a kiosk knows about itself once it is enrolled."""

    device_id: DeviceId
    deployment_id: DeploymentId
    deployment_name: str
    gate_id: GateId
    gate_name: str
    server_address: str
    server_key: bytes
    """The server's raw Ed25519 signing key, pinned at enrolment."""
