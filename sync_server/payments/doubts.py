"""What a provider says of a payment and nothing good can follow from by itself: an alarm has a
person look.
"""

from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from shared.money import Money
from sync_server.kit.alarms import Alarm, clear_alarm, raise_alarm
from sync_server.kit.services import Services
from sync_server.payments.models import Payment
from sync_server.payments.rules import CAPTURED, Finding, PaymentState, Reading
from sync_server.payments.views import about_money, facts_of

MISMATCHED: Final = "payment.mismatched"
AMOUNT_DIFFERS: Final = "payment.amount_differs"


async def tell_of_doubts(
    session: AsyncSession,
    services: Services,
    before: PaymentState,
    payment: Payment,
    reading: Reading,
) -> None:
    """Raise and clear what a reading calls for; `payment` is as it stands after it. Needs the
    worker's transaction.
    """
    after, subject = PaymentState(payment.state), str(payment.id)
    if after is PaymentState.MISMATCHED and after is not before:
        about = about_money(facts_of(payment)) | {
            "received_currency": payment.received_currency,
            "received_amount": payment.received_amount,
        }
        await raise_alarm(session, services, Alarm(MISMATCHED, subject, about))
    if before not in CAPTURED:
        return
    told = reading.amount if reading.finding is Finding.SUCCEEDED else None
    if after is PaymentState.REVERSED or told == Money(payment.amount, payment.currency):
        await clear_alarm(session, services, AMOUNT_DIFFERS, subject)
    elif told is not None:
        # Part of it was taken back, or more came: no state says so, and nothing is booked.
        about = about_money(facts_of(payment)) | {
            "refunded_amount": payment.refunded_amount,
            "told_currency": told.currency,
            "told_amount": told.minor_units,
        }
        await raise_alarm(session, services, Alarm(AMOUNT_DIFFERS, subject, about))
