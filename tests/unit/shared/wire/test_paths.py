from string import Formatter

import pytest

from shared.wire import paths
from shared.wire.base import WIRE_VERSION

PATHS = [
    paths.ENROLMENTS,
    paths.ENROLMENT,
    paths.SESSIONS,
    paths.SESSION_TOKENS,
    paths.MANIFEST,
    paths.SNAPSHOT,
    paths.CHANGES,
    paths.CHANGES_STREAM,
    paths.SCANS,
    paths.HEARTBEATS,
]


@pytest.mark.parametrize("path", PATHS)
def test_every_path_carries_the_version_of_the_contract(path: str) -> None:
    assert path.startswith(f"/v{WIRE_VERSION}/scanner/")


def test_no_two_calls_share_a_path() -> None:
    assert len(set(PATHS)) == len(PATHS)


@pytest.mark.parametrize(
    ("path", "names"),
    [
        (paths.ENROLMENT, ["device_id"]),
        (paths.SESSION_TOKENS, ["session_id"]),
        (paths.SNAPSHOT, ["sha256"]),
        (paths.SCANS, []),
    ],
)
def test_a_paths_parameters_are_filled_by_name(path: str, names: list[str]) -> None:
    assert [name for _, name, _, _ in Formatter().parse(path) if name] == names
