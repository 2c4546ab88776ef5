"""A second factor: six digits from an app on the owner's phone (TOTP, RFC 6238). Admins need one,
or a passkey.
"""

import hmac
from base64 import b32encode
from typing import Final

import pyotp
from sqlalchemy.ext.asyncio import AsyncSession

from sync_server.identity import attempts, repository
from sync_server.identity.attempts import Counted
from sync_server.identity.errors import (
    PasswordWrongError,
    SecondFactorExistsError,
    SecondFactorMissingError,
    SecondFactorNeededError,
    SecondFactorRequiredError,
    SecondFactorWrongError,
)
from sync_server.identity.models import UserTotp
from sync_server.identity.passwords import check_password
from sync_server.identity.records import record_of_person
from sync_server.identity.rules import SecondFactorKind, UserId
from sync_server.identity.schemas import SecondFactorMade
from sync_server.identity.service import CurrentSession
from sync_server.kit.claims import WORKER
from sync_server.kit.instants import instant
from sync_server.kit.services import Services

SECRET_BYTES: Final = 20
STEP_MS: Final = 30_000
ISSUER: Final = "ZERAKET"
_PURPOSE: Final = "second factor"
# A phone's clock may be off by a step.
_STEPS_AROUND: Final = (-1, 0, 1)


async def begin(
    services: Services, current: CurrentSession, present_password: str
) -> SecondFactorMade:
    """Make a secret for the owner's app; it counts for nothing until `confirm`."""
    await attempts.count(services, Counted(attempts.PASSWORD_CHANGE, str(current.user_id)))
    secret = services.randomness(SECRET_BYTES)
    async with services.database.transaction(WORKER) as session:
        await require_shown(session, current)
        found = await repository.lock_password_hash(session, current.user_id)
        if not (await check_password(present_password, found)).matches:
            raise PasswordWrongError
        await repository.remove_second_factor(session, current.user_id, confirmed=False)
        if await repository.find_second_factor(session, current.user_id) is not None:
            raise SecondFactorExistsError
        sealed = services.key_sealer.seal(secret, _PURPOSE, current.user_id)
        row = UserTotp(
            user_id=current.user_id, sealed_secret=sealed, confirmed_at=None, last_step=0
        )
        await repository.add(session, row)
        address = await repository.find_address(session, current.user_id)
    totp = _totp(secret)
    uri = totp.provisioning_uri(name=address or str(current.user_id), issuer_name=ISSUER)
    return SecondFactorMade(secret=totp.secret, uri=uri)


async def confirm(services: Services, current: CurrentSession, code: str) -> None:
    """Turn the second factor on with a first code; this session has passed it."""
    await _count(services, current.user_id)
    async with services.database.transaction(WORKER) as session:
        await _use_code(session, services, current.user_id, code)
        now = instant(services.clock.now_ms())
        await repository.confirm_second_factor(session, current.user_id, now)
        await mark(session, services, current, SecondFactorKind.TOTP)
        user_id = current.user_id
        await record_of_person(session, services, "second_factor.set", user_id, by=user_id)


async def prove(services: Services, current: CurrentSession, code: str) -> None:
    """Show the second factor again in a session that is under way."""
    await _count(services, current.user_id)
    async with services.database.transaction(WORKER) as session:
        if not await is_on(session, current.user_id):
            raise SecondFactorMissingError
        await _use_code(session, services, current.user_id, code)
        await mark(session, services, current, SecondFactorKind.TOTP)


async def remove(services: Services, current: CurrentSession, code: str) -> None:
    await _count(services, current.user_id)
    async with services.database.transaction(WORKER) as session:
        await _use_code(session, services, current.user_id, code)
        await repository.remove_second_factor(session, current.user_id, confirmed=True)
        user_id = current.user_id
        await record_of_person(session, services, "second_factor.remove", user_id, by=user_id)


async def mark(
    session: AsyncSession, services: Services, current: CurrentSession, kind: SecondFactorKind
) -> None:
    """Note that the owner of a session showed a second factor; needs the worker's transaction."""
    now = instant(services.clock.now_ms())
    await repository.mark_second_factor(session, current.session_id, now, kind)


async def is_on(session: AsyncSession, user_id: UserId) -> bool:
    """Say whether somebody is asked for digits; needs the worker's transaction."""
    found = await repository.find_second_factor(session, user_id)
    return found is not None and found.confirmed_at is not None


async def require_shown(session: AsyncSession, current: CurrentSession) -> None:
    """Let an admin change second factors only after showing one, where they have any: whoever
    learned an admin's password alone must not be able to make themselves another. Needs the
    worker's transaction.
    """
    if current.second_factor_at is not None:
        return
    user_id = current.user_id
    if await repository.is_person_admin(session, user_id) and await repository.has_second_factor(
        session, user_id
    ):
        raise SecondFactorNeededError


async def forget(session: AsyncSession, services: Services, user_id: UserId) -> None:
    """Help somebody who lost their phone; the operator alone may."""
    await repository.remove_second_factor(session, user_id, confirmed=True)
    await record_of_person(session, services, "second_factor.remove", user_id)


async def require(
    session: AsyncSession, services: Services, user_id: UserId, code: str | None
) -> bool:
    """Check the code of somebody who has a second factor; give whether there is one. Needs the
    worker's transaction, and an attempt that was counted.
    """
    if not await is_on(session, user_id):
        return False
    if code is None:
        raise SecondFactorRequiredError
    await _use_code(session, services, user_id, code)
    return True


async def _count(services: Services, user_id: UserId) -> None:
    await attempts.count(services, Counted(attempts.SECOND_FACTOR, str(user_id)))


async def _use_code(session: AsyncSession, services: Services, user_id: UserId, code: str) -> None:
    """Take a code once: a step that was used, or an older one, is good no more."""
    found = await repository.find_second_factor(session, user_id)
    if found is None:
        raise SecondFactorMissingError
    totp = _totp(services.key_sealer.open(found.sealed_secret, _PURPOSE, user_id))
    present = services.clock.now_ms() // STEP_MS
    steps = [present + offset for offset in _STEPS_AROUND]
    matching = [step for step in steps if hmac.compare_digest(totp.generate_otp(step), code)]
    if not matching or not await repository.use_totp_step(session, user_id, max(matching)):
        raise SecondFactorWrongError


def _totp(secret: bytes) -> pyotp.TOTP:
    return pyotp.TOTP(b32encode(secret).decode())
