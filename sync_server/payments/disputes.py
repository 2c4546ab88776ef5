"""Disputes. While one is open its money is not with us and its tickets let people in: an alarm says
so until it ends, and whether the tickets are blocked is the organizer's to decide.
"""

from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from sync_server.kit.alarms import Alarm, clear_alarm, raise_alarm
from sync_server.kit.services import Services
from sync_server.payments.rules import PaymentState
from sync_server.payments.views import PaymentFacts, about_money

DISPUTED: Final = "payment.disputed"


async def tell_of_dispute(
    session: AsyncSession, services: Services, before: PaymentState, payment: PaymentFacts
) -> None:
    """Raise the alarm when a dispute is opened, and clear it when it ends, however it does."""
    if payment.state is PaymentState.DISPUTED:
        await raise_alarm(session, services, Alarm(DISPUTED, str(payment.id), about_money(payment)))
    elif before is PaymentState.DISPUTED:
        await clear_alarm(session, services, DISPUTED, str(payment.id))
