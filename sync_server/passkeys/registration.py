"""Adding a passkey: options for the browser, then what its authenticator made of them.

That its owner was here a moment ago is asked when it begins; the challenge is theirs and good for
minutes, so nobody makes a passkey on a device and is refused afterwards.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from webauthn import generate_registration_options, options_to_json
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    AuthenticatorTransport,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from sync_server.audit import service as audit
from sync_server.audit.rules import Action, Subject
from sync_server.identity import attempts, second_factor
from sync_server.identity import service as identity
from sync_server.identity.attempts import Counted, Limit
from sync_server.identity.rules import UserId
from sync_server.identity.service import CurrentSession
from sync_server.identity.writing import Occasion
from sync_server.kit.claims import WORKER
from sync_server.kit.instants import instant
from sync_server.kit.mail import Letter
from sync_server.kit.services import Services
from sync_server.passkeys import challenges, repository
from sync_server.passkeys.errors import PasskeyRefusedError, Reason, TooManyPasskeysError
from sync_server.passkeys.letters import write_to_owner
from sync_server.passkeys.models import UserPasskey
from sync_server.passkeys.refusals import refusals_logged
from sync_server.passkeys.rules import CHALLENGE_MILLISECONDS, PASSKEYS_MAX, Purpose
from sync_server.passkeys.schemas import NewPasskey, PasskeyShown, RegistrationBegun
from sync_server.passkeys.verification import ALGORITHMS, Registered, verify_registration

REGISTRATIONS: Final = Limit("passkey-registrations", 20, 900)
RELYING_PARTY_NAME: Final = "ZERAKET"
# Somebody is found by the passkey alone, and it asks for a finger, a face or a PIN.
_SELECTION: Final = AuthenticatorSelectionCriteria(
    resident_key=ResidentKeyRequirement.REQUIRED,
    user_verification=UserVerificationRequirement.REQUIRED,
)


@dataclass(frozen=True, slots=True)
class Added:
    """A new passkey; the letter tells its owner."""

    shown: PasskeyShown
    letter: Letter | None


async def begin(services: Services, current: CurrentSession) -> RegistrationBegun:
    """Give a browser what it needs to make a passkey for this person on this server's pages."""
    party = challenges.require_relying_party(services)
    await attempts.count(services, Counted(REGISTRATIONS, str(current.user_id)))
    async with services.database.transaction(WORKER) as session:
        await second_factor.require_shown(session, current)
        passkeys = await repository.list_of_person(session, current.user_id)
        if len(passkeys) >= PASSKEYS_MAX:
            raise TooManyPasskeysError
        name = await identity.find_user_name(session, current.user_id) or str(current.user_id)
        address = await identity.find_address(session, current.user_id)
        purpose = Purpose.REGISTRATION
        challenge = await challenges.make(session, services, purpose, current.user_id)
    options = generate_registration_options(
        rp_id=party.id,
        rp_name=RELYING_PARTY_NAME,
        user_id=current.user_id.bytes,
        user_name=address or name,
        user_display_name=name,
        challenge=challenge.secret,
        timeout=CHALLENGE_MILLISECONDS,
        authenticator_selection=_SELECTION,
        exclude_credentials=_described(passkeys),
        supported_pub_key_algs=list(ALGORITHMS),
    )
    return RegistrationBegun(
        registration_id=challenge.id, options=json.loads(options_to_json(options))
    )


async def add(services: Services, current: CurrentSession, wanted: NewPasskey) -> Added:
    """Keep what the authenticator made, once it is proved to be what was asked for."""
    challenges.require_relying_party(services)
    await attempts.count(services, Counted(REGISTRATIONS, str(current.user_id)))
    with refusals_logged():
        async with services.database.transaction(WORKER) as session:
            asked = await challenges.use(
                session, services, wanted.registration_id, Purpose.REGISTRATION, current.user_id
            )
        if asked is None:
            raise PasskeyRefusedError(Reason.CHALLENGE)
        registered = verify_registration(asked, wanted.credential)
        passkey = _passkey(services, current.user_id, wanted.name, registered)
        async with services.database.transaction(WORKER) as session:
            return await _keep(session, services, passkey)


async def _keep(session: AsyncSession, services: Services, passkey: UserPasskey) -> Added:
    user_id = UserId(passkey.user_id)
    if await repository.count_of_person(session, user_id) >= PASSKEYS_MAX:
        raise TooManyPasskeysError
    try:
        await repository.add(session, passkey)
    except IntegrityError as error:
        raise PasskeyRefusedError(Reason.REGISTERED_BEFORE) from error
    subject = Subject("passkey", str(passkey.id))
    after = {"name": passkey.name, "is_synced": passkey.is_synced}
    action = Action("passkey.add", subject, after=after, actor_id=user_id)
    await audit.record_action(session, services, action)
    letter = await write_to_owner(session, user_id, Occasion.PASSKEY_ADDED, passkey.name)
    return Added(PasskeyShown.model_validate(passkey), letter)


def _passkey(services: Services, user_id: UserId, name: str, registered: Registered) -> UserPasskey:
    return UserPasskey(
        id=services.new_id(),
        user_id=user_id,
        credential_id=registered.credential_id,
        public_key=registered.public_key,
        sign_count=registered.sign_count,
        transports=list(registered.transports),
        name=name,
        may_be_synced=registered.may_be_synced,
        is_synced=registered.is_synced,
        created_at=instant(services.clock.now_ms()),
        last_used_at=None,
    )


def _described(passkeys: Sequence[UserPasskey]) -> list[PublicKeyCredentialDescriptor]:
    """What an authenticator is told not to make again."""
    return [
        PublicKeyCredentialDescriptor(
            id=passkey.credential_id,
            transports=[AuthenticatorTransport(name) for name in passkey.transports],
        )
        for passkey in passkeys
    ]
