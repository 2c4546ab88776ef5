"""The machine a kiosk runs on: its clock, its randomness, and which boot this is. Read once."""

import secrets
from pathlib import Path
from typing import Final
from uuid import UUID

from scanner_app.settings import SOFTWARE_VERSION
from scanner_app.sync.ports import Machine
from shared.clock import SystemClock

_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")


def this_machine() -> Machine:
    """Describe this machine; without a boot id every start counts as a new boot."""
    return Machine(SystemClock(), secrets.token_bytes, _boot_id(), SOFTWARE_VERSION)


def _boot_id() -> UUID:
    try:
        return UUID(_BOOT_ID.read_text().strip())
    except (OSError, ValueError):
        return UUID(bytes=secrets.token_bytes(16))
