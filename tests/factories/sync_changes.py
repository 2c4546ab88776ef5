"""Pages of changes as the server sends them."""

from typing import Final

from shared.admission.facts import Passage, TicketStatus
from shared.ids import TicketId
from shared.wire.changes import Change, ChangesPage, PassageHeard, TicketChanged
from tests.factories.admission import OTHER_DEVICE, OTHER_GATE, a_passage
from tests.factories.credentials import TICKET_ID, P256Holder, a_core

AFTER_SNAPSHOT: Final = (101, 0)
"""The first cursor after that of the snapshot factory."""


def a_page(*changes: Change, cursor: tuple[int, int] = AFTER_SNAPSHOT) -> ChangesPage:
    """Make a page that ends at a cursor."""
    return ChangesPage(changes=changes, cursor=cursor, more=False)


def a_ticket_change(**changes: object) -> TicketChanged:
    """Make the factory's ticket as the server now says it stands."""
    key = P256Holder().key
    change = TicketChanged(
        ticket_id=TICKET_ID,
        generation=1,
        status=TicketStatus.VALID,
        holder_algorithm=int(key.algorithm),
        holder_key=key.encoded,
        core=a_core().to_bytes(),
    )
    return change.model_copy(update=changes)


def heard(passage: Passage, ticket_id: TicketId = TICKET_ID) -> PassageHeard:
    """Put a passage as the server passes it on."""
    return PassageHeard(
        scan_id=passage.scan_id,
        ticket_id=ticket_id,
        device_id=passage.device_id,
        gate_id=passage.gate_id,
        direction=passage.direction,
        at_ms=passage.at_ms,
    )


def a_passage_elsewhere(**changes: object) -> Passage:
    """Make an entry at another gate's device."""
    return a_passage(**{"device_id": OTHER_DEVICE, "gate_id": OTHER_GATE, **changes})
