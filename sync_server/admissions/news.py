"""What a batch of scans is told as: counts for each gate, and conflicts by their ids; pure."""

from collections import Counter
from collections.abc import Iterable, Sequence
from uuid import UUID

from shared.admission.facts import Direction
from shared.ids import EventId, OrganizerId
from shared.journal.entry import ScanEntry
from sync_server.admissions.rules import is_admission
from sync_server.kit import channels
from sync_server.kit.outbox import Message

Event = tuple[OrganizerId, EventId]


def scans_taken(event: Event, entries: Sequence[ScanEntry]) -> list[Message]:
    """Write one message a gate: how many scans, and how many let somebody in, out, or not."""
    counts: dict[UUID, Counter[str]] = {}
    for entry in entries:
        counts.setdefault(entry.gate_id, Counter())[_outcome(entry)] += 1
    return [_gate_news(event, gate_id, counted) for gate_id, counted in counts.items()]


def conflict_news(kind: str, event: Event, conflict_ids: Iterable[UUID]) -> list[Message]:
    """Write `conflict.found`, `conflict.withdrawn` or `conflict.resolved`, for each conflict."""
    organizer_id, event_id = event
    alerts = (channels.organizer_alerts(organizer_id),)
    return [
        Message(kind, organizer_id, alerts, {"event_id": event_id, "conflict_id": conflict_id})
        for conflict_id in conflict_ids
    ]


def _outcome(entry: ScanEntry) -> str:
    if not is_admission(entry):
        return "refused"
    return "exits" if entry.direction == Direction.EXIT.value else "entries"


def _gate_news(event: Event, gate_id: UUID, counted: Counter[str]) -> Message:
    organizer_id, event_id = event
    told = {
        "event_id": event_id,
        "gate_id": gate_id,
        "scans": counted.total(),
        **{outcome: counted[outcome] for outcome in ("entries", "exits", "refused")},
    }
    listeners = (channels.event_gate(event_id, gate_id), channels.event_gates(event_id))
    return Message("scans.taken", organizer_id, listeners, told)
