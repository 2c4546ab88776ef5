from dataclasses import replace

import pytest

from scanner_app.gate.kiosk import (
    CameraCondition,
    EnrolmentProblem,
    Fault,
    KioskPhase,
    KioskStatus,
)
from scanner_app.ui.palette import PALETTES, Theme
from scanner_app.ui.presentation import (
    RECENT_SCANS_MAX,
    Manner,
    Presented,
    present,
    with_recent,
)
from scanner_app.ui.screen import Level, Screen, View
from scanner_app.ui.texts import LANGUAGES, load_wordings
from scanner_app.ui.verdict_screens import VERDICT_SCREENS, ColourFamily, Shape
from scanner_app.ui.verdict_words import ShownVerdict, initials, time_ago, verdict_details
from shared.admission.facts import Direction
from shared.admission.verdict import (
    Admit,
    Explanation,
    Outcome,
    Reason,
    Refusal,
    Refuse,
    Verdict,
)
from tests.factories.admission import (
    GATE,
    HOUR_MS,
    MINUTE_MS,
    NOW_MS,
    OTHER_GATE,
    SECOND_MS,
    a_scan_id,
)
from tests.factories.changes import changed

WORDINGS = load_wordings()
ENGLISH = WORDINGS["en"]
SCANNING = KioskStatus(KioskPhase.SCANNING, camera=CameraCondition.WORKING)
EVERY_VERDICT: list[Verdict] = [
    *(Admit(outcome) for outcome in Outcome),
    *(Refuse((Reason(refusal),)) for refusal in Refusal),
]


def a_shown_verdict(verdict: Verdict, **changes: object) -> ShownVerdict:
    return changed(ShownVerdict(verdict=verdict, at_ms=NOW_MS), changes)


def a_screen(presented: Presented, language: str = "en", theme: Theme = Theme.DAY) -> Screen:
    return present(presented, Manner(language, theme), WORDINGS)


def details(reason: Reason, **changes: object) -> tuple[str, ...]:
    return verdict_details(a_shown_verdict(Refuse((reason,)), **changes), ENGLISH)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("verdict", EVERY_VERDICT, ids=lambda verdict: verdict.code)
def test_a_verdict_fills_the_screen_in_its_own_shape_and_words(
    verdict: Verdict, language: str
) -> None:
    screen = a_screen(Presented(SCANNING, a_shown_verdict(verdict)), language)
    face = VERDICT_SCREENS[verdict.code]
    assert (screen.view, screen.shape) == (View.VERDICT, face.shape)
    assert screen.headline == WORDINGS[language].say(face.word_key)
    assert screen.instruction
    assert screen.next_step
    assert screen.colours == PALETTES[Theme.DAY][face.family]


@pytest.mark.parametrize(
    ("phase", "view"),
    [
        (KioskPhase.STARTING, View.NOTICE),
        (KioskPhase.AWAITING_ENROLMENT, View.ENROLMENT),
        (KioskPhase.ENROLLING, View.NOTICE),
        (KioskPhase.AWAITING_CONFIRMATION, View.CONFIRMATION),
        (KioskPhase.DOWNLOADING, View.NOTICE),
        (KioskPhase.SCANNING, View.SCANNING),
        (KioskPhase.REVOKED, View.NOTICE),
        (KioskPhase.FAULT, View.NOTICE),
    ],
)
def test_every_phase_has_its_view(phase: KioskPhase, view: View) -> None:
    screen = a_screen(Presented(KioskStatus(phase)))
    assert screen.view is view
    assert screen.headline


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("fault", Fault)
def test_every_fault_says_what_it_is_and_what_to_do(fault: Fault, language: str) -> None:
    screen = a_screen(Presented(KioskStatus(KioskPhase.FAULT, fault=fault)), language)
    phrases = WORDINGS[language].phrases
    assert screen.headline == phrases[f"notice.{fault}.title"]
    assert screen.next_step == phrases[f"notice.{fault}.next"]
    assert screen.colours == PALETTES[Theme.DAY][ColourFamily.FAULT]


def test_a_fault_without_a_name_is_still_a_fault() -> None:
    screen = a_screen(Presented(KioskStatus(KioskPhase.FAULT)))
    assert (screen.headline, screen.shape) == ("Gate fault", Shape.DEVICE)


@pytest.mark.parametrize("phase", [KioskPhase.REVOKED, KioskPhase.FAULT])
def test_a_gate_that_has_stopped_shows_no_verdict(phase: KioskPhase) -> None:
    verdict = a_shown_verdict(Admit(Outcome.ADMIT))
    screen = a_screen(Presented(KioskStatus(phase), verdict))
    assert screen.view is View.NOTICE
    assert screen.colours == PALETTES[Theme.DAY][ColourFamily.FAULT]


@pytest.mark.parametrize("problem", EnrolmentProblem)
def test_a_failed_enrolment_says_what_to_do(problem: EnrolmentProblem) -> None:
    status = KioskStatus(KioskPhase.AWAITING_ENROLMENT, enrolment_problem=problem)
    screen = a_screen(Presented(status))
    assert screen.problem == ENGLISH.phrases[f"enrolment.problem.{problem}"]


def test_the_six_digits_stand_apart() -> None:
    status = KioskStatus(KioskPhase.AWAITING_CONFIRMATION, confirmation_digits="482917")
    assert a_screen(Presented(status)).details == ("4", "8", "2", "9", "1", "7")


@pytest.mark.parametrize(
    ("age_ms", "words"),
    [
        (0, "a moment ago"),
        (-5 * SECOND_MS, "a moment ago"),
        (59 * SECOND_MS, "a moment ago"),
        (MINUTE_MS, "1 minute ago"),
        (12 * MINUTE_MS + 59 * SECOND_MS, "12 minutes ago"),
        (HOUR_MS, "1 hour ago"),
        (47 * HOUR_MS, "1 day ago"),
        (48 * HOUR_MS, "2 days ago"),
    ],
)
def test_how_long_ago_is_said_in_the_largest_unit(age_ms: int, words: str) -> None:
    assert time_ago(ENGLISH, age_ms) == words


@pytest.mark.parametrize(
    ("reason", "line"),
    [
        (
            Reason(
                Refusal.ALREADY_INSIDE_OTHER_GATE,
                at_ms=NOW_MS - 12 * MINUTE_MS,
                gate_id=OTHER_GATE,
            ),
            "First entered at Gate B 12 minutes ago",
        ),
        (
            Reason(Refusal.ALREADY_INSIDE_HERE, at_ms=NOW_MS - MINUTE_MS, gate_id=GATE),
            "First entered at this gate 1 minute ago",
        ),
        (
            Reason(Refusal.STALE_CODE, at_ms=NOW_MS - 2 * MINUTE_MS),
            "Code from 2 minutes ago",
        ),
        (
            Reason(Refusal.MAX_ENTRIES, Explanation.ENTRIES_TOTAL, limit=3),
            "Only 3 entries allowed",
        ),
        (
            Reason(Refusal.MAX_ENTRIES, Explanation.ENTRIES_PER_DAY, limit=1),
            "Only 1 entry a day",
        ),
        (
            Reason(Refusal.CAPACITY_REACHED, Explanation.CAPACITY, limit=900),
            "Room for 900 people",
        ),
        (
            Reason(Refusal.RULE_REFUSED, Explanation.REENTRY_CLOSED),
            "Nobody may come back in now",
        ),
    ],
)
def test_the_grounds_are_told_in_words(reason: Reason, line: str) -> None:
    assert details(reason, gate_names={OTHER_GATE: "Gate B"})[0] == line


def test_the_age_of_an_old_picture_is_told_only_where_it_accuses() -> None:
    assert details(Reason(Refusal.STALE_CODE, at_ms=NOW_MS - 40 * SECOND_MS)) == ()


@pytest.mark.parametrize(
    ("refusal", "at_ms", "line"),
    [
        (Refusal.TOO_EARLY, 1_795_447_800_000, "Opens at 18:30"),
        (Refusal.TOO_LATE, 1_795_447_800_000 - 24 * HOUR_MS, "Closed at 22/11 18:30"),
        (Refusal.RULE_REFUSED, 1_795_447_800_000, "May come back at 18:30"),
        (Refusal.LEASE_EXPIRED, 1_795_447_800_000, "Permission ended at 18:30"),
    ],
)
def test_times_are_the_events_own_with_the_date_on_another_day(
    refusal: Refusal, at_ms: int, line: str
) -> None:
    told = details(Reason(refusal, at_ms=at_ms), at_ms=1_795_447_800_000, timezone="Africa/Kampala")
    assert told[0] == line


def test_a_supervisor_is_named_only_where_one_may_decide() -> None:
    line = ENGLISH.say("detail.supervisor")
    assert line in details(Reason(Refusal.TOO_EARLY))
    assert line not in details(Reason(Refusal.BAD_SIGNATURE))


@pytest.mark.parametrize(
    ("verdict", "changes", "line"),
    [
        (
            Admit(Outcome.ADMIT_ATTENTION, check_identity=True),
            {"holder_name": "Amina Nakato"},
            "Check the ID: Amina Nakato",
        ),
        (Admit(Outcome.ADMIT_ATTENTION, check_identity=True), {}, "Check the ID"),
        (Admit(Outcome.ADMIT_ATTENTION), {"marked": True}, "The organizer asks you to look"),
        (
            Admit(Outcome.ADMIT, repeat_of=a_scan_id()),
            {},
            "Read twice: this is the same phone",
        ),
        (Admit(Outcome.ADMIT), {"tier_name": "VIP", "seat": "C 14"}, "VIP · Seat C 14"),
    ],
)
def test_an_admission_tells_what_to_look_at(
    verdict: Admit, changes: dict[str, object], line: str
) -> None:
    assert verdict_details(a_shown_verdict(verdict, **changes), ENGLISH)[0] == line


def test_the_last_scans_show_initials_and_never_a_name() -> None:
    shown = a_shown_verdict(Admit(Outcome.ADMIT), tier_name="VIP", holder_name="Amina wa Nakato")
    (scan,) = a_screen(Presented(SCANNING, recent=(shown,))).recent
    assert (scan.word, scan.shape, scan.who) == ("GO IN", Shape.TICK, "VIP · A. W. N.")


def test_a_nameless_holder_has_no_initials() -> None:
    assert initials("") == ""


def test_only_the_last_ten_scans_are_kept_newest_first() -> None:
    recent: tuple[ShownVerdict, ...] = ()
    for number in range(RECENT_SCANS_MAX + 5):
        recent = with_recent(recent, a_shown_verdict(Admit(Outcome.ADMIT), at_ms=number))
    assert [scan.at_ms for scan in recent] == list(range(14, 4, -1))


@pytest.mark.parametrize(
    ("changes", "text", "level"),
    [
        ({"online": True}, "Online", Level.GOOD),
        ({}, "Offline: scanning goes on", Level.NOTE),
        ({}, "All scans sent", Level.GOOD),
        ({"waiting_scans": 1}, "1 scan to send", Level.NOTE),
        ({}, "No tickets yet", Level.NOTE),
        (
            {"ticket_count": 5, "snapshot_age_seconds": 60},
            "5 tickets, 1 minute ago",
            Level.GOOD,
        ),
        (
            {"ticket_count": 5, "snapshot_age_seconds": 86_400},
            "5 tickets, 1 day ago",
            Level.NOTE,
        ),
        ({"snapshot_damaged": True}, "Old ticket list in use", Level.TROUBLE),
        ({"clock_uncertainty_ms": 60}, "Clock is right", Level.GOOD),
        ({"clock_uncertainty_ms": 10_001}, "Clock is not exact", Level.NOTE),
        ({}, "Time unknown: connect", Level.TROUBLE),
        ({}, "Camera works", Level.GOOD),
        ({"camera": CameraCondition.LOST}, "Camera lost: check cable", Level.TROUBLE),
        ({"camera": CameraCondition.ABSENT}, "No camera: use scanner", Level.NOTE),
        ({}, "No contradictions", Level.GOOD),
        ({"conflicts": 2}, "2 scans contradicted", Level.TROUBLE),
    ],
)
def test_the_status_line_speaks_plainly(
    changes: dict[str, object], text: str, level: Level
) -> None:
    items = a_screen(Presented(changed(SCANNING, changes))).status
    assert (text, level) in [(item.text, item.level) for item in items]


@pytest.mark.parametrize("camera", [CameraCondition.LOST, CameraCondition.ABSENT])
def test_without_a_camera_the_last_picture_is_not_shown_as_if_it_were_live(
    camera: CameraCondition,
) -> None:
    screen = a_screen(Presented(replace(SCANNING, camera=camera)))
    assert not screen.live
    assert screen.headline == "Use the hand scanner"


def test_the_chosen_language_is_marked() -> None:
    screen = a_screen(Presented(SCANNING), language="rw")
    assert [choice.code for choice in screen.languages if choice.chosen] == ["rw"]
    assert screen.labels.language == "Ururimi"


def test_the_button_names_the_theme_it_leads_to() -> None:
    day = a_screen(Presented(SCANNING), theme=Theme.DAY)
    night = a_screen(Presented(SCANNING), theme=Theme.NIGHT)
    assert (day.labels.other_theme, night.labels.other_theme) == ("Night", "Day")
    assert day.colours != night.colours


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_gate_where_people_leave_says_so(language: str) -> None:
    standing = replace(SCANNING, gate_name="North gate")
    leaving = replace(standing, direction=Direction.EXIT)
    assert a_screen(Presented(standing), language).gate == "North gate"
    shown = a_screen(Presented(leaving), language).gate
    assert shown.startswith("North gate")
    assert shown != "North gate"
