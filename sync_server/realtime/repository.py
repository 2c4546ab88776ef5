"""SQL that asks the database what callers may hear, as each of them: the questions themselves, and
whose row-level security answers them, stand in schema `private`.
"""

import json
from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from sync_server.kit.claims import DatabaseRole
from sync_server.realtime.rules import Question

_ASK: Final = {
    DatabaseRole.APP: text("SELECT * FROM private.standings_of_people(CAST(:questions AS jsonb))"),
    DatabaseRole.WALLET: text(
        "SELECT * FROM private.standings_of_wallets(CAST(:questions AS jsonb))"
    ),
}


async def ask(
    session: AsyncSession, role: DatabaseRole, questions: Sequence[Question]
) -> Sequence[Row[Any]]:
    """Ask for callers of one role: a row for each question, in their order, with the places (from
    1) in `wanted` of what may be heard.
    """
    written = json.dumps([_written(question) for question in questions], default=str)
    return (await session.execute(_ASK[role], {"questions": written})).all()


def _written(question: Question) -> dict[str, Any]:
    wanted = [
        {
            "kind": channel.kind.value,
            "owner": channel.owner,
            "gate": channel.gate,
            "ticket": channel.ticket,
        }
        for channel in question.wanted
    ]
    return {"token": question.claims.token, "wanted": wanted}
