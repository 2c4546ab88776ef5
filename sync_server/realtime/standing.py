"""Asking the database, as each caller, in their role and under their token, what they may hear."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy.engine import Row

from shared.ids import from_signed_64, ticket_id_to_hex
from sync_server.kit import channels
from sync_server.kit.claims import DatabaseRole
from sync_server.kit.instants import unix_ms
from sync_server.kit.services import Services
from sync_server.realtime import repository
from sync_server.realtime.rules import ChannelKind, Question, WantedChannel


@dataclass(frozen=True, slots=True)
class Standing:
    """What the database said of a caller at one moment.

    `channels` gives, for those names in the question that are allowed, the channel's own name;
    on `rights` it is told when any of this may be true no more, and `expires_at_ms` when it
    certainly is not.
    """

    is_known: bool
    channels: Mapping[str, str]
    rights: frozenset[str]
    expires_at_ms: int | None


async def ask(services: Services, questions: Sequence[Question]) -> list[Standing]:
    """Ask for callers of one role, all at once, in a transaction that the first one begins."""
    claims = questions[0].claims
    async with services.database.reading(claims) as session:
        rows = await repository.ask(session, claims.role, questions)
    return [_standing(row, question) for row, question in zip(rows, questions, strict=True)]


def _standing(row: Row[Any], question: Question) -> Standing:
    allowed = [question.wanted[place - 1] for place in row.allowed]
    is_wallet = question.claims.role is DatabaseRole.WALLET
    return Standing(
        is_known=row.user_id is not None or row.holds is not None,
        channels={channel.name: _own_name(channel, row.user_id) for channel in allowed},
        rights=frozenset(_ticket_rights(allowed) if is_wallet else _caller_rights(row)),
        expires_at_ms=None if row.expires_at is None else unix_ms(row.expires_at),
    )


def _own_name(channel: WantedChannel, user_id: UUID) -> str:
    is_own = channel.kind is ChannelKind.PERSON
    return channels.person(user_id) if is_own else channel.name


def _caller_rights(row: Row[Any]) -> list[str]:
    """What a person's or a program's rights hang on; a program holds its service account."""
    if row.user_id is not None:
        session_right = channels.right_of_session(row.session_id)
        return [channels.right_of_person(row.user_id), session_right]
    return [] if row.holds is None else [channels.right_of_program(row.holds)]


def _ticket_rights(allowed: Sequence[WantedChannel]) -> list[str]:
    return [
        channels.right_of_wallet(channel.owner, ticket_id_to_hex(from_signed_64(channel.ticket)))
        for channel in allowed
        if channel.owner is not None and channel.ticket is not None
    ]
