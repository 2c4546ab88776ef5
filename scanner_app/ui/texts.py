"""Reads the texts of every language and refuses to start with a gap in one. Says nothing itself."""

import json
from collections.abc import Mapping
from pathlib import Path
from string import Formatter
from typing import Final

from scanner_app.ui.wording import Wording

LANGUAGES: Final = ("en", "sw", "lg", "rw", "fr")
REFERENCE_LANGUAGE: Final = "en"
_NAME_KEY: Final = "language.name"
_FOLDER: Final = Path(__file__).with_name("texts")


class IncompleteTextsError(Exception):
    """A language lacks a text, has one too many, or fills it with other placeholders."""


def load_wordings(folder: Path = _FOLDER) -> dict[str, Wording]:
    """Read all languages, in the order in which they are offered; raise IncompleteTextsError."""
    phrases = {language: _read(folder / f"{language}.json") for language in LANGUAGES}
    reference = phrases[REFERENCE_LANGUAGE]
    faults = [
        f"{language}: {fault}"
        for language in LANGUAGES
        for fault in differences(reference, phrases[language])
    ]
    if faults:
        raise IncompleteTextsError("; ".join(faults))
    return {
        language: Wording(language, texts[_NAME_KEY], texts) for language, texts in phrases.items()
    }


def differences(reference: Mapping[str, str], texts: Mapping[str, str]) -> list[str]:
    """Name every key that is missing, surplus, empty or filled with other placeholders."""
    faults = [f"{key} is missing" for key in reference if key not in texts]
    faults += [f"{key} is unknown" for key in texts if key not in reference]
    faults += [f"{key} is empty" for key, text in texts.items() if not text.strip()]
    faults += [
        f"{key} has other placeholders"
        for key, text in texts.items()
        if key in reference and placeholders(text) != placeholders(reference[key])
    ]
    return faults


def placeholders(text: str) -> frozenset[str]:
    """Collect the names between braces."""
    return frozenset(name for _, name, _, _ in Formatter().parse(text) if name is not None)


def _read(path: Path) -> dict[str, str]:
    texts = json.loads(path.read_text(encoding="utf-8"))
    return {str(key): str(text) for key, text in texts.items()}
