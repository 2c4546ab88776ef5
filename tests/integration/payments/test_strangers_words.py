"""Anybody may send a callback, also with words that no column holds: it is kept, names nothing, and
fails no job.
"""

import json

import pytest
from sqlalchemy import text

from sync_server.composition import hear_provider
from sync_server.kit.claims import WORKER
from sync_server.kit.instants import instant
from sync_server.kit.services import Services
from sync_server.payments import callbacks
from sync_server.payments.ports import Hint, Notice
from sync_server.payments.rules import Provider
from sync_server.payouts.flow import PayoutFlow
from sync_server.webhooks.sources import WebhookEvent
from tests.factories.orders import over
from tests.factories.rails import RunningRail

words = pytest.mark.parametrize(
    "word", ["\x00", "a\x00b", "\ud800", "\n", "é", "x" * 10_000], ids=ascii
)


@words
async def test_a_payout_is_named_by_no_such_word(services: Services, word: str) -> None:
    for reference in ("x", word, None):
        hint = Hint(reference, word, "SUCCESSFUL", is_authentic=None)
        assert not await PayoutFlow(services, {}).hear(Provider.MTN, hint)


@words
async def test_a_callback_of_such_words_is_kept_and_followed_to_nobody(
    services: Services, rail: RunningRail, word: str
) -> None:
    shop = over(services, rail)
    body = json.dumps({"status": "SUCCESSFUL", "financialTransactionId": word}).encode()
    notice = Notice("POST", {"x-said": word}, {"reference": word}, body)
    assert await callbacks.take_in(shop, Provider.MTN, notice) == {}
    async with shop.database.reading(WORKER) as session:
        (event_id,) = await session.scalars(text("SELECT event_id FROM webhook_inbox"))
    source = callbacks.inbox_name(Provider.MTN)
    kept = callbacks.notice_to_bytes(notice)
    event = WebhookEvent(source, event_id, kept, instant(shop.clock.now_ms()))
    await hear_provider(Provider.MTN, shop, event)
    assert rail.engine.movements == {}
