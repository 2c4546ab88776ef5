"""Payments and refunds that no provider tells the end of: after a week they are asked about no
longer, and an alarm says so until something is heard after all.
"""

from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from sync_server.kit.alarms import Alarm, clear_alarm, raise_alarm
from sync_server.kit.services import Services
from sync_server.payments.views import PaymentFacts, RefundFacts

PAYMENT: Final = "payment.stuck"
REFUND: Final = "refund.stuck"


async def tell_when_stuck(
    session: AsyncSession,
    services: Services,
    facts: PaymentFacts | RefundFacts,
    *,
    was_stuck: bool,
    is_stuck: bool,
) -> None:
    """Raise the alarm, or clear the one that was raised before."""
    kind = PAYMENT if isinstance(facts, PaymentFacts) else REFUND
    if is_stuck:
        about = {"order_id": str(facts.order_id), "provider": facts.provider.value}
        await raise_alarm(session, services, Alarm(kind, str(facts.id), about))
    elif was_stuck:
        await clear_alarm(session, services, kind, str(facts.id))
