"""No single flipped bit of a valid code is let in: judged the whole way a gate judges."""

from dataclasses import dataclass

import pytest

from scanner_app.gate.gate_time import TimeReading
from scanner_app.gate.gather import GateConditions, gather
from scanner_app.gate.ports import EventKnowledge, GatePost, TicketRow
from shared.admission.decide import decide
from shared.admission.facts import Passage, TicketStatus
from shared.admission.policy import RuleBook
from shared.admission.verdict import Admit, Verdict
from shared.credentials import base45
from shared.credentials.layout import PREFIX, TicketFlag
from shared.ids import EventId, TicketId
from shared.journal.entry import Cursor
from tests.factories.admission import DEVICE, GATE, NOW_MS
from tests.factories.credentials import (
    EVENT_ID,
    Ed25519Holder,
    EventKeys,
    Holder,
    P256Holder,
    a_core,
)
from tests.factories.journal import BOOT_ID

EVENT = EventKeys()
CORE = a_core(flags=TicketFlag.STATIC_ALLOWED)
P256, ED25519 = P256Holder(), Ed25519Holder()
KNOWLEDGE = EventKnowledge(
    event_id=EventId(EVENT_ID),
    event_name="",
    base_time_ms=NOW_MS - 3_600_000,
    timezone="UTC",
    keyring=EVENT.keyring,
    rule_book=RuleBook(),
    gates={},
    tiers={},
    snapshot_version=1,
    frozen_at_ms=NOW_MS,
    cursor=Cursor(0, 0),
)
POST = GatePost(DEVICE, GATE, BOOT_ID)


@dataclass(frozen=True)
class OneTicket:
    """A snapshot of one ticket that nobody has used."""

    row: TicketRow

    def find(self, ticket_id: TicketId) -> TicketRow | None:
        return {self.row.ticket_id: self.row}.get(ticket_id)

    def passages(self, ticket_id: TicketId) -> tuple[Passage, ...]:  # noqa: ARG002 - never used
        return ()

    def inside_count(self) -> int:
        return 0


def judged(text: str, holder: Holder) -> Verdict:
    store = OneTicket(
        TicketRow(CORE.ticket_id, CORE.generation, TicketStatus.VALID, CORE, holder.key)
    )
    conditions = GateConditions(TimeReading(NOW_MS, 0))
    return decide(gather(text, KNOWLEDGE, POST, (store, store), conditions).facts)


def flipped_payloads(text: str) -> list[str]:
    payload = base45.decode(text.removeprefix(PREFIX))
    number = int.from_bytes(payload, "big")
    return [
        PREFIX + base45.encode((number ^ 1 << bit).to_bytes(len(payload), "big"))
        for bit in range(8 * len(payload))
    ]


def flipped_texts(text: str) -> list[str]:
    return [
        text[:place] + chr(ord(text[place]) ^ 1 << bit) + text[place + 1 :]
        for place in range(len(text))
        for bit in range(8)
    ]


CODES = [
    pytest.param(EVENT.reference_code(CORE, P256), P256, id="R, P-256"),
    pytest.param(EVENT.reference_code(CORE, ED25519), ED25519, id="R, Ed25519"),
    pytest.param(EVENT.self_contained_code(CORE, P256), P256, id="E, P-256"),
    pytest.param(EVENT.self_contained_code(CORE, ED25519), ED25519, id="E, Ed25519"),
    pytest.param(EVENT.static_code(CORE), P256, id="S"),
]


@pytest.mark.parametrize(("text", "holder"), CODES)
def test_the_code_itself_is_admitted(text: str, holder: Holder) -> None:
    assert judged(text, holder).code == "ADMIT"


@pytest.mark.parametrize(("text", "holder"), CODES)
def test_no_flipped_bit_of_the_payload_is_admitted(text: str, holder: Holder) -> None:
    verdicts = [judged(flipped, holder) for flipped in flipped_payloads(text)]
    assert not [verdict for verdict in verdicts if isinstance(verdict, Admit)]
    assert {verdict.code for verdict in verdicts} <= {
        "NOT_A_TICKET",
        "WRONG_EVENT",
        "BAD_SIGNATURE",
        "UNKNOWN_TICKET",
        "TRANSFERRED",
    }


@pytest.mark.parametrize(("text", "holder"), CODES)
def test_no_flipped_bit_of_the_text_is_admitted(text: str, holder: Holder) -> None:
    verdicts = [judged(flipped, holder) for flipped in flipped_texts(text)]
    assert not [verdict for verdict in verdicts if isinstance(verdict, Admit)]
