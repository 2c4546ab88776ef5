"""The server's deterministic reading of all scans: who is inside, and which facts clash. Pure.

Scans form a set: the order in which they arrive and how often they arrive cannot change the result.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import chain, groupby, pairwise

from shared.admission.decide import SAME_PRESENTATION_MS
from shared.admission.facts import Direction, Passage
from shared.ids import DeviceId, GateId, ScanId, TicketId


class ConflictKind(StrEnum):
    """Two facts that cannot both be right."""

    SAME_TICKET_TWICE = "same_ticket_twice"
    """Entered again without having left, at two gates or at two devices of one gate."""
    ADMITTED_AFTER_REVOKE = "admitted_after_revoke"
    DEVICE_FORK = "device_fork"
    """One device wrote two different entries under one number: its disk was copied or restored."""
    IMPOSSIBLE_TRAVEL = "impossible_travel"
    CAPACITY_PASSED = "capacity_passed"


@dataclass(frozen=True, slots=True)
class RecordedScan:
    """A scan as a fact: when it happened is an interval, since gate clocks are not exact."""

    scan_id: ScanId
    device_id: DeviceId
    seq: int
    entry_hash: bytes
    gate_id: GateId
    direction: Direction
    earliest_ms: int
    latest_ms: int
    ticket_id: TicketId | None
    admitted: bool

    @property
    def order(self) -> tuple[int, int, bytes, int, bytes]:
        """Order by corrected time interval, then device, number and, in a fork, hash."""
        return (self.earliest_ms, self.latest_ms, self.device_id.bytes, self.seq, self.entry_hash)

    def overlaps(self, other: "RecordedScan") -> bool:
        """Say whether nobody can know which of two scans came first."""
        return self.earliest_ms <= other.latest_ms and other.earliest_ms <= self.latest_ms


@dataclass(frozen=True, slots=True)
class Conflict:
    """One item for the conflict inbox; kind and `subject`, what it is about, identify it."""

    kind: ConflictKind
    subject: str
    scan_ids: tuple[ScanId, ...]
    """The evidence, in fold order."""
    concurrent: bool = False
    """True when the intervals overlap: no culprit is named."""


@dataclass(frozen=True, slots=True)
class TicketState:
    """Where a ticket's holder stands after all scans."""

    ticket_id: TicketId
    passages: tuple[Passage, ...]
    inside: bool
    entries: int


@dataclass(frozen=True, slots=True)
class FoldContext:
    """What the fold must know beside the scans."""

    revoked_at_ms: Mapping[TicketId, int] = field(default_factory=dict)
    travel_ms: int = 0
    """The least time between two different gates; 0 switches the check off."""
    capacity: int | None = None
    exits_scanned: bool = True
    """Where they are not, coming back is lawful, and only two places at once contradict."""


@dataclass(frozen=True, slots=True)
class Folding:
    """The result of a fold."""

    tickets: Mapping[TicketId, TicketState]
    conflicts: tuple[Conflict, ...]
    inside: int


def fold(scans: Iterable[RecordedScan], context: FoldContext) -> Folding:
    """Read a set of scans; any order and any number of copies give the same result."""
    ordered = sorted({(scan.scan_id, scan.entry_hash): scan for scan in scans}.values(), key=_order)
    by_ticket: dict[TicketId, list[RecordedScan]] = {}
    for scan in ordered:
        if scan.admitted and scan.ticket_id is not None:
            by_ticket.setdefault(scan.ticket_id, []).append(scan)
    kept = {ticket_id: _without_repeats(own) for ticket_id, own in by_ticket.items()}
    tickets = {ticket_id: _state(ticket_id, own) for ticket_id, own in kept.items()}
    conflicts = list(_device_forks(ordered))
    for ticket_id, own in kept.items():
        conflicts.extend(_ticket_conflicts(ticket_id, own, context))
    conflicts.extend(_capacity_passed(kept.values(), context))
    return Folding(
        tickets=tickets,
        conflicts=tuple(sorted(conflicts, key=lambda item: (item.kind, item.subject))),
        inside=sum(1 for state in tickets.values() if state.inside),
    )


def _order(scan: RecordedScan) -> tuple[int, int, bytes, int, bytes]:
    return scan.order


def _without_repeats(scans: list[RecordedScan]) -> list[RecordedScan]:
    """Drop what a device merely read twice, by the rule of `repeated_passage`."""
    kept: list[RecordedScan] = []
    for scan in scans:
        if not _repeats_one_of(kept, scan):
            kept.append(scan)
    return kept


def _repeats_one_of(kept: list[RecordedScan], scan: RecordedScan) -> bool:
    for earlier in reversed(kept):
        soon = scan.earliest_ms - earlier.earliest_ms < SAME_PRESENTATION_MS
        if not soon or earlier.direction is not scan.direction:
            return False
        same_place = (scan.device_id, scan.gate_id) == (earlier.device_id, earlier.gate_id)
        if same_place and scan.seq != earlier.seq:  # Under one number they are a fork.
            return True
    return False


def _state(ticket_id: TicketId, scans: list[RecordedScan]) -> TicketState:
    passages = tuple(
        Passage(scan.scan_id, scan.device_id, scan.gate_id, scan.direction, scan.earliest_ms)
        for scan in scans
    )
    entered = sum(1 for passage in passages if passage.direction is Direction.ENTRY)
    inside = bool(passages) and passages[-1].direction is Direction.ENTRY
    return TicketState(ticket_id, passages, inside, entered)


def _ticket_conflicts(
    ticket_id: TicketId, scans: list[RecordedScan], context: FoldContext
) -> Iterator[Conflict]:
    subject = f"{ticket_id:016x}"
    twice = [pair for pair in pairwise(scans) if _enters_twice(*pair, context)]
    if twice:
        yield _pairs_conflict(ConflictKind.SAME_TICKET_TWICE, subject, twice)
    too_fast = [pair for pair in pairwise(scans) if _travels_too_fast(*pair, context.travel_ms)]
    if too_fast:
        yield _pairs_conflict(ConflictKind.IMPOSSIBLE_TRAVEL, subject, too_fast)
    revoked_ms = context.revoked_at_ms.get(ticket_id)
    late = [
        scan
        for scan in scans
        if revoked_ms is not None
        and scan.latest_ms >= revoked_ms
        and scan.direction is Direction.ENTRY
    ]
    if late:
        yield Conflict(
            ConflictKind.ADMITTED_AFTER_REVOKE,
            subject,
            tuple(scan.scan_id for scan in late),
            concurrent=all(scan.earliest_ms < (revoked_ms or 0) for scan in late),
        )


def _enters_twice(first: RecordedScan, second: RecordedScan, context: FoldContext) -> bool:
    entries = first.direction is second.direction is Direction.ENTRY
    return entries and (context.exits_scanned or first.overlaps(second))


def _travels_too_fast(first: RecordedScan, second: RecordedScan, travel_ms: int) -> bool:
    longest_gap_ms = max(second.latest_ms - first.earliest_ms, first.latest_ms - second.earliest_ms)
    return first.gate_id != second.gate_id and longest_gap_ms < travel_ms


def _pairs_conflict(
    kind: ConflictKind, subject: str, pairs: list[tuple[RecordedScan, RecordedScan]]
) -> Conflict:
    involved = {scan.scan_id: None for pair in pairs for scan in pair}
    concurrent = any(first.overlaps(second) for first, second in pairs)
    return Conflict(kind, subject, tuple(involved), concurrent=concurrent)


def _device_forks(ordered: list[RecordedScan]) -> Iterator[Conflict]:
    def number(scan: RecordedScan) -> tuple[bytes, int]:
        return (scan.device_id.bytes, scan.seq)

    forked: dict[DeviceId, list[ScanId]] = {}
    for _, group in groupby(sorted(ordered, key=number), key=number):
        copies = list(group)
        if len({scan.entry_hash for scan in copies}) > 1:
            forked.setdefault(copies[0].device_id, []).extend(scan.scan_id for scan in copies)
    for device_id, scan_ids in forked.items():
        yield Conflict(ConflictKind.DEVICE_FORK, str(device_id), tuple(dict.fromkeys(scan_ids)))


def _capacity_passed(
    kept: Iterable[list[RecordedScan]], context: FoldContext
) -> Iterator[Conflict]:
    if context.capacity is None:
        return
    inside: set[TicketId | None] = set()
    beyond: list[ScanId] = []
    for scan in sorted(chain.from_iterable(kept), key=_order):
        if scan.direction is Direction.EXIT:
            inside.discard(scan.ticket_id)
        elif scan.ticket_id not in inside:
            inside.add(scan.ticket_id)
            if len(inside) > context.capacity:
                beyond.append(scan.scan_id)
    if beyond:
        yield Conflict(ConflictKind.CAPACITY_PASSED, "deployment", tuple(beyond))
