"""The bank's job: its files are taken in, whoever they name is told, and people hear of what nobody
could read.
"""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

from sync_server.kit.alarms import Alarm, raise_alarm, settle_alarms
from sync_server.kit.claims import WORKER
from sync_server.kit.jobs import Job, JobHandler, Jobs, Schedule
from sync_server.kit.services import Services
from sync_server.payments.ports import Accepted, Refused
from sync_server.payments.providers.bank.intake import BankIntake, FileNews, take_in
from sync_server.payments.rails import rails_of

TAKING_IN: Final = "bank.take-in"
UNREADABLE: Final = "bank.file_unreadable"
DOUBTFUL: Final = "bank.statement_does_not_add_up"
UNUSABLE: Final = "bank.folder_unusable"
_EVERY_SECONDS: Final = 60

Hear = Callable[[Services, FileNews], Awaitable[None]]


async def take_in_files(hear: Hear, services: Services, _: Job) -> None:
    """Take in all that waits; a file is put away after everybody it names was told."""
    intake = rails_of(services).intake
    if intake is None or not await _is_usable(services, intake):
        return

    async def tell(news: FileNews) -> None:
        if not news.adds_up:
            async with services.database.transaction(WORKER) as session:
                await raise_alarm(session, services, Alarm(DOUBTFUL, news.name))
        await hear(services, news)

    await take_in(intake.inbox, intake.keeper, tell)
    aside = [Alarm(UNREADABLE, name) for name in await intake.inbox.aside()]
    async with services.database.transaction(WORKER) as session:
        # As long as a file lies there, whoever was killed before saying so.
        await settle_alarms(session, services, UNREADABLE, aside)


async def _is_usable(services: Services, intake: BankIntake) -> bool:
    """A folder that is not there looks like a bank that is silent."""
    answer = await intake.inbox.check()
    wrong = [Alarm(UNUSABLE, answer.code)] if isinstance(answer, Refused) else []
    async with services.database.transaction(WORKER) as session:
        await settle_alarms(session, services, UNUSABLE, wrong)
    return isinstance(answer, Accepted)


def register(jobs: Jobs, hear: Hear) -> None:
    jobs.handler(JobHandler(TAKING_IN, partial(take_in_files, hear)))
    jobs.schedule(Schedule(TAKING_IN, _EVERY_SECONDS))
