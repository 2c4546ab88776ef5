"""What is secret about a payout: whose account it goes to, and what rails answered; sealed in the
row it belongs to.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Final
from uuid import UUID

from sync_server.kit.services import Services
from sync_server.payments.ports import Destination
from sync_server.payments.providers.exchanges import Exchange

_ACCOUNT: Final = "payout destination"
_TOLD_NAME: Final = "payout holder"
_ANSWERS: Final = "payout answers"


def seal_account(services: Services, destination: Destination, row_id: UUID) -> bytes:
    text = json.dumps(asdict(destination)).encode()
    return services.key_sealer.seal(text, _ACCOUNT, row_id)


def open_account(services: Services, sealed: bytes, row_id: UUID) -> Destination:
    return Destination(**json.loads(services.key_sealer.open(sealed, _ACCOUNT, row_id)))


def seal_told_name(services: Services, name: str | None, row_id: UUID) -> bytes | None:
    return None if name is None else services.key_sealer.seal(name.encode(), _TOLD_NAME, row_id)


def open_told_name(services: Services, sealed: bytes | None, row_id: UUID) -> str | None:
    return None if sealed is None else services.key_sealer.open(sealed, _TOLD_NAME, row_id).decode()


def seal_answers(services: Services, exchanges: Sequence[Exchange], row_id: UUID) -> bytes | None:
    if not exchanges:
        return None
    text = json.dumps([asdict(exchange) for exchange in exchanges], default=str)
    return services.key_sealer.seal(text.encode(), _ANSWERS, row_id)


def open_answers(services: Services, sealed: bytes, row_id: UUID) -> str:
    return services.key_sealer.open(sealed, _ANSWERS, row_id).decode()
