"""What a provider is told of a payer: sealed in the payment's row, opened only to be sent."""

import json
from dataclasses import asdict, dataclass, field
from typing import Final
from uuid import UUID

from shared.money import Money
from sync_server.kit.services import Services
from sync_server.payments.models import Payment
from sync_server.payments.ports import CollectionRequest, Payer

_PURPOSE: Final = "payment request"


@dataclass(frozen=True, slots=True)
class PayerRequest:
    """Who pays for what; nothing of it is in the clear anywhere."""

    payer: Payer
    order_number: str
    description: str = field(repr=False)
    return_url: str = field(repr=False)


def seal_request(services: Services, wanted: PayerRequest, payment_id: UUID) -> bytes:
    text = json.dumps(asdict(wanted)).encode()
    return services.key_sealer.seal(text, _PURPOSE, payment_id)


def collection_request(
    services: Services, payment: Payment, callback_base: str
) -> CollectionRequest:
    opened = json.loads(services.key_sealer.open(payment.sealed_request, _PURPOSE, payment.id))
    return CollectionRequest(
        reference=str(payment.reference),
        order_number=opened["order_number"],
        amount=Money(payment.amount, payment.currency),
        description=opened["description"],
        payer=Payer(**opened["payer"]),
        callback_url=f"{callback_base}/api/public/payments/{payment.provider}",
        return_url=opened["return_url"],
        expires_at=payment.expires_at,
    )
