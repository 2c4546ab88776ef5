"""Attempts: each call of a rail with its answer, its words and how long it took."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from sync_server.kit.instants import instant
from sync_server.kit.services import Services
from sync_server.payments.providers.exchanges import Exchange
from sync_server.payouts.models import Payout, PayoutAttempt
from sync_server.payouts.sealing import seal_answers

_NANOSECONDS_PER_MILLISECOND: Final = 1_000_000
_CODE_CHARACTERS_MAX: Final = 200


@dataclass(frozen=True, slots=True)
class Attempt:
    """A call under way, or one that ended."""

    kind: str
    started_ms: int
    started_ns: int
    milliseconds: int = 0
    exchanges: tuple[Exchange, ...] = ()

    @classmethod
    def begin(cls, services: Services, kind: str) -> "Attempt":
        return cls(kind, services.clock.now_ms(), services.clock.monotonic_ns())

    def ended(self, services: Services, exchanges: Sequence[Exchange]) -> "Attempt":
        took = (services.clock.monotonic_ns() - self.started_ns) // _NANOSECONDS_PER_MILLISECOND
        return replace(self, milliseconds=took, exchanges=tuple(exchanges))


def attempt_row(
    services: Services, payout: Payout, attempt: Attempt, finding: str, code: str | None = None
) -> PayoutAttempt:
    row_id = services.new_id()
    return PayoutAttempt(
        organizer_id=payout.organizer_id,
        payout_id=payout.id,
        id=row_id,
        kind=attempt.kind,
        finding=finding,
        code=code[:_CODE_CHARACTERS_MAX] if code else None,
        sealed_answers=seal_answers(services, attempt.exchanges, row_id),
        milliseconds=attempt.milliseconds,
        started_at=instant(attempt.started_ms),
    )
