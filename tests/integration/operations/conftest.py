"""Each test has alarms of its own."""

import pytest

from tests.plugins.postgres import ClonedDatabase


@pytest.fixture
def cloned_database(spare_database: ClonedDatabase) -> ClonedDatabase:
    """A database alone: what falls due for one test would fall due for all."""
    return spare_database
