"""Support's view of a code: what it is, and what a gate with open rules and a sure clock says.

Looks into one event document, touches no store, and journals nothing.
"""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from scanner_app.gate.event_document import EventUnderInspection
from scanner_app.gate.gate_time import TimeReading
from scanner_app.gate.gather import GateConditions, gather
from scanner_app.gate.ports import GatePost
from shared.admission.decide import decide
from shared.admission.facts import Passage
from shared.admission.verdict import reason_codes
from shared.credentials.layout import parse
from shared.errors import CredentialError
from shared.ids import DeviceId, GateId, TicketId, ticket_id_to_hex

_NOBODY: Final = UUID(int=0)


@dataclass(frozen=True, slots=True)
class Inspection:
    """What a code is and what a gate would say.

    A code that does not open still shows its form; all else in it is anybody's word.
    """

    form: str | None
    ticket_id: str | None
    gen: int | None
    counter: int | None
    verdict: str
    reasons: tuple[str, ...]


class _NoHistory:
    def passages(self, ticket_id: TicketId) -> tuple[Passage, ...]:  # noqa: ARG002 - nobody passed
        return ()

    def inside_count(self) -> int:
        return 0


def inspect_code(text: str, event: EventUnderInspection, at_ms: int) -> Inspection:
    """Judge a text as a gate would at that time, Unix milliseconds."""
    gathered = gather(
        text,
        event.knowledge,
        GatePost(DeviceId(_NOBODY), GateId(_NOBODY), _NOBODY),
        (event, _NoHistory()),
        GateConditions(TimeReading(at_ms, uncertainty_ms=0)),
    )
    verdict = decide(gathered.facts)
    opened = gathered.opened
    return Inspection(
        form=_form_letter(text),
        ticket_id=None if opened is None else ticket_id_to_hex(opened.ticket_id),
        gen=None if opened is None else opened.generation,
        counter=gathered.facts.credential.counter,
        verdict=verdict.code,
        reasons=reason_codes(verdict),
    )


def _form_letter(text: str) -> str | None:
    """Read the form from the header alone; None for what is no ticket code."""
    try:
        return parse(text).header.form.letter
    except CredentialError:
        return None
