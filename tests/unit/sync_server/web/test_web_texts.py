"""Every page speaks every language: the same texts, with the same blanks to fill in."""

import re
from collections.abc import Iterator

import pytest

from sync_server.identity.rules import Language, Weakness
from sync_server.organizers.rules import Capability
from sync_server.web.rules import LANGUAGES
from sync_server.web.texts import language_names, texts
from tests.architecture.tree import ROOT

OTHERS = [language for language in LANGUAGES if language is not Language.ENGLISH]
_WEB = ROOT / "sync_server/web"


def blanks(language: Language) -> dict[str, set[str]]:
    """Every text's name with the blanks it has."""
    return {
        f"{page}.{name}": set(re.findall(r"\{(\w*)\}", text))
        for page, named in texts(language).items()
        for name, text in named.items()
    }


@pytest.mark.parametrize("language", OTHERS)
def test_every_language_has_the_same_texts_with_the_same_blanks(language: Language) -> None:
    assert blanks(language) == blanks(Language.ENGLISH)


@pytest.mark.parametrize("language", OTHERS)
def test_no_sentence_is_empty_or_left_in_english(language: Language) -> None:
    english = texts(Language.ENGLISH)
    left = [
        f"{page}.{name}"
        for page, named in texts(language).items()
        for name, text in named.items()
        if not text.strip() or (text == english[page][name] and " " in text)
    ]
    assert left == []


def test_each_language_says_its_own_name() -> None:
    assert dict(language_names()) == {
        "en": "English",
        "sw": "Kiswahili",
        "lg": "Luganda",
        "rw": "Ikinyarwanda",
        "fr": "Français",
    }


def test_every_capability_and_weakness_has_its_words() -> None:
    english = texts(Language.ENGLISH)
    assert set(english["capabilities"]) == {each.replace(".", "_") for each in Capability}
    assert set(english["weaknesses"]) == set(Weakness)


def _texts_in_templates() -> Iterator[str]:
    for template in (_WEB / "templates").glob("*.html"):
        yield from re.findall(r"\btexts\.(\w+\.\w+)", template.read_text("utf-8"))


def test_templates_name_texts_that_there_are() -> None:
    named = set(_texts_in_templates())
    known = set(blanks(Language.ENGLISH))
    methods = {"failures.items", "standings.items", "weaknesses.items"}
    assert len(named) > 50
    assert named - known == methods


def _texts_in_scripts() -> Iterator[str]:
    for script in (_WEB / "static").glob("*.js"):
        source = script.read_text("utf-8")
        yield from re.findall(r"\b(?:text|said|Refusal)\(\"([\w.]+)\"", source)


def test_scripts_say_words_that_some_page_brings() -> None:
    pages = "".join(path.read_text("utf-8") for path in (_WEB / "templates").glob("*.html"))
    brought = set(re.findall(r"data-text=\"([\w.]+)\"|\"(\w+)\"", pages))
    known = {name for pair in brought for name in pair} | set(texts(Language.ENGLISH)["failures"])
    said = set(_texts_in_scripts())
    assert len(said) > 20
    assert said - known == set()
