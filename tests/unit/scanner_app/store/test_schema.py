from pathlib import Path

import pytest
from sqlite_utils.migrations import Migrations

from scanner_app.store.database import Access, Database
from scanner_app.store.errors import StoreTooNewError, journal_fault
from scanner_app.store.schema import JOURNAL_SCHEMA, REPLICA_SCHEMA, Schema
from tests.factories.kiosk_store import STORE_KEY


def database(path: Path) -> Database:
    return Database.writable(path / "file.db", Access(STORE_KEY, journal_fault))


def steps(*names: str) -> Migrations:
    """Make a set of migrations, each of which makes a table."""
    migrations = Migrations("steps")
    for name in names:
        migrations(name=name)(lambda db, name=name: db.execute(f"CREATE TABLE {name} (x)"))
    return migrations


def tables(opened: Database) -> set[str]:
    names = opened.all("SELECT name FROM sqlite_master WHERE type = 'table'")
    return {name for (name,) in names} & {"one", "two", "three"}


@pytest.mark.parametrize("schema", [JOURNAL_SCHEMA, REPLICA_SCHEMA])
def test_a_new_file_gets_all_tables_once(tmp_path: Path, schema: Schema) -> None:
    opened = database(tmp_path)
    schema.bring_up_to_date(opened)
    schema.bring_up_to_date(opened)
    assert opened.number("PRAGMA user_version") == 1_000
    opened.close()


def test_steps_that_are_missing_are_run_in_order(tmp_path: Path) -> None:
    opened = database(tmp_path)
    Schema(steps("one"), 1, 0).bring_up_to_date(opened)
    Schema(steps("one", "two", "three"), 1, 2).bring_up_to_date(opened)
    assert tables(opened) == {"one", "two", "three"}
    assert opened.number("PRAGMA user_version") == 1_002
    opened.close()


@pytest.mark.parametrize(("found", "refused"), [(1_007, False), (2_000, True), (999_000, True)])
def test_a_newer_minor_is_worked_with_and_a_newer_major_is_refused(
    tmp_path: Path, *, found: int, refused: bool
) -> None:
    opened = database(tmp_path)
    opened.run(f"PRAGMA user_version = {found}")
    outcome = None
    try:
        JOURNAL_SCHEMA.bring_up_to_date(opened)
    except StoreTooNewError as error:
        outcome = error
    assert (outcome is not None) is refused
    assert opened.number("PRAGMA user_version") == found
    assert tables(opened) == set()
    opened.close()


def test_a_step_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    opened = database(tmp_path)
    migrations = steps("one")

    def half(db: object) -> None:
        steps("two")._migrations[0].fn(db)  # type: ignore[arg-type]
        raise ZeroDivisionError

    migrations(name="half")(half)
    with pytest.raises(ZeroDivisionError):
        Schema(migrations, 1, 0).bring_up_to_date(opened)
    assert tables(opened) == {"one"}
    assert opened.number("PRAGMA user_version") == 0
    opened.close()
