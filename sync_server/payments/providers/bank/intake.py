"""Takes in what came from a bank: each file read, kept, told of, and only then put away. One that
cannot be read is set aside, for people.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

import structlog

from sync_server.payments.providers.bank.books import StatementKeeper
from sync_server.payments.providers.bank.channels import BankInbox
from sync_server.payments.providers.bank.documents import Unreadable
from sync_server.payments.providers.bank.lines import statement_lines
from sync_server.payments.providers.bank.statements import BankFile, read_bank_file
from sync_server.payments.statements import StatementLine

_LOG: Final = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class BankIntake:
    """Where a bank's files come from, and who keeps what they say."""

    inbox: BankInbox
    keeper: StatementKeeper


@dataclass(frozen=True, slots=True)
class FileNews:
    """A file that was kept, and which payments and payouts are to be read again, since it says
    something of them. One does not add up where what it says was booked does not make its closing
    balance; `lines` are a whole statement's, and nothing of a notice.
    """

    name: str
    adds_up: bool
    payment_references: frozenset[str]
    end_to_end_ids: frozenset[str]
    content: bytes = field(repr=False)
    lines: tuple[StatementLine, ...] = field(repr=False)


Tell = Callable[[FileNews], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class TakenIn:
    """What was kept, and the names of files that nobody could read."""

    kept: tuple[FileNews, ...]
    unreadable: tuple[str, ...]


async def take_in(inbox: BankInbox, keeper: StatementKeeper, tell: Tell) -> TakenIn:
    """Take in all that waits; whoever is killed in between takes a file in twice, which changes
    nothing and tells of it again.
    """
    kept: list[FileNews] = []
    unreadable: list[str] = []
    for name in await inbox.waiting():
        content = await inbox.read(name)
        if content is None:
            continue
        file = read_bank_file(content)
        if isinstance(file, Unreadable):
            _LOG.warning("bank.file_unreadable", file=name, cause=file.cause)
            await inbox.set_aside(name)
            unreadable.append(name)
            continue
        news = _news(name, content, file)
        if not news.adds_up:
            _LOG.warning("bank.statement_does_not_add_up", file=name)
        await keeper.keep(file)
        await tell(news)
        await inbox.put_away(name)
        kept.append(news)
    return TakenIn(tuple(kept), tuple(unreadable))


def _news(name: str, content: bytes, file: BankFile) -> FileNews:
    """A report on a whole file names it as its one transfer is named."""
    payments = {each.payment_reference for each in file.movements}
    payouts = {each.end_to_end_id for each in file.movements}
    payouts |= {each.end_to_end_id or each.message_id for each in file.statuses}
    adds_up = all(statement.adds_up for statement in file.statements)
    whole = BankFile(statements=tuple(each for each in file.statements if each.balances))
    return FileNews(
        name=name,
        adds_up=adds_up,
        payment_references=frozenset(filter(None, payments)),
        end_to_end_ids=frozenset(filter(None, payouts)),
        content=content,
        lines=tuple(statement_lines(whole)) if adds_up else (),
    )
