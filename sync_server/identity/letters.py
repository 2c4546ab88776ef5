"""Letters that ask for something back: each carries a token that works once."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from sync_server.identity import attempts, repository
from sync_server.identity.attempts import Counted, Standing
from sync_server.identity.errors import LetterTokenInvalidError, TooManyAttemptsError
from sync_server.identity.models import EmailToken
from sync_server.identity.rules import LETTER_TOKEN_PREFIX, TOKEN_BYTES, Language, opaque_token
from sync_server.identity.schemas import NewSignUp
from sync_server.identity.visitors import Visitor
from sync_server.identity.writing import Occasion, write_letter
from sync_server.kit.claims import WORKER, token_hash
from sync_server.kit.instants import instant
from sync_server.kit.mail import Letter
from sync_server.kit.services import Services


class Purpose(StrEnum):
    SIGN_UP = "sign_up"
    PASSWORD_RESET = "password_reset"  # noqa: S105 - the name of a purpose


LIFETIMES: Final = {
    Purpose.SIGN_UP: timedelta(hours=24),
    Purpose.PASSWORD_RESET: timedelta(hours=1),
}
_PAGES: Final = {Purpose.SIGN_UP: "sign-up", Purpose.PASSWORD_RESET: "password-reset"}


@dataclass(frozen=True, slots=True)
class Post:
    """A letter to send once the answer has left; None where there is nobody to write to."""

    letter: Letter | None
    standing: Standing


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a token stands for."""

    address: str
    display_name: str = ""
    language: Language = Language.ENGLISH


async def write_sign_up(services: Services, wanted: NewSignUp, visitor: Visitor) -> Post:
    """Write to whoever owns the address: a link, or that they have an account already."""
    standing = await _count(services, wanted.address, visitor)
    asked = _Asked(wanted.address, wanted.display_name, wanted.language)
    async with services.database.transaction(WORKER) as session:
        # Made in either case: both take as long. One for an address that is taken is good for
        # nothing.
        token = await _add_token(session, services, Purpose.SIGN_UP, asked)
        owner = await repository.find_user_by_address(session, wanted.address)
    if await _is_flooded(services, wanted.address):
        return Post(None, standing)
    if owner is not None:
        letter = write_letter(
            wanted.address,
            Language(owner.language),
            Occasion.ALREADY_SIGNED_UP,
            name=owner.display_name,
        )
        return Post(letter, standing)
    words = {"name": wanted.display_name, "link": _link(services, Purpose.SIGN_UP, token)}
    letter = write_letter(wanted.address, wanted.language, Occasion.SIGN_UP, **words)
    return Post(letter, standing)


async def write_password_reset(services: Services, address: str, visitor: Visitor) -> Post:
    """Write a link to the owner of an address; to an unknown address nothing."""
    standing = await _count(services, address, visitor)
    asked = _Asked(address)
    async with services.database.transaction(WORKER) as session:
        token = await _add_token(session, services, Purpose.PASSWORD_RESET, asked)
        owner = await repository.find_user_by_address(session, address)
    # Counted for everybody: an address that nobody has takes as long.
    is_flooded = await _is_flooded(services, address)
    if owner is None or is_flooded:
        return Post(None, standing)
    link = _link(services, Purpose.PASSWORD_RESET, token)
    language = Language(owner.language)
    occasion = Occasion.PASSWORD_RESET
    letter = write_letter(address, language, occasion, name=owner.display_name, link=link)
    return Post(letter, standing)


async def use_token(
    session: AsyncSession, services: Services, purpose: Purpose, token: str
) -> EmailToken:
    """Take a token that came back, once, else raise LetterTokenInvalidError."""
    moment = instant(services.clock.now_ms())
    taken = await repository.use_email_token(session, token_hash(token), purpose, moment)
    if taken is None:
        raise LetterTokenInvalidError
    return taken


async def _count(services: Services, address: str, visitor: Visitor) -> Standing:
    return await attempts.count(
        services,
        Counted(attempts.LETTERS, f"{address} {visitor.network}"),
        Counted(attempts.LETTERS_NETWORK, visitor.network),
    )


async def _is_flooded(services: Services, address: str) -> bool:
    """Whoever asks from many networks fills no mailbox; its owner has working letters by then."""
    try:
        await attempts.count(services, Counted(attempts.LETTERS_ADDRESS, address))
    except TooManyAttemptsError:
        return True
    return False


async def _add_token(
    session: AsyncSession, services: Services, purpose: Purpose, asked: _Asked
) -> str:
    token = opaque_token(LETTER_TOKEN_PREFIX, services.randomness(TOKEN_BYTES))
    now = instant(services.clock.now_ms())
    row = EmailToken(
        id=services.new_id(),
        purpose=purpose.value,
        address=asked.address,
        display_name=asked.display_name,
        language=asked.language.value,
        token_hash=token_hash(token),
        created_at=now,
        expires_at=now + LIFETIMES[purpose],
        used_at=None,
    )
    await repository.add(session, row)
    return token


def _link(services: Services, purpose: Purpose, token: str) -> str:
    """What follows `#` never reaches a server's log."""
    return f"{services.public_url}/{_PAGES[purpose]}#{token}"
