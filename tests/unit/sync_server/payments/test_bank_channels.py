import os
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from shared.money import Money
from sync_server.payments.ports import Accepted, Refused, Unknown
from sync_server.payments.providers.bank.books import MemoryBook, StatementBook, StatementKeeper
from sync_server.payments.providers.bank.channels import (
    ASIDE,
    INBOX,
    OUTBOX,
    SENT,
    TAKEN_IN,
    BankChannel,
    BankInbox,
    FolderChannel,
)
from sync_server.payments.providers.bank.intake import FileNews, take_in
from sync_server.sandboxes.bank_files import (
    Booking,
    Day,
    Verdict,
    notification,
    statement,
    status_report,
)
from tests.factories.bank import tell_nobody

NOW = datetime(2026, 11, 26, 4, 4, 16, tzinfo=UTC)
BOOKING = Booking("SB1", Decimal(5_000), "UGX", True, NOW.date())  # noqa: FBT003 - a credit


@pytest.fixture
def channel(tmp_path: Path) -> FolderChannel:
    channel = FolderChannel(tmp_path)
    channel.make_folders()
    return channel


@pytest.fixture
def book() -> MemoryBook:
    return MemoryBook()


def names_in(channel: FolderChannel, folder: str) -> list[str]:
    return sorted(path.name for path in (channel.root / folder).iterdir())


def receive(channel: FolderChannel, name: str, content: bytes) -> None:
    (channel.root / INBOX / name).write_bytes(content)


def a_notice() -> bytes:
    return notification("NT1", "9", [BOOKING], NOW)


def a_day(sequence: int, opening: int, day: int) -> bytes:
    told = Day(f"ST{sequence}", sequence, "9", "UGX", Decimal(opening), [BOOKING])
    return statement(told, NOW.replace(day=day))


def test_a_folder_and_a_book_are_what_a_bank_needs(
    channel: FolderChannel, book: MemoryBook
) -> None:
    fits: tuple[BankChannel, BankInbox, StatementKeeper, StatementBook] = (
        channel,
        channel,
        book,
        book,
    )
    assert len(fits) == 4


async def test_a_file_is_handed_over_once(channel: FolderChannel) -> None:
    for content in (b"first", b"second"):
        assert await channel.hand_over("A.xml", content) == Accepted()
    assert (channel.root / OUTBOX / "A.xml").read_bytes() == b"first"
    (channel.root / OUTBOX / "A.xml").unlink()
    assert await channel.hand_over("A.xml", b"third") == Accepted()
    assert (names_in(channel, OUTBOX), names_in(channel, SENT)) == ([], ["A.xml"])


async def test_whoever_was_killed_before_the_mark_leaves_the_file_that_lies_there(
    channel: FolderChannel,
) -> None:
    (channel.root / OUTBOX / "A.xml").write_bytes(b"first")
    assert await channel.was_handed_over("A.xml")
    assert await channel.hand_over("A.xml", b"second") == Accepted()
    assert (channel.root / OUTBOX / "A.xml").read_bytes() == b"first"


async def test_nothing_is_left_half_written(channel: FolderChannel) -> None:
    await channel.hand_over("A.xml", b"first")
    assert names_in(channel, "drafts") == []


@pytest.mark.parametrize(
    "name", ["../A.xml", "/etc/A.xml", ".A.xml", "A.txt", "", "A/B.xml", "A\n.xml", "A.xml\n"]
)
async def test_a_name_leads_nowhere_else(channel: FolderChannel, name: str) -> None:
    assert await channel.hand_over(name, b"") == Refused("FILE_NAME")
    assert names_in(channel, OUTBOX) == []


async def test_without_its_folders_nothing_is_known_to_be_sent(tmp_path: Path) -> None:
    channel = FolderChannel(tmp_path / "nowhere")
    assert await channel.check() == Refused("NO_OUTBOX")
    assert await channel.hand_over("A.xml", b"") == Unknown("FileNotFoundError")
    assert not await channel.was_handed_over("A.xml")
    assert await channel.waiting() == []


async def test_folders_that_are_there_are_enough(channel: FolderChannel) -> None:
    assert await channel.check() == Accepted()
    (channel.root / INBOX).rmdir()
    assert await channel.check() == Refused("NO_INBOX")


async def test_what_came_is_kept_and_put_away(channel: FolderChannel, book: MemoryBook) -> None:
    receive(channel, "1.xml", a_notice())
    receive(channel, "2.xml", a_day(1, 100, 26))
    taken = await take_in(channel, book, tell_nobody)
    assert ([news.name for news in taken.kept], taken.unreadable) == (["1.xml", "2.xml"], ())
    assert len(book.movements) == 1
    assert await book.closing_balance("9", "UGX") == Money(5_100, "UGX")
    assert (names_in(channel, INBOX), names_in(channel, TAKEN_IN)) == ([], ["1.xml", "2.xml"])


async def test_a_file_that_nobody_can_read_is_set_aside_and_stops_no_other(
    channel: FolderChannel, book: MemoryBook
) -> None:
    receive(channel, "1.xml", a_notice()[:-10])
    receive(channel, "2.xml", a_notice())
    with capture_logs() as logs:
        taken = await take_in(channel, book, tell_nobody)
    assert ([news.name for news in taken.kept], taken.unreadable) == (["2.xml"], ("1.xml",))
    assert [(log["event"], log["file"]) for log in logs] == [("bank.file_unreadable", "1.xml")]
    assert (await channel.waiting(), await channel.aside()) == ([], ["1.xml"])
    assert (channel.root / ASIDE / "1.xml").read_bytes() == a_notice()[:-10]


async def test_a_statement_that_does_not_add_up_is_kept_and_named(
    channel: FolderChannel, book: MemoryBook
) -> None:
    receive(channel, "1.xml", a_day(1, 100, 26).replace(b">5100<", b">5101<"))
    with capture_logs() as logs:
        (news,) = (await take_in(channel, book, tell_nobody)).kept
    assert (news.name, news.adds_up, len(book.movements)) == ("1.xml", False, 1)
    assert [log["event"] for log in logs] == ["bank.statement_does_not_add_up"]


async def test_whoever_is_killed_before_all_were_told_tells_again(
    channel: FolderChannel, book: MemoryBook
) -> None:
    told: list[str] = []

    async def killed(news: FileNews) -> None:
        told.append(news.name)
        raise KeyboardInterrupt

    async def heard(news: FileNews) -> None:
        told.append(news.name)

    receive(channel, "1.xml", a_notice())
    with pytest.raises(KeyboardInterrupt):
        await take_in(channel, book, killed)
    assert (await channel.waiting(), len(book.movements)) == (["1.xml"], 1)
    await take_in(channel, book, heard)
    assert (told, await channel.waiting(), len(book.movements)) == (["1.xml"] * 2, [], 1)


async def test_a_report_on_a_whole_file_names_its_transfer(
    channel: FolderChannel, book: MemoryBook
) -> None:
    receive(channel, "1.xml", status_report("R1", "abc", [Verdict("RJCT", "FF01")], NOW))
    (news,) = (await take_in(channel, book, tell_nobody)).kept
    assert news.end_to_end_ids == {"abc"}


async def test_of_two_who_put_a_file_away_one_finds_it_gone(channel: FolderChannel) -> None:
    receive(channel, "1.xml", a_notice())
    for _ in range(2):
        await channel.put_away("1.xml")
    assert names_in(channel, TAKEN_IN) == ["1.xml"]


async def test_a_file_that_cannot_be_put_away_is_no_silence(channel: FolderChannel) -> None:
    receive(channel, "1.xml", a_notice())
    (channel.root / TAKEN_IN).rmdir()
    assert await channel.check() == Refused("NO_TAKEN_IN")
    with pytest.raises(FileNotFoundError):
        await channel.put_away("1.xml")


async def test_a_link_is_not_followed_and_a_draft_not_read(
    channel: FolderChannel, book: MemoryBook, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(a_notice())
    (channel.root / INBOX / "1.xml").symlink_to(secret)
    (channel.root / INBOX / "2.xml").mkdir()
    os.mkfifo(channel.root / INBOX / "3.xml")
    receive(channel, ".4.xml", a_notice())
    receive(channel, "5.part", a_notice())
    taken = await take_in(channel, book, tell_nobody)
    assert (taken.kept, taken.unreadable) == ((), ())
    assert book.movements == {}


async def test_an_old_statement_does_not_change_the_balance(
    channel: FolderChannel, book: MemoryBook
) -> None:
    receive(channel, "1.xml", a_day(2, 200, 26))
    receive(channel, "2.xml", a_day(1, 100, 25))
    await take_in(channel, book, tell_nobody)
    assert await book.closing_balance("9", "UGX") == Money(5_200, "UGX")
    assert await book.closing_balance("9", "KES") is None
