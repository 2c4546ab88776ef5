"""Lists in pages: ordered by id (UUIDv7, so by age), continued after an opaque cursor."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Final, Generic, TypeVar
from uuid import UUID

from fastapi import Depends, Query
from pydantic import BaseModel

from sync_server.kit.problems import ProblemError

PAGE_LIMIT_DEFAULT: Final = 50
PAGE_LIMIT_MAX: Final = 200
_CURSOR_CHARACTERS: Final = 22

Item = TypeVar("Item")
Row = TypeVar("Row")


class CursorInvalidError(ProblemError):
    status = 400
    code = "cursor_invalid"
    title = "This cursor was not made by this server"


@dataclass(frozen=True, slots=True)
class PageRequest:
    """At most `limit` rows whose id comes after `after`."""

    limit: int = PAGE_LIMIT_DEFAULT
    after: UUID | None = None


class Page(BaseModel, Generic[Item]):
    """`next_cursor` is null on the last page."""

    items: list[Item]
    next_cursor: str | None


def encode_cursor(last_id: UUID) -> str:
    return urlsafe_b64encode(last_id.bytes).decode().rstrip("=")


def decode_cursor(text: str) -> UUID:
    """Undo `encode_cursor`, else raise CursorInvalidError."""
    if len(text) != _CURSOR_CHARACTERS:
        raise CursorInvalidError
    try:
        return UUID(bytes=urlsafe_b64decode(text + "=="))
    except ValueError as error:
        raise CursorInvalidError from error


def page_request(
    limit: Annotated[int, Query(ge=1, le=PAGE_LIMIT_MAX)] = PAGE_LIMIT_DEFAULT,
    cursor: Annotated[str | None, Query(max_length=64)] = None,
) -> PageRequest:
    return PageRequest(limit, None if cursor is None else decode_cursor(cursor))


PageDependency = Annotated[PageRequest, Depends(page_request)]


def page_of(
    rows: Sequence[Row],
    request: PageRequest,
    item: Callable[[Row], Item],
    row_id: Callable[[Row], UUID],
) -> Page[Item]:
    """Cut `limit + 1` rows to a page; the extra row says that there is a next one."""
    shown = rows[: request.limit]
    more = len(rows) > request.limit
    return Page(
        items=[item(row) for row in shown],
        next_cursor=encode_cursor(row_id(shown[-1])) if more else None,
    )
