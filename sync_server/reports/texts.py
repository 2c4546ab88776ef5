"""The words of reports in every language; the texts are data in `texts/`, one key set for all."""

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Final

from sync_server.identity.rules import Language

_FOLDER: Final = files("sync_server.reports") / "texts"
Texts = Mapping[str, Mapping[str, str]]


@cache
def texts(language: Language) -> Texts:
    """Every text of one language, by section and name."""
    return tomllib.loads((_FOLDER / f"{language}.toml").read_text("utf-8"))
