"""Taking a batch of scans in: every entry answered, everything kept, in one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from shared.admission.facts import Direction
from shared.credentials.keys import HolderKey
from shared.credentials.layout import HolderAlgorithm
from shared.ids import TicketId, to_signed_64
from shared.journal.chain import Head
from shared.journal.entry import GENESIS_HASH, ScanEntry
from shared.wire.changes import PassageHeard
from shared.wire.scans import EntryAnswer, EntryResult, Finding, ScanBatch, ScanBatchAnswer
from shared.wire.signing import batch_message
from sync_server.admissions import repository
from sync_server.admissions.errors import BatchUnsignedError
from sync_server.admissions.folding import (
    FoldRequest,
    device_fork,
    findings_of,
    fold_tickets,
    keep_conflicts,
)
from sync_server.admissions.news import scans_taken
from sync_server.admissions.rules import (
    BROKEN_CHAIN,
    ChainProgress,
    EntryFinding,
    Interval,
    Link,
    ReadEntry,
    follow_chain,
    interval,
    is_admission,
    read_entry,
    sort_out,
)
from sync_server.deployments import sessions
from sync_server.deployments.callers import ScannerCaller
from sync_server.deployments.sessions import DeviceFacts
from sync_server.kit.instants import instant, unix_ms
from sync_server.kit.outbox import publish
from sync_server.tickets import changes
from sync_server.tickets.changes import Stream


@dataclass(frozen=True, slots=True)
class _Sound:
    """An entry that is new, and when it happened."""

    read: ReadEntry
    entry: ScanEntry
    when: Interval

    @property
    def lets_through(self) -> bool:
        return self.entry.ticket_id is not None and is_admission(self.entry)


async def take_batch(caller: ScannerCaller, batch: ScanBatch) -> ScanBatchAnswer:
    """Store a batch and say what became of it; a repeated batch changes nothing."""
    session, scanner = caller.session, caller.scanner
    device = await sessions.describe_device(session, scanner.device_id)
    _require_signed(caller, device, batch)
    request = FoldRequest(caller.services, scanner, instant(caller.services.clock.now_ms()))
    read = [
        read_entry(item.seq, item.entry, item.entry_hash, scanner.device_id)
        for item in batch.entries
    ]
    place = _device_place(caller)
    head = await repository.lock_chain(session, place, GENESIS_HASH)
    stored, put_aside = await repository.known_entries(session, place, [it.seq for it in read])
    sorted_out = sort_out(read, stored, put_aside)
    new = [item for item in sorted_out if item is not None]
    sound = _sound(new, device, unix_ms(request.now))
    await _keep(session, caller, request, (sound, [item for item in new if item.finding]))
    progress = await _advance(session, place, head)
    touched = {item.entry.ticket_id for item in sound if item.lets_through}
    tickets = [ticket_id for ticket_id in touched if ticket_id is not None]
    conflicts = await fold_tickets(session, request, tickets)
    await changes.announce_passages(session, _stream(caller), _passages(sound))
    marks = await _mark_device(session, request, new, progress)
    taken = scans_taken(request.event, [item.entry for item in sound])
    await publish(session, *taken, *request.news)
    scan_ids: set[UUID] = {item.entry.scan_id for item in sound}
    return ScanBatchAnswer(
        answers=_answers(read, sorted_out, put_aside),
        contiguous_seq=progress.head.seq,
        missing=progress.missing,
        findings=(*findings_of(conflicts, scan_ids), *marks),
    )


def _require_signed(caller: ScannerCaller, device: DeviceFacts, batch: ScanBatch) -> None:
    hashes = tuple(item.entry_hash for item in batch.entries)
    message = batch_message(batch.device_id, batch.entries[0].seq, hashes)
    key = HolderKey(HolderAlgorithm.P256, device.signing_key)
    own = batch.device_id == caller.scanner.device_id
    if not own or not key.verifies(batch.signature, message):
        raise BatchUnsignedError


def _sound(new: Sequence[ReadEntry], device: DeviceFacts, received_at_ms: int) -> list[_Sound]:
    """Give each new entry once, though a batch may name it twice."""
    first: dict[int, ReadEntry] = {}
    for item in new:
        if item.finding is None:
            first.setdefault(item.seq, item)
    return [
        _Sound(item, item.entry, interval(item.entry, device.enrolled_at_ms, received_at_ms))
        for item in first.values()
        if item.entry is not None
    ]


async def _keep(
    session: AsyncSession,
    caller: ScannerCaller,
    request: FoldRequest,
    entries: tuple[list[_Sound], list[ReadEntry]],
) -> None:
    sound, quarantined = entries
    common = {**_device_place(caller), "received_at": request.now}
    if sound:
        deployment = {"deployment_id": caller.scanner.deployment_id}
        await repository.add_scans(session, {**common, **deployment, **_columns(sound)})
    if quarantined:
        columns = {
            "seq": [item.seq for item in quarantined],
            "entry_hash": [item.entry_hash for item in quarantined],
            "entry": [item.raw for item in quarantined],
            "finding": [item.finding for item in quarantined],
        }
        await repository.add_quarantined(session, {**common, **columns})


def _columns(sound: Sequence[_Sound]) -> dict[str, list[Any]]:
    entries = [item.entry for item in sound]
    return {
        "seq": [entry.seq for entry in entries],
        "scan_id": [entry.scan_id for entry in entries],
        "entry_hash": [item.read.entry_hash for item in sound],
        "prev_hash": [entry.prev_hash for entry in entries],
        "entry": [item.read.raw for item in sound],
        "gate_id": [entry.gate_id for entry in entries],
        "direction": [entry.direction for entry in entries],
        "ticket_id": [_stored(entry.ticket_id) for entry in entries],
        "verdict": [entry.verdict for entry in entries],
        "admitted": [is_admission(entry) for entry in entries],
        "gate_time_ms": [entry.gate_time_ms for entry in entries],
        "earliest_ms": [item.when.earliest_ms for item in sound],
        "latest_ms": [item.when.latest_ms for item in sound],
    }


def _stored(ticket_id: TicketId | None) -> int | None:
    return None if ticket_id is None else to_signed_64(ticket_id)


async def _advance(session: AsyncSession, place: dict[str, Any], head: Head) -> ChainProgress:
    rows = await repository.links_after(session, place, head.seq)
    progress = follow_chain(head, [Link(*row) for row in rows])
    if progress.head != head:
        await repository.advance_chain(session, place, progress.head)
    return progress


async def _mark_device(
    session: AsyncSession,
    request: FoldRequest,
    new: Sequence[ReadEntry],
    progress: ChainProgress,
) -> list[Finding]:
    """Quarantine a device whose journal contradicts itself, with the evidence."""
    marks: list[Finding] = []
    forks = [
        item.entry.scan_id
        for item in new
        if item.finding is EntryFinding.DEVICE_FORK and item.entry is not None
    ]
    if forks:
        conflict = device_fork(request.scanner, forks)
        await keep_conflicts(session, request, [conflict])
        marks.append(Finding(kind=conflict.kind.value, scan_ids=conflict.scan_ids))
    if progress.broken_at is not None:
        marks.append(Finding(kind=BROKEN_CHAIN, scan_ids=()))
    if marks:
        await sessions.quarantine_device(session, request.services, request.scanner)
    return marks


def _passages(sound: Sequence[_Sound]) -> list[PassageHeard]:
    return [
        PassageHeard(
            scan_id=item.entry.scan_id,
            ticket_id=item.entry.ticket_id,
            device_id=item.entry.device_id,
            gate_id=item.entry.gate_id,
            direction=Direction(item.entry.direction),
            at_ms=item.when.earliest_ms,
        )
        for item in sound
        if item.lets_through and item.entry.ticket_id is not None
    ]


def _answers(
    read: Sequence[ReadEntry],
    sorted_out: Sequence[ReadEntry | None],
    put_aside: frozenset[tuple[int, bytes]],
) -> tuple[EntryAnswer, ...]:
    return tuple(
        _answer(came, kept, known_bad=(came.seq, came.entry_hash) in put_aside)
        for came, kept in zip(read, sorted_out, strict=True)
    )


def _answer(came: ReadEntry, kept: ReadEntry | None, *, known_bad: bool) -> EntryAnswer:
    if kept is None and not known_bad:
        return EntryAnswer(seq=came.seq, result=EntryResult.DUPLICATE)
    finding = (kept or came).finding or (EntryFinding.DEVICE_FORK if known_bad else None)
    if finding is None:
        return EntryAnswer(seq=came.seq, result=EntryResult.ACCEPTED)
    return EntryAnswer(seq=came.seq, result=EntryResult.QUARANTINED, finding=finding.value)


def _device_place(caller: ScannerCaller) -> dict[str, Any]:
    scanner = caller.scanner
    return {
        "organizer_id": scanner.organizer_id,
        "event_id": scanner.event_id,
        "device_id": scanner.device_id,
    }


def _stream(caller: ScannerCaller) -> Stream:
    scanner = caller.scanner
    return Stream(scanner.organizer_id, scanner.event_id, scanner.deployment_id)
