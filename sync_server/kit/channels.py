"""Names of the channels that outbox messages go to; a name says who may listen, and nothing more.

Pure. Whether somebody may join one is asked of the database (`realtime`). Nobody can join a channel
of a right: on it the server itself hears that the right may be over. Triggers in the database write
those names as well.
"""

from typing import Final
from uuid import UUID

ADMINS_ALARMS: Final = "admins:alarms"


def event_sales(event_id: UUID) -> str:
    return f"event:{event_id}:sales"


def event_gates(event_id: UUID) -> str:
    """All gates of an event; what goes here goes to the gate's own channel too."""
    return f"event:{event_id}:gates"


def event_gate(event_id: UUID, gate_id: UUID) -> str:
    return f"event:{event_id}:gate:{gate_id}"


def event_ticket(event_id: UUID, ticket_id_hex: str) -> str:
    """One ticket, for the wallet that holds it and the organizer that issued it."""
    return f"event:{event_id}:ticket:{ticket_id_hex}"


def organizer_alerts(organizer_id: UUID) -> str:
    return f"organizer:{organizer_id}:alerts"


def person(user_id: UUID) -> str:
    """One person's own sessions."""
    return f"person:{user_id}"


def right_of_session(session_id: UUID) -> str:
    return f"right:session:{session_id}"


def right_of_person(user_id: UUID) -> str:
    """All that a person may do: their account, memberships and roles."""
    return f"right:person:{user_id}"


def right_of_program(service_account_id: UUID) -> str:
    return f"right:program:{service_account_id}"


def right_of_wallet(event_id: UUID, ticket_id_hex: str) -> str:
    return f"right:ticket:{event_id}:{ticket_id_hex}"
