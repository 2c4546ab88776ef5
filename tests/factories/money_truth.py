"""What must be true of a market after every step, read from the database and held against what the
model providers know.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from sync_server.kit.claims import WORKER
from sync_server.ledger import service as ledger
from sync_server.payments.rules import Finding
from tests.factories.market import QUANTITY, Market
from tests.factories.model_provider import ModelProvider, Moved

_PAYMENTS = "SELECT * FROM payments WHERE organizer_id = :organizer_id"
_REFUNDS = """
    SELECT r.*, p.provider FROM refunds AS r
    JOIN payments AS p ON p.organizer_id = r.organizer_id AND p.id = r.payment_id
    WHERE r.organizer_id = :organizer_id
"""
_PAYOUTS = "SELECT * FROM payouts WHERE organizer_id = :organizer_id"
_LINES = """
    SELECT o.id, o.event_id, o.state, o.amount, o.channel, o.payment_id,
           l.refund_id, l.returned_at, t.status
    FROM orders AS o
    JOIN order_lines AS l ON l.organizer_id = o.organizer_id AND l.order_id = o.id
    LEFT JOIN tickets AS t
        ON t.organizer_id = o.organizer_id AND t.event_id = o.event_id AND t.id = l.ticket_id
    WHERE o.organizer_id = :organizer_id
"""
_VALID = "SELECT id FROM tickets WHERE organizer_id = :organizer_id AND status = 'valid'"
_OFFERS = "SELECT event_id, quantity, taken FROM ticket_offers WHERE organizer_id = :organizer_id"
_CODES = """
    SELECT p.uses, p.uses_max, count(o.id) AS orders
    FROM promo_codes AS p
    LEFT JOIN orders AS o ON o.organizer_id = p.organizer_id AND o.promo_code_id = p.id
        AND o.state IN ('held', 'paid', 'reversed')
    WHERE p.organizer_id = :organizer_id
    GROUP BY p.organizer_id, p.id
"""
_BALANCES = """
    SELECT account, currency, sum(amount)::bigint AS balance FROM finance_entries
    WHERE organizer_id = :organizer_id GROUP BY account, currency
"""
_OF_PROVIDERS = (_PAYMENTS, _REFUNDS, _PAYOUTS)
_CAPTURED = ("succeeded", "disputed")
_SAME = {
    Finding.SUCCEEDED: {"succeeded", "mismatched"},
    Finding.DISPUTED: {"disputed"},
    # What was taken back before we heard that it came never came; a payout comes back.
    Finding.REVERSED: {"reversed", "failed", "returned"},
}


async def require_truth(market: Market) -> None:
    """Raise AssertionError where the books, the orders or the providers say different things."""
    async with market.services.database.reading(WORKER) as session:
        rows = {
            query: await _rows(session, market, query)
            for query in (_PAYMENTS, _REFUNDS, _PAYOUTS, _LINES, _OFFERS, _CODES, _BALANCES)
        }
        valid = len(await _rows(session, market, _VALID))
        drift = await ledger.find_drift(session)
    assert drift == []
    _require_balance(rows[_BALANCES])
    _require_one_capture(rows[_LINES], rows[_PAYMENTS], rows[_REFUNDS])
    _require_tickets(rows[_LINES], valid)
    _require_nothing_oversold(rows[_LINES], rows[_OFFERS])
    _require_no_code_overused(rows[_CODES])
    for model in market.providers.values():
        assert all(times == 1 for times in model.sent.values()), model.sent
        if not _untold(model, rows):
            _require_holdings(model, rows[_BALANCES])


async def require_settled(market: Market) -> None:
    """Nobody waits for anything, and every provider has told everything."""
    async with market.services.database.reading(WORKER) as session:
        rows = {query: await _rows(session, market, query) for query in _OF_PROVIDERS}
    untold = [line for model in market.providers.values() for line in _untold(model, rows)]
    assert untold == [], untold
    states = Counter(row.state for query in (_PAYMENTS, _REFUNDS) for row in rows[query])
    assert not states.keys() & {"created", "requested", "unknown", "pending", "disputed"}, states


async def _rows(session: AsyncSession, market: Market, query: str) -> Sequence[Any]:
    values = {"organizer_id": market.tenant.organizer_id}
    return (await session.execute(text(query), values)).all()


def _require_balance(balances: Sequence[Any]) -> None:
    sums: Counter[str] = Counter()
    for row in balances:
        sums[row.currency] += row.balance
    assert not any(sums.values()), sums
    owed_to_organizers = [
        row
        for row in balances
        if row.account.startswith(("organizer_available", "organizer_pending:"))
    ]
    assert all(row.balance <= 0 for row in owed_to_organizers), owed_to_organizers


def _require_one_capture(
    lines: Sequence[Any], payments: Sequence[Any], refunds: Sequence[Any]
) -> None:
    """Money that nobody's tickets are for is given back by the server itself."""
    given_back = {row.payment_id for row in refunds if row.requested_by is None}
    paid = {line.id: line for line in lines if line.state == "paid"}
    captured = Counter(
        row.order_id for row in payments if row.state in _CAPTURED and row.id not in given_back
    )
    wanted = {key for key, row in paid.items() if row.channel == "online" and row.amount > 0}
    assert captured == Counter(wanted)
    bought = {row.id: row for row in payments}
    assert all(
        (bought[row.payment_id].amount, bought[row.payment_id].state in _CAPTURED)
        == (row.amount, True)
        for key, row in paid.items()
        if key in wanted
    )


def _require_tickets(lines: Sequence[Any], valid: int) -> None:
    wrong = [line for line in lines if line.status not in _statuses(line)]
    assert wrong == []
    let_in = sum(
        line.state == "paid" and line.returned_at is None and line.refund_id is None
        for line in lines
    )
    assert valid == let_in


def _statuses(line: Any) -> set[str | None]:  # noqa: ANN401 - a row
    if line.state == "paid" and line.returned_at is None:
        return {"valid"} if line.refund_id is None else {"blocked"}
    if line.state == "paid":
        return {"refunded"}
    return {"refunded", "payment_reversed"} if line.state == "reversed" else {None}


def _require_nothing_oversold(lines: Sequence[Any], offers: Sequence[Any]) -> None:
    held = Counter(
        line.event_id
        for line in lines
        if line.state in {"held", "paid"} and line.returned_at is None
    )
    taken = Counter({row.event_id: row.taken for row in offers})
    assert taken == held
    assert all(count <= QUANTITY for count in taken.values())


def _require_no_code_overused(codes: Sequence[Any]) -> None:
    assert [code.uses for code in codes] == [code.orders for code in codes]
    assert all(code.uses <= code.uses_max for code in codes)


def _untold(model: ModelProvider, rows: Mapping[str, Sequence[Any]]) -> list[str]:
    """What moved at a provider, or did not, and is not so with us."""
    return [
        f"{row.reference} is {row.state}: {model.movements.get(str(row.reference))}"
        for query in _OF_PROVIDERS
        for row in rows[query]
        if (row.rail if query == _PAYOUTS else row.provider) == model.provider
        and not _is_same(model.movements.get(str(row.reference)), row.state)
    ]


def _is_same(moved: Moved | None, state: str) -> bool:
    if moved is None or moved.finding not in _SAME:
        return state not in {"succeeded", "mismatched", "disputed", "reversed"}
    return state in _SAME[moved.finding]


def _require_holdings(model: ModelProvider, balances: Sequence[Any]) -> None:
    clearing = Counter(
        {
            row.currency: row.balance
            for row in balances
            if row.account == f"provider_clearing:{model.provider}"
        }
    )
    assert clearing == model.holds(), (model.provider, clearing, model.holds())
    gone = sum(
        -row.balance for row in balances if row.account == f"provider_float:{model.provider}"
    )
    assert gone == model.paid_out()
