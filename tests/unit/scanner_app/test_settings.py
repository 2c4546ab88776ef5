from pathlib import Path

import pytest

from scanner_app.settings import read_settings

HOME_STATE = Path.home() / ".local" / "state" / "zeraket-gate"


@pytest.mark.parametrize(
    ("environment", "state", "directory"),
    [
        ({}, None, HOME_STATE),
        ({"XDG_STATE_HOME": "/var/x"}, None, Path("/var/x/zeraket-gate")),
        ({"XDG_STATE_HOME": ""}, None, HOME_STATE),
        ({"XDG_STATE_HOME": "relative"}, None, HOME_STATE),
        ({"ZERAKET_GATE_STATE": "/srv/gate", "XDG_STATE_HOME": "/x"}, None, Path("/srv/gate")),
        ({"ZERAKET_GATE_STATE": "/srv/gate"}, Path("/mine"), Path("/mine")),
        ({"ZERAKET_GATE_STATE": ""}, None, HOME_STATE),
    ],
)
def test_the_state_directory_comes_from_the_nearest_word(
    environment: dict[str, str], state: Path | None, directory: Path
) -> None:
    assert read_settings(environment, state).state_directory == directory


@pytest.mark.parametrize(
    ("environment", "production"),
    [
        ({}, True),
        ({"ZERAKET_GATE_ENVIRONMENT": "development"}, False),
        ({"ZERAKET_GATE_ENVIRONMENT": "production"}, True),
        ({"ZERAKET_GATE_ENVIRONMENT": "Development"}, True),
        ({"ZERAKET_GATE_ENVIRONMENT": ""}, True),
    ],
)
def test_anything_but_development_is_production(
    environment: dict[str, str], *, production: bool
) -> None:
    assert read_settings(environment, Path("/s")).production is production
