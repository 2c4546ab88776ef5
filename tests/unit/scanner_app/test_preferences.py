from pathlib import Path

import pytest

from scanner_app.preferences import Preferences, change_preference, read_preferences


def test_nobody_has_chosen_yet(tmp_path: Path) -> None:
    assert read_preferences(tmp_path / "missing") == Preferences(None, None)


def test_choices_are_remembered_one_by_one(tmp_path: Path) -> None:
    folder = tmp_path / "state" / "deep"
    change_preference(folder, "language", "sw")
    change_preference(folder, "theme", "night")
    change_preference(folder, "language", "fr")
    assert read_preferences(folder) == Preferences("fr", "night")
    assert [path.name for path in folder.iterdir()] == ["preferences.json"]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", Preferences()),
        (b"{", Preferences()),
        (b"\xff\xfe", Preferences()),
        (b"[]", Preferences()),
        (b"[" * 100_000, Preferences()),
        (b'{"language": 5, "theme": "day"}', Preferences(None, "day")),
        (b'{"language": "sw", "unknown": 1}', Preferences("sw", None)),
    ],
)
def test_a_damaged_file_is_no_choice(tmp_path: Path, content: bytes, expected: Preferences) -> None:
    (tmp_path / "preferences.json").write_bytes(content)
    assert read_preferences(tmp_path) == expected


def test_a_disk_that_takes_nothing_stops_nobody(tmp_path: Path) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.write_text("not a folder")
    change_preference(in_the_way, "language", "sw")
    assert read_preferences(in_the_way) == Preferences()
