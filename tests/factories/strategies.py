"""Hypothesis strategies for whole domains: any facts, any set of scans, any journal entry."""

from hashlib import sha256
from itertools import product
from typing import Final
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from shared.admission.facts import (
    CredentialFacts,
    CredentialProblem,
    Direction,
    Facts,
    GateFacts,
    MediumDemand,
    Occupancy,
    Passage,
    PresentedForm,
    TicketFacts,
    TicketStatus,
    TimeFacts,
)
from shared.admission.fold import RecordedScan
from shared.admission.policy import Policy, TimeWindow
from shared.admission.verdict import Refusal
from shared.ids import DeviceId, GateId, ScanId, StaffId, TicketId
from shared.journal.entry import Cursor, ScanEntry
from tests.factories.admission import (
    DAY_START_MS,
    DEVICE,
    GATE,
    HOUR_MS,
    NOW_MS,
    OTHER_DEVICE,
    OTHER_GATE,
)
from tests.factories.credentials import COUNTER, TICKET_ID

UNSIGNED_64: Final = st.integers(0, 2**64 - 1)
HASHES: Final = st.binary(min_size=32, max_size=32)
GATES: Final = st.sampled_from([GATE, OTHER_GATE])
DEVICES: Final = st.sampled_from([DEVICE, OTHER_DEVICE])
DIRECTIONS: Final = st.sampled_from(Direction)
INSTANTS: Final = st.integers(NOW_MS - 24 * HOUR_MS, NOW_MS + 24 * HOUR_MS)
NEAR_INSTANTS: Final = st.integers(NOW_MS - 20_000, NOW_MS + 20_000)

PASSAGES: Final = st.builds(
    Passage,
    scan_id=st.uuids().map(ScanId),
    device_id=DEVICES,
    gate_id=GATES,
    direction=DIRECTIONS,
    at_ms=NEAR_INSTANTS | INSTANTS,
)
HISTORIES: Final = st.lists(PASSAGES, max_size=5, unique_by=lambda item: item.scan_id).map(tuple)

WINDOWS: Final = st.builds(
    lambda start, length: TimeWindow(start, start + length), INSTANTS, st.integers(1, 24 * HOUR_MS)
)
LIMITS: Final = st.none() | st.integers(1, 4)
POLICIES: Final = st.builds(
    Policy,
    windows=st.lists(WINDOWS, max_size=2).map(tuple),
    entry_open=st.booleans(),
    exit_open=st.booleans(),
    reentry_open=st.booleans(),
    inside_until_exit=st.booleans(),
    entries_max=LIMITS,
    reentries_max=LIMITS,
    entries_per_day_max=LIMITS,
    minutes_between=st.integers(0, 60),
    gates=st.none() | st.frozensets(GATES),
    tiers=st.none() | st.frozensets(st.integers(0, 3)),
    capacity=st.none() | st.integers(3, 9),
    capacity_reserve=st.integers(0, 3),
    static_open=st.booleans(),
    check_identity=st.booleans(),
    provisional_open=st.booleans(),
)
TICKETS: Final = st.builds(
    TicketFacts,
    ticket_id=st.just(TICKET_ID),
    generation=st.integers(0, 255),
    tier=st.integers(0, 3),
    zones=st.integers(0, 0xFFFF),
    valid_from_ms=INSTANTS,
    valid_until_ms=INSTANTS,
    status=st.just(TicketStatus.VALID) | st.sampled_from(TicketStatus),
    static_allowed=st.booleans(),
    reentry_allowed=st.booleans(),
    identity_bound=st.booleans(),
    attention=st.booleans(),
    staff=st.booleans(),
    medium=st.sampled_from(MediumDemand),
)
ANY_FACTS: Final[SearchStrategy[Facts]] = st.builds(
    Facts,
    gate=st.builds(
        GateFacts,
        gate_id=GATES,
        device_id=DEVICES,
        zones=st.just(0xFFFF) | st.integers(0, 0xFFFF),
        direction=DIRECTIONS,
        device_fault=st.booleans(),
        peers_reachable=st.booleans(),
    ),
    time=st.builds(
        TimeFacts,
        now_ms=st.just(NOW_MS) | INSTANTS,
        uncertainty_ms=st.none() | st.integers(0, HOUR_MS),
        day_start_ms=st.just(DAY_START_MS),
        lease_until_ms=st.none() | INSTANTS,
    ),
    credential=st.builds(
        CredentialFacts,
        form=st.sampled_from(PresentedForm),
        problem=st.none() | st.sampled_from(CredentialProblem),
        counter=st.none() | st.just(COUNTER) | st.integers(COUNTER - 50, COUNTER + 50),
        synced_within_a_day=st.booleans(),
        qr_presented=st.booleans(),
        nfc_presented=st.booleans(),
        medium_invalid=st.booleans(),
    ),
    ticket=st.none() | TICKETS,
    history=HISTORIES,
    policy=st.just(Policy()) | POLICIES,
    occupancy=st.builds(Occupancy, inside=st.integers(0, 12)),
)


@st.composite
def recorded_scans(draw: st.DrawFn) -> RecordedScan:
    """Draw a scan of few tickets, gates, devices and numbers, so that scans meet and fork."""
    device_id, gate_id, direction, ticket_id, admitted = draw(_SCAN_KINDS)
    seq = draw(st.integers(1, 6))
    earliest_ms = NOW_MS + 500 * draw(st.integers(0, 40))
    latest_ms = earliest_ms + 500 * draw(st.integers(0, 6))
    content = (device_id, gate_id, direction, ticket_id, admitted, seq, earliest_ms, latest_ms)
    digest = sha256(repr(content).encode()).digest()
    return RecordedScan(
        scan_id=ScanId(UUID(bytes=digest[:16])),
        device_id=device_id,
        seq=seq,
        entry_hash=digest,
        gate_id=gate_id,
        direction=direction,
        earliest_ms=earliest_ms,
        latest_ms=latest_ms,
        ticket_id=ticket_id,
        admitted=admitted,
    )


_SCAN_KINDS: Final = st.sampled_from(
    list(
        product(
            (DEVICE, OTHER_DEVICE),
            (GATE, OTHER_GATE),
            Direction,
            (TICKET_ID, TicketId(2), None),
            (True, True, False),
        )
    )
)
SCAN_LISTS: Final = st.lists(recorded_scans(), max_size=12)

TEXTS: Final = st.text(max_size=20)
ENTRIES: Final = st.builds(
    ScanEntry,
    scan_id=st.uuids().map(ScanId),
    device_id=st.uuids().map(DeviceId),
    seq=UNSIGNED_64,
    boot_id=st.uuids(),
    monotonic_ns=UNSIGNED_64,
    gate_time_ms=UNSIGNED_64,
    uncertainty_ms=st.none() | UNSIGNED_64,
    gate_id=st.uuids().map(GateId),
    direction=TEXTS,
    ticket_id=st.none() | UNSIGNED_64.map(TicketId),
    foreign_hash=st.none() | HASHES,
    form=TEXTS,
    generation=st.none() | UNSIGNED_64,
    counter=st.none() | UNSIGNED_64,
    medium=TEXTS,
    verdict=TEXTS,
    reasons=st.lists(st.sampled_from([refusal.value for refusal in Refusal]), max_size=4).map(
        tuple
    ),
    staff_id=st.none() | st.uuids().map(StaffId),
    override_reason=st.none() | TEXTS,
    snapshot_version=UNSIGNED_64,
    cursor=st.builds(Cursor, UNSIGNED_64, UNSIGNED_64),
    lease_id=st.none() | TEXTS,
    online=st.booleans(),
    prev_hash=HASHES,
)
