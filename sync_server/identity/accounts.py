"""Signing up, signing in and changing a password; no answer says whether an address has an
account.
"""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from sync_server.identity import attempts, letters, records, repository, second_factor, service
from sync_server.identity.attempts import Counted, Standing
from sync_server.identity.errors import (
    CredentialsWrongError,
    LetterTokenInvalidError,
    PasswordWrongError,
)
from sync_server.identity.letters import Purpose
from sync_server.identity.models import User, UserDevice
from sync_server.identity.passwords import check_password, hash_password, require_good
from sync_server.identity.records import Attempt
from sync_server.identity.rules import (
    DEVICE_TOKEN_PREFIX,
    TOKEN_BYTES,
    Language,
    SecondFactorKind,
    UserId,
    opaque_token,
)
from sync_server.identity.schemas import ChosenPassword, NewSession, PasswordChange
from sync_server.identity.service import CurrentSession, SignedIn
from sync_server.identity.visitors import Visitor
from sync_server.identity.writing import Occasion, write_letter
from sync_server.kit.claims import WORKER, token_hash
from sync_server.kit.instants import instant
from sync_server.kit.mail import Letter
from sync_server.kit.services import Services

DEVICE_LIFETIME: Final = timedelta(days=365)


@dataclass(frozen=True, slots=True)
class Welcome:
    """A new session on a device that is known from now on."""

    signed_in: SignedIn
    device_token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Changed:
    """A password that was changed; the letter tells its owner."""

    sessions_ended: int
    letter: Letter | None


async def confirm_sign_up(services: Services, chosen: ChosenPassword, visitor: Visitor) -> Welcome:
    """Make the account: only whoever reads the address's letters can choose its password."""
    password = chosen.password.get_secret_value()
    async with services.database.transaction(WORKER) as session:
        token = chosen.token.get_secret_value()
        asked = await letters.use_token(session, services, Purpose.SIGN_UP, token)
        require_good(password, asked.address, asked.display_name)
        language = Language(asked.language)
        user_id = await service.add_user(session, services, asked.display_name, language)
        if not await service.add_address(session, services, user_id, asked.address):
            raise LetterTokenInvalidError
        now = instant(services.clock.now_ms())
        password_hash = await hash_password(password)
        await repository.set_password_hash(session, user_id, password_hash, now)
        await records.record_of_person(session, services, "person.sign_up", user_id, by=user_id)
        method = records.BY_LETTER
        return await welcome_visitor(session, services, user_id, visitor, method=method)


async def sign_in(
    services: Services, wanted: NewSession, visitor: Visitor
) -> tuple[Welcome, Standing]:
    """Let in whoever knows the password; the same work is done for an address nobody has."""
    async with records.refusals_recorded(services, Attempt(wanted.address)):
        return await _sign_in(services, wanted, visitor)


async def _sign_in(
    services: Services, wanted: NewSession, visitor: Visitor
) -> tuple[Welcome, Standing]:
    counted = await _counted(services, wanted, visitor)
    standing = await attempts.count(services, *counted)
    async with services.database.reading(WORKER) as session:
        found = await repository.find_credentials(session, wanted.address)
    password = wanted.password.get_secret_value()
    checked = await check_password(password, None if found is None else found.password_hash)
    if found is None or not checked.matches:
        raise CredentialsWrongError(standing.headers)
    user_id = UserId(found.user_id)
    if wanted.code is not None:
        await attempts.count(services, Counted(attempts.SECOND_FACTOR, str(user_id)))
    renewed = await hash_password(password) if checked.is_outdated else None
    async with services.database.transaction(WORKER) as session:
        if await repository.lock_password_hash(session, user_id) != found.password_hash:
            raise CredentialsWrongError(standing.headers)
        if renewed is not None:
            now = instant(services.clock.now_ms())
            await repository.set_password_hash(session, user_id, renewed, now)
        is_proved = await second_factor.require(session, services, user_id, wanted.code)
        method = records.BY_PASSWORD_AND_CODE if is_proved else records.BY_PASSWORD
        welcome = await welcome_visitor(session, services, user_id, visitor, method=method)
        if is_proved:
            await note_second_factor(session, services, welcome)
    await attempts.forgive(services, *counted)
    return welcome, standing


async def reset_password(
    services: Services, chosen: ChosenPassword, visitor: Visitor
) -> tuple[Welcome, Changed]:
    """Choose a password with a letter's token; every session and known device is over."""
    attempt = Attempt()
    async with records.refusals_recorded(services, attempt):
        return await _reset_password(services, chosen, visitor, attempt)


async def _reset_password(
    services: Services, chosen: ChosenPassword, visitor: Visitor, attempt: Attempt
) -> tuple[Welcome, Changed]:
    password, token = chosen.password.get_secret_value(), chosen.token.get_secret_value()
    if chosen.code is not None:
        await attempts.count(services, Counted(attempts.SECOND_FACTOR, token))
    async with services.database.transaction(WORKER) as session:
        asked = await letters.use_token(session, services, Purpose.PASSWORD_RESET, token)
        user = await repository.find_user_by_address(session, asked.address)
        if user is None:
            raise LetterTokenInvalidError
        attempt.user_id = user.id
        require_good(password, asked.address, user.display_name)
        user_id = UserId(user.id)
        is_proved = await second_factor.require(session, services, user_id, chosen.code)
        await repository.lock_password_hash(session, user.id)
        now = instant(services.clock.now_ms())
        password_hash = await hash_password(password)
        await repository.set_password_hash(session, user.id, password_hash, now)
        await repository.use_up_email_tokens(session, asked.address, Purpose.PASSWORD_RESET, now)
        ended = await repository.revoke_sessions(session, user.id, now)
        await repository.revoke_devices(session, user.id, now)
        left = {"sessions_ended": ended}
        await records.record_of_person(
            session, services, "password.reset", user_id, after=left, by=user_id
        )
        method = records.BY_LETTER
        welcome = await welcome_visitor(session, services, user_id, visitor, method=method)
        if is_proved:
            await note_second_factor(session, services, welcome)
        return welcome, Changed(ended, _told(user, asked.address))


async def change_password(
    services: Services, current: CurrentSession, wanted: PasswordChange
) -> Changed:
    """Change one's own password; every other session is over."""
    await attempts.count(services, Counted(attempts.PASSWORD_CHANGE, str(current.user_id)))
    async with services.database.transaction(WORKER) as session:
        found = await repository.lock_password_hash(session, current.user_id)
        present = wanted.present_password.get_secret_value()
        if not (await check_password(present, found)).matches:
            raise PasswordWrongError
        user = await repository.find_user(session, current.user_id)
        address = await repository.find_address(session, current.user_id)
        password = wanted.new_password.get_secret_value()
        require_good(password, address or "", user.display_name if user else "")
        now = instant(services.clock.now_ms())
        password_hash = await hash_password(password)
        await repository.set_password_hash(session, current.user_id, password_hash, now)
        kept = current.session_id
        ended = await repository.revoke_sessions(session, current.user_id, now, kept)
        user_id, left = current.user_id, {"sessions_ended": ended}
        await records.record_of_person(
            session, services, "password.change", user_id, after=left, by=user_id
        )
    return Changed(ended, _told(user, address))


def _told(user: User | None, address: str | None) -> Letter | None:
    if user is None or address is None:
        return None
    language, occasion = Language(user.language), Occasion.PASSWORD_CHANGED
    return write_letter(address, language, occasion, name=user.display_name)


async def _counted(services: Services, wanted: NewSession, visitor: Visitor) -> tuple[Counted, ...]:
    """A device its owner signed in on before is counted by itself, whoever tries elsewhere."""
    if wanted.device_token is not None:
        hashed = token_hash(wanted.device_token.get_secret_value())
        now = instant(services.clock.now_ms())
        async with services.database.reading(WORKER) as session:
            if await repository.is_known_device(session, hashed, wanted.address, now):
                return (Counted(attempts.SIGN_IN_DEVICE, hashed.hex()),)
    return (
        Counted(attempts.SIGN_IN, f"{wanted.address} {visitor.network}"),
        Counted(attempts.SIGN_IN_NETWORK, visitor.network),
    )


async def note_second_factor(
    session: AsyncSession,
    services: Services,
    welcome: Welcome,
    kind: SecondFactorKind = SecondFactorKind.TOTP,
) -> None:
    """Note that a new session's owner showed a second factor; needs the worker's transaction."""
    now = instant(services.clock.now_ms())
    await repository.mark_second_factor(session, welcome.signed_in.session_id, now, kind)


async def welcome_visitor(
    session: AsyncSession,
    services: Services,
    user_id: UserId,
    visitor: Visitor,
    *,
    method: str = records.BY_PASSWORD,
) -> Welcome:
    """Let somebody in who proved who they are; needs the worker's transaction."""
    token = opaque_token(DEVICE_TOKEN_PREFIX, services.randomness(TOKEN_BYTES))
    now = instant(services.clock.now_ms())
    device = UserDevice(
        id=services.new_id(),
        user_id=user_id,
        token_hash=token_hash(token),
        created_at=now,
        expires_at=now + DEVICE_LIFETIME,
        revoked_at=None,
    )
    await repository.add(session, device)
    signed_in = await service.sign_in_visitor(session, services, user_id, visitor, method=method)
    return Welcome(signed_in, token)
