"""HTTP for an outside timer: it says that it is time, and proves itself by a signature."""

from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import Depends, Header, Request, status
from pydantic import BaseModel

from shared.clock import MILLISECONDS_PER_SECOND
from sync_server.kit.bodies import ContentTooLargeError, SignatureInvalidError, read_body
from sync_server.kit.claims import WORKER
from sync_server.kit.problems import NotFoundError, problem_responses
from sync_server.kit.routing import ProblemRouter
from sync_server.kit.schedules import TickSource, tick
from sync_server.kit.services import ServicesDependency
from sync_server.operations.jobs_signature import SignedCall, is_signed

BODY_BYTES_MAX: Final = 4_096


class ScheduleNotFoundError(NotFoundError):
    code = "schedule_not_found"
    title = "No job is scheduled under this name"


@dataclass(frozen=True, slots=True)
class SignedTimer:
    """An outside timer that knows the secret; it may say what time it is, and nothing else."""


async def signed_timer(
    request: Request,
    services: ServicesDependency,
    zeraket_timestamp: Annotated[str, Header(description="Unix seconds")] = "",
    zeraket_signature: Annotated[str, Header(description="v1=, hexadecimal HMAC-SHA256")] = "",
) -> SignedTimer:
    """Let in whoever signed; without a secret there is no such endpoint."""
    if services.cron_secret is None:
        raise ScheduleNotFoundError
    body = await read_body(request, BODY_BYTES_MAX)
    call = SignedCall(zeraket_timestamp, request.method, request.url.path, body)
    secret = services.cron_secret.get_secret_value().encode()
    now_seconds = services.clock.now_ms() // MILLISECONDS_PER_SECOND
    if not is_signed(call, zeraket_signature, secret, now_seconds):
        raise SignatureInvalidError
    return SignedTimer()


OutsideTimer = Annotated[SignedTimer, Depends(signed_timer)]


class Ticked(BaseModel):
    """`enqueued` is false where this period's job was enqueued before."""

    enqueued: bool


router = ProblemRouter(
    prefix="/api/public/cron",
    tags=["cron"],
    responses=problem_responses(SignatureInvalidError, ScheduleNotFoundError, ContentTooLargeError),
)


@router.post("/{name}", status_code=status.HTTP_202_ACCEPTED)
async def tick_schedule(name: str, _timer: OutsideTimer, services: ServicesDependency) -> Ticked:
    """Enqueue a scheduled job for the present period, once; a worker does it."""
    schedule = services.jobs.schedules.get(name)
    if schedule is None:
        raise ScheduleNotFoundError
    async with services.database.transaction(WORKER) as session:
        return Ticked(enqueued=await tick(session, services, schedule, TickSource.OUTSIDE))
