"""Where a kiosk keeps its files and how strict it is; read once from the environment.

| variable                 | meaning                                        | default        |
|--------------------------|------------------------------------------------|----------------|
| ZERAKET_GATE_STATE       | directory of journal, snapshots and keys       | ~/.local/state |
| ZERAKET_GATE_ENVIRONMENT | `production` refuses simulators and plain HTTP | production     |
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

STATE_VARIABLE: Final = "ZERAKET_GATE_STATE"
ENVIRONMENT_VARIABLE: Final = "ZERAKET_GATE_ENVIRONMENT"
DEVELOPMENT: Final = "development"
SOFTWARE_VERSION: Final = "0.1.0"


@dataclass(frozen=True, slots=True)
class KioskSettings:
    """What does not change while a kiosk runs."""

    state_directory: Path
    production: bool


def read_settings(environment: Mapping[str, str], state: Path | None) -> KioskSettings:
    """Read the environment; a state directory given on the command line goes first."""
    named = environment.get(STATE_VARIABLE)
    chosen = state or (Path(named) if named else _default_state(environment))
    production = environment.get(ENVIRONMENT_VARIABLE) != DEVELOPMENT
    return KioskSettings(chosen, production)


def _default_state(environment: Mapping[str, str]) -> Path:
    """Follow the XDG base directory specification, which wants relative paths ignored."""
    base = Path(environment.get("XDG_STATE_HOME", ""))
    return (base if base.is_absolute() else Path.home() / ".local" / "state") / "zeraket-gate"
