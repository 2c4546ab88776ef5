"""The words of the pages in every language; the texts are data in `texts/`, one key set for all."""

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Final

from sync_server.identity.rules import Language
from sync_server.web.rules import LANGUAGES

_FOLDER: Final = files("sync_server.web") / "texts"
Texts = Mapping[str, Mapping[str, str]]


@cache
def texts(language: Language) -> Texts:
    """Every text of one language, by page and name."""
    return tomllib.loads((_FOLDER / f"{language}.toml").read_text("utf-8"))


@cache
def language_names() -> tuple[tuple[Language, str], ...]:
    """Each language with what it calls itself."""
    return tuple((language, texts(language)["common"]["language_name"]) for language in LANGUAGES)
