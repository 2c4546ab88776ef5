"""What every test stands on: Qt without a screen, hypothesis without a stopwatch, shared fixtures.

A fixture used by more than one folder lives in its own file in tests/plugins and is found there.
"""

import gc
import os
from pathlib import Path

import pytest
from hypothesis import settings

os.environ["LC_ALL"] = "C.UTF-8"  # Qt warns of any other, and a bare machine has none
os.environ["QT_QPA_PLATFORM"] = "offscreen"
os.environ["QT_QUICK_BACKEND"] = "software"
os.environ["QT_QUICK_CONTROLS_STYLE"] = "Basic"

pytest_plugins = [
    f"tests.plugins.{file.stem}" for file in sorted(Path(__file__).parent.glob("plugins/*.py"))
]

# No deadlines: the machine is shared. In CI the examples are the same on every run, so that a
# red run can be run again; at a desk they are new each time, so that they find something.
settings.register_profile("desk", deadline=None, print_blob=True)
settings.register_profile("ci", deadline=None, print_blob=True, derandomize=True, database=None)
settings.load_profile("ci" if os.environ.get("CI") else "desk")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Those that ask for more time than others come first, and all as they were shuffled: begun
    last, one of them would run on when the other cores have nothing left to do.
    """
    items.sort(key=lambda item: item.get_closest_marker("timeout") is None)


def pytest_collection_finish() -> None:
    """What was imported and collected lives as long as the tests: nobody looks through it again
    for what can be thrown away.
    """
    gc.freeze()
