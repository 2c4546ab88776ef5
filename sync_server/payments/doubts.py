"""What a provider says of a payment and nothing good can follow from by itself: an alarm has a
person look.
"""

from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncSession

from sync_server.kit.alarms import Alarm, raise_alarm
from sync_server.kit.services import Services
from sync_server.payments.models import Payment
from sync_server.payments.rules import PaymentState

MISMATCHED: Final = "payment.mismatched"


async def tell_of_doubts(
    session: AsyncSession, services: Services, before: PaymentState, payment: Payment
) -> None:
    """Raise what a step calls for; `payment` is as it stands after it. Needs the worker's
    transaction.
    """
    after = PaymentState(payment.state)
    if after is PaymentState.MISMATCHED and after is not before:
        about = _about(payment) | {
            "received_currency": payment.received_currency,
            "received_amount": payment.received_amount,
        }
        await raise_alarm(session, services, Alarm(MISMATCHED, str(payment.id), about))


def _about(payment: Payment) -> dict[str, Any]:
    return {
        "organizer_id": str(payment.organizer_id),
        "order_id": str(payment.order_id),
        "provider": payment.provider,
        "currency": payment.currency,
        "amount": payment.amount,
    }
