"""Buyers whose money waits for an account are written to."""

from email import message_from_bytes
from email.policy import default

import pytest

from shared.clock import SettableClock
from shared.ids import EventId
from sync_server.kit.jobs import Job
from sync_server.orders.jobs import ACCOUNT_LETTER
from sync_server.orders.refund_schemas import NewRefundAccount
from sync_server.orders.refund_service import name_refund_account
from sync_server.orders.schemas import PlacedOrder
from sync_server.orders.service import OrderCall
from tests.factories.branch import Branch, late_money, refuse_refund
from tests.factories.tenants import Tenant

ACCOUNT = NewRefundAccount.model_validate(
    {"holder": "Grace Nakato", "account": "3100012345", "bank": "CERBUGKA"}
)


@pytest.fixture
async def placed(
    branch: Branch, clock: SettableClock, tenant: Tenant, event_id: EventId
) -> PlacedOrder:
    return await late_money(branch, clock, tenant, event_id)


async def _hear_of_a_failure(branch: Branch, tenant: Tenant, placed: PlacedOrder) -> None:
    """Do the job that a refund's failure enqueues."""
    handler = branch.services.jobs.handlers[ACCOUNT_LETTER]
    assert handler.hears == {"refund.failed"}
    told = {"organizer_id": str(tenant.organizer_id), "payload": {"order_id": str(placed.id)}}
    await handler.handle(branch.services, Job(1, ACCOUNT_LETTER, told, 1))


def _letters(branch: Branch) -> list[str]:
    folder = branch.services.data_directory / "mail"
    written = [each.read_bytes() for each in sorted(folder.glob("*.eml"))]
    return [message_from_bytes(each, policy=default).get_content() for each in written]


async def test_the_letter_leads_to_the_order(
    branch: Branch, clock: SettableClock, tenant: Tenant, placed: PlacedOrder
) -> None:
    await refuse_refund(branch, clock)
    await _hear_of_a_failure(branch, tenant, placed)
    (letter,) = _letters(branch)
    assert f"/order#{placed.token}" in letter
    assert placed.number in letter


async def test_nobody_is_asked_twice_for_what_they_said(
    branch: Branch, clock: SettableClock, tenant: Tenant, placed: PlacedOrder
) -> None:
    await refuse_refund(branch, clock)
    await name_refund_account(OrderCall(branch.services, placed.token), ACCOUNT)
    await _hear_of_a_failure(branch, tenant, placed)
    assert _letters(branch) == []


async def test_an_order_that_is_none_gets_no_letter(
    branch: Branch, other_tenant: Tenant, placed: PlacedOrder
) -> None:
    await _hear_of_a_failure(branch, other_tenant, placed)
    assert _letters(branch) == []
