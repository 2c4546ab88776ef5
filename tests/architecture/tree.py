"""The project's own files, read once, for the tests of this folder. It judges nothing."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
PACKAGES: Final = ("shared", "hardware", "scanner_app", "sync_server")
_NOT_OURS: Final = frozenset({"node_modules", "build", "dist", "__pycache__"})
_HIDDEN_BUT_OURS: Final = frozenset({".ci", ".editorconfig", ".gitignore"})
_TEXT_SUFFIXES: Final = frozenset(
    {
        *(".cfg", ".css", ".desktop", ".env", ".example", ".html", ".ini", ".js", ".json"),
        *(".md", ".mjs", ".py", ".qml", ".rules", ".service", ".sh", ".sql", ".svg", ".toml"),
        *(".ts", ".txt", ".yaml", ".yml", ""),
    }
)
_LOCK_FILES: Final = frozenset({"uv.lock", "package-lock.json", "pnpm-lock.yaml"})


@dataclass(frozen=True, slots=True)
class Source:
    """One Python file; `path` is relative to the project's root."""

    path: str
    text: str
    syntax: ast.Module

    @property
    def lines(self) -> int:
        return self.text.count("\n")


def python_sources(*folders: str) -> tuple[Source, ...]:
    """Read every Python file below the folders named; a folder that is not there holds none."""
    below = tuple(f"{folder}/" for folder in folders)
    return tuple(
        _parsed(path, text)
        for path, text in text_files()
        if path.endswith(".py") and path.startswith(below)
    )


@cache
def _parsed(path: str, text: str) -> Source:
    return Source(path, text, ast.parse(text))


@cache
def text_files() -> tuple[tuple[str, str], ...]:
    """Read every text file of the project but lock files, with its path relative to the root."""
    return tuple(
        (file.relative_to(ROOT).as_posix(), file.read_text(encoding="utf-8"))
        for file in sorted(_files_below(ROOT))
        if file.suffix in _TEXT_SUFFIXES and file.name not in _LOCK_FILES
    )


def _files_below(folder: Path) -> Iterator[Path]:
    for entry in folder.iterdir():
        hidden = entry.name.startswith(".") and entry.name not in _HIDDEN_BUT_OURS
        if hidden or entry.name in _NOT_OURS:
            continue
        if entry.is_dir():
            yield from _files_below(entry)
        elif entry.is_file():
            yield entry
