"""Puts a verdict's grounds in words: where, when, how many, until what time.

Pure; decides nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from scanner_app.gate.local_time import local_moment
from scanner_app.ui.verdict_screens import VERDICT_SCREENS, VerdictScreen
from scanner_app.ui.wording import Wording, grouped
from shared.admission.verdict import Admit, Explanation, Outcome, Reason, Refusal, Refuse, Verdict
from shared.ids import GateId

_MINUTE_MS: Final = 60_000
_HOUR_MS: Final = 60 * _MINUTE_MS
_DAY_MS: Final = 24 * _HOUR_MS

_UNTIL: Final = {
    Refusal.TOO_EARLY: "detail.opens_at",
    Refusal.TOO_LATE: "detail.closed_at",
    Refusal.RULE_REFUSED: "detail.back_at",
    Refusal.LEASE_EXPIRED: "detail.lease_ended",
}
"""What the reason's time is to be called, where it is a time of day."""

_SINCE: Final = {
    Refusal.STALE_CODE: "detail.shown",
    Refusal.MAX_ENTRIES: "detail.last_entry",
}
"""What the reason's time is to be called, where its distance from now matters."""

_COUNTED: Final = frozenset(
    {Explanation.ENTRIES_TOTAL, Explanation.ENTRIES_PER_DAY, Explanation.MINUTES_BETWEEN}
)
_ENTERED: Final = frozenset({Refusal.ALREADY_INSIDE_HERE, Refusal.ALREADY_INSIDE_OTHER_GATE})


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownVerdict:
    """A verdict with what a person wants to hear beside it; never the code itself."""

    verdict: Verdict
    at_ms: int
    """The gate's time of the scan, Unix milliseconds."""
    timezone: str = "UTC"
    gate_names: Mapping[GateId, str] = field(default_factory=dict)
    tier_name: str = ""
    holder_name: str = ""
    seat: str = ""
    marked: bool = False
    """Whether the organizer asked to look at this ticket's holder."""

    @property
    def face(self) -> VerdictScreen:
        """How this verdict looks and sounds."""
        return VERDICT_SCREENS[self.verdict.code]


def time_ago(wording: Wording, age_ms: int) -> str:
    """Say how long ago something was, in the largest unit that fits."""
    if age_ms < _MINUTE_MS:
        return wording.say("ago.moment")
    if age_ms < _HOUR_MS:
        return wording.count("ago.minutes", age_ms // _MINUTE_MS)
    if age_ms < _DAY_MS:
        return wording.count("ago.hours", age_ms // _HOUR_MS)
    return wording.count("ago.days", age_ms // _DAY_MS)


def time_of_day(at_ms: int, shown: ShownVerdict) -> str:
    """Write a time as 18:30, with the date before it when that is not the scan's own."""
    moment = local_moment(at_ms, shown.timezone)
    same_day = moment.date() == local_moment(shown.at_ms, shown.timezone).date()
    return f"{moment:%H:%M}" if same_day else f"{moment:%d/%m %H:%M}"


def initials(name: str) -> str:
    """Shorten a name to its first letters: enough to ask, too little to gossip."""
    return " ".join(f"{part[0].upper()}." for part in name.split())


def verdict_details(shown: ShownVerdict, wording: Wording) -> tuple[str, ...]:
    """List what else a person at the gate should hear, the most telling first."""
    return (*_grounds(shown, wording), *_ticket_line(shown, wording))


def _grounds(shown: ShownVerdict, wording: Wording) -> list[str]:
    match shown.verdict:
        case Admit() as admit:
            return _admission_lines(admit, shown, wording)
        case Refuse() as refuse:
            return _refusal_lines(refuse, shown, wording)


def _admission_lines(admit: Admit, shown: ShownVerdict, wording: Wording) -> list[str]:
    lines = []
    if admit.repeat_of is not None:
        lines.append(wording.say("detail.repeat"))
    if admit.check_identity and shown.holder_name:
        lines.append(wording.say("detail.identity", name=shown.holder_name))
    elif admit.check_identity:
        lines.append(wording.say("detail.identity_unnamed"))
    if admit.outcome is Outcome.ADMIT_ATTENTION and (shown.marked or not admit.check_identity):
        lines.append(wording.say("detail.marked"))
    return lines


def _refusal_lines(refuse: Refuse, shown: ShownVerdict, wording: Wording) -> list[str]:
    reason = refuse.first
    lines = [
        line
        for line in (
            _entered(reason, shown, wording),
            _until(reason, shown, wording),
            _explanation(reason, wording),
            _since(reason, shown, wording),
        )
        if line
    ]
    if refuse.supervisor_may_override:
        lines.append(wording.say("detail.supervisor"))
    return lines


def _explanation(reason: Reason, wording: Wording) -> str:
    explanation, limit = reason.explanation, reason.limit
    if explanation is None:
        return ""
    key = f"detail.{explanation}"
    if explanation in _COUNTED:
        return wording.count(key, limit or 0)
    if explanation is Explanation.CAPACITY:
        return wording.say(key, count=grouped(limit or 0))
    return wording.say(key)


def _entered(reason: Reason, shown: ShownVerdict, wording: Wording) -> str:
    if reason.refusal not in _ENTERED or reason.at_ms is None:
        return ""
    here = reason.refusal is Refusal.ALREADY_INSIDE_HERE
    unnamed = wording.say("detail.this_gate" if here else "detail.other_gate")
    gate = unnamed if reason.gate_id is None else shown.gate_names.get(reason.gate_id, unnamed)
    ago = time_ago(wording, shown.at_ms - reason.at_ms)
    return wording.say("detail.entered_at", gate=gate, ago=ago)


def _until(reason: Reason, shown: ShownVerdict, wording: Wording) -> str:
    key = _UNTIL.get(reason.refusal)
    if key is None or reason.at_ms is None:
        return ""
    return wording.say(key, time=time_of_day(reason.at_ms, shown))


def _since(reason: Reason, shown: ShownVerdict, wording: Wording) -> str:
    key = _SINCE.get(reason.refusal)
    if key is None or reason.at_ms is None:
        return ""
    age_ms = shown.at_ms - reason.at_ms
    if reason.refusal is Refusal.STALE_CODE and age_ms < _MINUTE_MS:
        return ""  # "A moment ago" would excuse a picture that is too old.
    return wording.say(key, ago=time_ago(wording, age_ms))


def _ticket_line(shown: ShownVerdict, wording: Wording) -> tuple[str, ...]:
    seat = wording.say("detail.seat", seat=shown.seat) if shown.seat else ""
    line = " · ".join(part for part in (shown.tier_name, seat) if part)
    return (line,) if line else ()
