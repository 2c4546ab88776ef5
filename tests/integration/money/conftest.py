"""Each test has books of its own."""

from tests.plugins.postgres import database_alone

cloned_database = database_alone
