"""The rule of every refusal, in order of precedence. Pure.

Each looks at the facts and gives its reason or None.
"""

from collections.abc import Callable, Iterator
from typing import Final

from shared.admission.facts import (
    CredentialProblem,
    Direction,
    Facts,
    MediumDemand,
    Passage,
    PresentedForm,
    TicketFacts,
    TicketStatus,
)
from shared.admission.verdict import Explanation, Reason, Refusal

RefusalRule = Callable[[Facts], Reason | None]

WINDOW_MS: Final = 15_000
OLD_PICTURE_MS: Final = 60_000
"""A code this far behind is an old picture, whatever the phone's clock may be."""
MILLISECONDS_PER_MINUTE: Final = 60_000


def entries(facts: Facts) -> tuple[Passage, ...]:
    """List the earlier entries, as history tells them."""
    return tuple(item for item in facts.history if item.direction is Direction.ENTRY)


def inside_since(facts: Facts) -> Passage | None:
    """Give the entry after which the holder has not left, or None when the holder is outside.

    Where exits are not scanned nobody counts as inside: there only the entry limits speak.
    """
    if not facts.policy.inside_until_exit:
        return None
    last = max(facts.history, key=lambda item: (item.at_ms, item.scan_id), default=None)
    return last if last is not None and last.direction is Direction.ENTRY else None


def _device_error(facts: Facts) -> Reason | None:
    return Reason(Refusal.DEVICE_ERROR) if facts.gate.device_fault else None


def _lease_expired(facts: Facts) -> Reason | None:
    until = facts.time.lease_until_ms
    expired = until is not None and facts.time.now_ms >= until
    return Reason(Refusal.LEASE_EXPIRED, at_ms=until) if expired else None


def _time_untrusted(facts: Facts) -> Reason | None:
    rotates = facts.credential.form in {
        PresentedForm.ROTATING_REFERENCE,
        PresentedForm.ROTATING_SELF_CONTAINED,
    }
    untrusted = rotates and facts.time.uncertainty_ms is None
    return Reason(Refusal.TIME_UNTRUSTED) if untrusted else None


def _credential(refusal: Refusal, *problems: CredentialProblem) -> RefusalRule:
    return lambda facts: Reason(refusal) if facts.credential.problem in problems else None


def _unknown_ticket(facts: Facts) -> Reason | None:
    problem = facts.credential.problem
    missing = facts.ticket is None and problem is None
    unknown = missing or problem is CredentialProblem.UNKNOWN_GENERATION
    return Reason(Refusal.UNKNOWN_TICKET) if unknown else None


def _status(refusal: Refusal, status: TicketStatus) -> RefusalRule:
    def rule(facts: Facts) -> Reason | None:
        ticket = facts.ticket
        return Reason(refusal) if ticket is not None and ticket.status is status else None

    return rule


def _transferred(facts: Facts) -> Reason | None:
    outdated = facts.credential.problem is CredentialProblem.OUTDATED_GENERATION
    if outdated:
        return Reason(Refusal.TRANSFERRED)
    return _status(Refusal.TRANSFERRED, TicketStatus.TRANSFERRED)(facts)


def milliseconds_behind(facts: Facts) -> int | None:
    """Say how far the shown window lies outside what the gate accepts.

    Zero inside (15c - g <= t < 15c + 15 + g), positive for a code that is behind the gate's time,
    negative for one ahead of it, None for a code without a window.
    """
    counter = facts.credential.counter
    if counter is None:
        return None
    opens = counter * WINDOW_MS - facts.time.grace_ms
    closes = (counter + 1) * WINDOW_MS + facts.time.grace_ms
    now = facts.time.now_ms
    if now < opens:
        return now - opens
    return max(0, now - closes + 1)


def _age_ms(facts: Facts) -> int:
    """Give how long ago the shown window ended."""
    return facts.time.now_ms - ((facts.credential.counter or 0) + 1) * WINDOW_MS


def _is_old_picture(facts: Facts) -> bool:
    return _age_ms(facts) > OLD_PICTURE_MS or facts.credential.synced_within_a_day


def _stale_code(facts: Facts) -> Reason | None:
    behind = milliseconds_behind(facts)
    if behind is None or behind <= 0 or not _is_old_picture(facts):
        return None
    shown_ms = (facts.credential.counter or 0) * WINDOW_MS
    return Reason(Refusal.STALE_CODE, at_ms=shown_ms)


def _phone_clock(facts: Facts) -> Reason | None:
    behind = milliseconds_behind(facts)
    if not behind or (behind > 0 and _is_old_picture(facts)):
        return None
    return Reason(Refusal.PHONE_CLOCK)


def _static_not_allowed(facts: Facts) -> Reason | None:
    if facts.credential.form is not PresentedForm.STATIC or facts.ticket is None:
        return None
    allowed = facts.ticket.static_allowed and facts.policy.static_open
    return None if allowed else Reason(Refusal.STATIC_NOT_ALLOWED)


def _nfc_required(facts: Facts) -> Reason | None:
    demanded = facts.ticket is not None and facts.ticket.medium in {
        MediumDemand.NFC,
        MediumDemand.QR_AND_NFC,
    }
    missing = demanded and not facts.credential.nfc_presented
    return Reason(Refusal.NFC_REQUIRED) if missing else None


def _qr_required(facts: Facts) -> Reason | None:
    demanded = facts.ticket is not None and facts.ticket.medium in {
        MediumDemand.QR,
        MediumDemand.QR_AND_NFC,
    }
    missing = demanded and not facts.credential.qr_presented
    return Reason(Refusal.QR_REQUIRED) if missing else None


def _medium_invalid(facts: Facts) -> Reason | None:
    return Reason(Refusal.MEDIUM_INVALID) if facts.credential.medium_invalid else None


def _too_early(facts: Facts) -> Reason | None:
    if facts.gate.direction is Direction.EXIT:
        return None  # Nobody is ever kept inside by a clock.
    now = facts.time.now_ms
    if facts.ticket is not None and now < facts.ticket.valid_from_ms:
        opens = facts.ticket.valid_from_ms
        return Reason(Refusal.TOO_EARLY, Explanation.TICKET_VALIDITY, at_ms=opens)
    windows = facts.policy.windows
    still_to_come = [window.from_ms for window in windows if now < window.from_ms]
    if windows and not _within_window(facts) and still_to_come:
        return Reason(Refusal.TOO_EARLY, Explanation.TIME_WINDOW, at_ms=min(still_to_come))
    return None


def _too_late(facts: Facts) -> Reason | None:
    if facts.gate.direction is Direction.EXIT:
        return None
    now = facts.time.now_ms
    if facts.ticket is not None and now >= facts.ticket.valid_until_ms:
        closed = facts.ticket.valid_until_ms
        return Reason(Refusal.TOO_LATE, Explanation.TICKET_VALIDITY, at_ms=closed)
    windows = facts.policy.windows
    if windows and all(now >= window.until_ms for window in windows):
        closed = max(window.until_ms for window in windows)
        return Reason(Refusal.TOO_LATE, Explanation.TIME_WINDOW, at_ms=closed)
    return None


def _within_window(facts: Facts) -> bool:
    now = facts.time.now_ms
    return any(window.from_ms <= now < window.until_ms for window in facts.policy.windows)


def _wrong_gate(facts: Facts) -> Reason | None:
    gates = facts.policy.gates
    outside = gates is not None and facts.gate.gate_id not in gates
    return Reason(Refusal.WRONG_GATE) if outside else None


def _wrong_zone(facts: Facts) -> Reason | None:
    outside = facts.ticket is not None and not facts.ticket.zones & facts.gate.zones
    return Reason(Refusal.WRONG_ZONE) if outside else None


def _wrong_tier(facts: Facts) -> Reason | None:
    tiers = facts.policy.tiers
    if tiers is None or facts.ticket is None or facts.ticket.tier in tiers:
        return None
    return Reason(Refusal.WRONG_TIER)


def _rule_refused(facts: Facts) -> Reason | None:
    return next(_organizer_rules(facts), None)


def _organizer_rules(facts: Facts) -> Iterator[Reason]:
    policy = facts.policy
    entering = facts.gate.direction is Direction.ENTRY
    if entering and not policy.entry_open:
        yield Reason(Refusal.RULE_REFUSED, Explanation.ENTRY_CLOSED)
    if not entering and not policy.exit_open:
        yield Reason(Refusal.RULE_REFUSED, Explanation.EXIT_CLOSED)
    if entering and facts.history and not inside_since(facts):
        yield from _reentry_rules(facts)
    if entering and not facts.gate.peers_reachable and not policy.provisional_open:
        yield Reason(Refusal.RULE_REFUSED, Explanation.PROVISIONAL_CLOSED)


def _reentry_rules(facts: Facts) -> Iterator[Reason]:
    ticket, policy = facts.ticket, facts.policy
    if ticket is not None and ticket.reentry_allowed and not policy.reentry_open:
        yield Reason(Refusal.RULE_REFUSED, Explanation.REENTRY_CLOSED)
    last_ms = max(item.at_ms for item in facts.history)
    opens_ms = last_ms + policy.minutes_between * MILLISECONDS_PER_MINUTE
    if facts.time.now_ms < opens_ms:
        minutes = policy.minutes_between
        yield Reason(
            Refusal.RULE_REFUSED, Explanation.MINUTES_BETWEEN, at_ms=opens_ms, limit=minutes
        )


def _already_inside(refusal: Refusal, *, same_gate: bool) -> RefusalRule:
    def rule(facts: Facts) -> Reason | None:
        entry = inside_since(facts)
        if entry is None or facts.gate.direction is Direction.EXIT:
            return None
        if (entry.gate_id == facts.gate.gate_id) is not same_gate:
            return None
        return Reason(refusal, at_ms=entry.at_ms, gate_id=entry.gate_id)

    return rule


def _not_inside(facts: Facts) -> Reason | None:
    leaving = facts.gate.direction is Direction.EXIT and facts.policy.inside_until_exit
    absent = leaving and facts.ticket is not None and inside_since(facts) is None
    return Reason(Refusal.NOT_INSIDE) if absent else None


def _max_entries(facts: Facts) -> Reason | None:
    if facts.ticket is None or facts.gate.direction is Direction.EXIT or inside_since(facts):
        return None
    used = entries(facts)
    limit = _entry_limit(facts, facts.ticket)
    if limit is not None and len(used) >= limit:
        last = max(entry.at_ms for entry in used)
        return Reason(Refusal.MAX_ENTRIES, Explanation.ENTRIES_TOTAL, at_ms=last, limit=limit)
    daily = facts.policy.entries_per_day_max
    today = sum(1 for entry in used if entry.at_ms >= facts.time.day_start_ms)
    if daily is not None and today >= daily:
        return Reason(Refusal.MAX_ENTRIES, Explanation.ENTRIES_PER_DAY, limit=daily)
    return None


def _entry_limit(facts: Facts, ticket: TicketFacts) -> int | None:
    if ticket.reentry_allowed:
        return facts.policy.reentries_max
    return facts.policy.entries_max


def _capacity_reached(facts: Facts) -> Reason | None:
    capacity = facts.policy.capacity
    if capacity is None or facts.gate.direction is Direction.EXIT:
        return None
    inside = facts.occupancy.inside
    if inside >= capacity:
        return Reason(Refusal.CAPACITY_REACHED, Explanation.CAPACITY, limit=capacity)
    reserved = facts.policy.capacity_reserve
    staff = facts.ticket is not None and facts.ticket.staff
    if not staff and inside >= capacity - reserved:
        return Reason(Refusal.CAPACITY_REACHED, Explanation.CAPACITY_RESERVE, limit=capacity)
    return None


RULES: Final[tuple[tuple[Refusal, RefusalRule], ...]] = (
    (Refusal.DEVICE_ERROR, _device_error),
    (Refusal.LEASE_EXPIRED, _lease_expired),
    (Refusal.TIME_UNTRUSTED, _time_untrusted),
    (Refusal.NOT_A_TICKET, _credential(Refusal.NOT_A_TICKET, CredentialProblem.FOREIGN)),
    (
        Refusal.BAD_SIGNATURE,
        _credential(
            Refusal.BAD_SIGNATURE, CredentialProblem.FORGED, CredentialProblem.WRONG_HOLDER
        ),
    ),
    (Refusal.UNKNOWN_TICKET, _unknown_ticket),
    (Refusal.WRONG_EVENT, _credential(Refusal.WRONG_EVENT, CredentialProblem.OTHER_EVENT)),
    (Refusal.REVOKED, _status(Refusal.REVOKED, TicketStatus.REVOKED)),
    (Refusal.TRANSFERRED, _transferred),
    (Refusal.CANCELLED, _status(Refusal.CANCELLED, TicketStatus.CANCELLED)),
    (Refusal.REFUNDED, _status(Refusal.REFUNDED, TicketStatus.REFUNDED)),
    (
        Refusal.PAYMENT_REVERSED,
        _status(Refusal.PAYMENT_REVERSED, TicketStatus.PAYMENT_REVERSED),
    ),
    (Refusal.UNPAID, _status(Refusal.UNPAID, TicketStatus.UNPAID)),
    (Refusal.BLOCKED, _status(Refusal.BLOCKED, TicketStatus.BLOCKED)),
    (Refusal.STALE_CODE, _stale_code),
    (Refusal.PHONE_CLOCK, _phone_clock),
    (Refusal.STATIC_NOT_ALLOWED, _static_not_allowed),
    (Refusal.NFC_REQUIRED, _nfc_required),
    (Refusal.QR_REQUIRED, _qr_required),
    (Refusal.MEDIUM_INVALID, _medium_invalid),
    (Refusal.TOO_EARLY, _too_early),
    (Refusal.TOO_LATE, _too_late),
    (Refusal.WRONG_GATE, _wrong_gate),
    (Refusal.WRONG_ZONE, _wrong_zone),
    (Refusal.WRONG_TIER, _wrong_tier),
    (Refusal.RULE_REFUSED, _rule_refused),
    (
        Refusal.ALREADY_INSIDE_HERE,
        _already_inside(Refusal.ALREADY_INSIDE_HERE, same_gate=True),
    ),
    (
        Refusal.ALREADY_INSIDE_OTHER_GATE,
        _already_inside(Refusal.ALREADY_INSIDE_OTHER_GATE, same_gate=False),
    ),
    (Refusal.NOT_INSIDE, _not_inside),
    (Refusal.MAX_ENTRIES, _max_entries),
    (Refusal.CAPACITY_REACHED, _capacity_reached),
)
"""One rule for every refusal, in the order of the enum (held by a test)."""
