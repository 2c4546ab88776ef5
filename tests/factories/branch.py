"""A bank's sandbox, its counter, and a folder between it and the server."""

from dataclasses import dataclass
from pathlib import Path

import httpx
from sqlalchemy import text

from sync_server.kit.claims import WORKER
from sync_server.kit.jobs import Job
from sync_server.kit.services import Services
from sync_server.payments.bank_jobs import TAKING_IN
from sync_server.sandboxes.bank import BankSandbox
from sync_server.sandboxes.engine import Engine

JOB = Job(1, TAKING_IN, {}, 1)


@dataclass(slots=True)
class Branch:
    """The bank's counter, and what of our side is told by hand."""

    services: Services
    folder: Path
    engine: Engine
    sandbox: BankSandbox
    counter: httpx.AsyncClient

    async def transfer(self, amount: int, note: str) -> None:
        """A buyer transfers money, with what they wrote on it; the bank's notice lies there."""
        for path, body in (("transfers", {"amount": amount, "note": note}), ("round", {})):
            answer = await self.counter.post(f"/__sandbox/{path}", json=body)
            assert answer.status_code == 200

    async def take_in(self) -> None:
        """Do the job as the worker does."""
        await self.services.jobs.handlers[TAKING_IN].handle(self.services, JOB)

    def names_in(self, folder: str) -> list[str]:
        return sorted(path.name for path in (self.folder / folder).iterdir())

    async def alarms(self, kind: str) -> list[str]:
        """What is wrong now, by its name."""
        query = text("SELECT subject FROM alarms WHERE cleared_at IS NULL AND kind = :kind")
        async with self.services.database.reading(WORKER) as session:
            return list(await session.scalars(query, {"kind": kind}))
