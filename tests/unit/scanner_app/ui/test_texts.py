import json
from pathlib import Path

import pytest

from scanner_app.gate.kiosk import CameraCondition, EnrolmentProblem, Fault
from scanner_app.ui.texts import LANGUAGES, IncompleteTextsError, differences, load_wordings
from scanner_app.ui.verdict_screens import VERDICT_SCREENS
from scanner_app.ui.wording import THIN_SPACE, Wording
from shared.admission.verdict import Explanation, Outcome, Refusal

WORDINGS = load_wordings()


def test_all_five_languages_are_there_under_their_own_names() -> None:
    names = {code: wording.name for code, wording in WORDINGS.items()}
    assert names == {
        "en": "English",
        "sw": "Kiswahili",
        "lg": "Luganda",
        "rw": "Ikinyarwanda",
        "fr": "Français",
    }


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("code", [*Outcome, *Refusal])
def test_every_verdict_has_word_instruction_and_advice(language: str, code: str) -> None:
    face = VERDICT_SCREENS[code]
    phrases = WORDINGS[language].phrases
    assert all(phrases[key] for key in (face.word_key, face.instruction_key, face.next_key))


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_word_of_a_refusal_is_the_word_of_another_verdict(language: str) -> None:
    words = [WORDINGS[language].say(face.word_key) for face in VERDICT_SCREENS.values()]
    assert len(set(words)) == len(words)


@pytest.mark.parametrize("language", LANGUAGES)
def test_nothing_said_on_a_refusal_is_said_on_an_admission(language: str) -> None:
    phrases = WORDINGS[language].phrases

    def said(codes: list[str]) -> set[str]:
        faces = [VERDICT_SCREENS[code] for code in codes]
        return {
            phrases[key]
            for face in faces
            for key in (face.word_key, face.instruction_key, face.next_key)
        }

    assert said([*Outcome]) & said([*Refusal]) == set()


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_standing_that_can_be_shown_has_its_texts(language: str) -> None:
    phrases = WORDINGS[language].phrases
    wanted = [
        *(f"notice.{fault}.{part}" for fault in Fault for part in ("title", "body", "next")),
        *(f"enrolment.problem.{problem}" for problem in EnrolmentProblem),
        *(f"status.camera_{condition}" for condition in CameraCondition),
    ]
    assert [key for key in wanted if key not in phrases] == []


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("explanation", Explanation)
def test_every_rule_of_an_organizer_can_be_explained(
    language: str, explanation: Explanation
) -> None:
    phrases = WORDINGS[language].phrases
    key = f"detail.{explanation}"
    assert key in phrases or {f"{key}.one", f"{key}.other"} <= phrases.keys()


def test_plural_forms_come_in_pairs() -> None:
    keys = WORDINGS["en"].phrases
    ones = {key.removesuffix(".one") for key in keys if key.endswith(".one")}
    others = {key.removesuffix(".other") for key in keys if key.endswith(".other")}
    assert ones == others


def test_one_is_singular_and_several_are_grouped() -> None:
    english = WORDINGS["en"]
    assert english.count("status.waiting", 1) == "1 scan to send"
    assert english.count("status.waiting", 12_345) == f"12{THIN_SPACE}345 scans to send"


def test_an_unknown_phrase_is_a_bug() -> None:
    with pytest.raises(KeyError):
        Wording("en", "English", {}).say("verdict.NOTHING.word")


@pytest.mark.parametrize(
    ("texts", "fault"),
    [
        ({"a": "x"}, "b is missing"),
        ({"a": "x", "b": "{n}", "c": "y"}, "c is unknown"),
        ({"a": " ", "b": "{n}"}, "a is empty"),
        ({"a": "x", "b": "{m}"}, "b has other placeholders"),
    ],
)
def test_a_gap_in_a_language_is_named(texts: dict[str, str], fault: str) -> None:
    assert differences({"a": "x", "b": "{n}"}, texts) == [fault]


def test_a_kiosk_with_a_gap_in_its_texts_does_not_start(tmp_path: Path) -> None:
    for language in LANGUAGES:
        texts = {"language.name": language, "greeting": "hello"}
        (tmp_path / f"{language}.json").write_text(json.dumps(texts), encoding="utf-8")
    (tmp_path / "rw.json").write_text('{"language.name": "rw"}', encoding="utf-8")
    with pytest.raises(IncompleteTextsError, match="rw: greeting is missing"):
        load_wordings(tmp_path)
