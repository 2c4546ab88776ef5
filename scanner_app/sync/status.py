"""How sync stands, as a value for whoever shows it."""

from dataclasses import dataclass

from shared.wire.scanners import RevocationOrder


@dataclass(frozen=True, slots=True)
class SyncStatus:
    """What people at the gate should know about sync."""

    online: bool = False
    waiting_scans: int = 0
    snapshot_version: int | None = None
    snapshot_age_seconds: int | None = None
    """Since the snapshot was frozen; None without one, or while nothing vouches for the time."""
    changes_age_seconds: int | None = None
    """Since the server last said that there is nothing newer; None before it first did."""
    snapshot_damaged: bool = False
    """A newer snapshot could not be used; the last good one still serves."""
    ticket_count: int | None = None
    event_name: str = ""
    clock_uncertainty_ms: int | None = None
    conflicts: int = 0
    active_devices: int | None = None
    last_error: str | None = None
    """The code of a failure not made good since; the server's own code where it refused."""
    revocation: RevocationOrder | None = None
    """Once set, sync has stopped for good and nobody may be admitted."""
