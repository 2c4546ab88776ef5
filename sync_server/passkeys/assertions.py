"""Showing a passkey: to sign in, or to prove in a session that its owner is still there."""

import json
from dataclasses import dataclass
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession
from webauthn import generate_authentication_options, options_to_json
from webauthn.helpers.structs import UserVerificationRequirement

from sync_server.audit import service as audit
from sync_server.audit.rules import Action, Subject
from sync_server.identity import accounts, attempts, records, second_factor
from sync_server.identity import service as identity
from sync_server.identity.accounts import Welcome
from sync_server.identity.attempts import Counted, Limit, Standing
from sync_server.identity.rules import SecondFactorKind, UserId
from sync_server.identity.service import CurrentSession
from sync_server.identity.visitors import Visitor
from sync_server.kit.claims import WORKER, token_hash
from sync_server.kit.instants import instant
from sync_server.kit.services import Services
from sync_server.passkeys import challenges, repository
from sync_server.passkeys.errors import PasskeyRefusedError, Reason
from sync_server.passkeys.models import UserPasskey
from sync_server.passkeys.refusals import refusals_logged
from sync_server.passkeys.rules import CHALLENGE_MILLISECONDS, Purpose, counter_went_back
from sync_server.passkeys.schemas import ChallengeMade, NewPasskeySession, PasskeyProof
from sync_server.passkeys.verification import Asserted, KnownKey, decoded, verify_assertion

CHALLENGES_NETWORK: Final = Limit("passkey-challenges-network", 1_000, 900)
SIGN_IN_NETWORK: Final = Limit("passkey-sign-in-network", 200, 900)
PROOFS: Final = Limit("passkey-proofs", 20, 900)


@dataclass(frozen=True, slots=True)
class Shown:
    """A passkey that signed its challenge; its counter is still to be compared."""

    passkey: UserPasskey
    asserted: Asserted

    @property
    def user_id(self) -> UserId:
        return UserId(self.passkey.user_id)


async def make_challenge(services: Services, visitor: Visitor) -> ChallengeMade:
    """Give a browser what it needs to ask for a passkey. It names nobody's: the person chooses one
    on their device.
    """
    party = challenges.require_relying_party(services)
    await attempts.count(services, Counted(CHALLENGES_NETWORK, visitor.network))
    async with services.database.transaction(WORKER) as session:
        challenge = await challenges.make(session, services, Purpose.ASSERTION)
    options = generate_authentication_options(
        rp_id=party.id,
        challenge=challenge.secret,
        timeout=CHALLENGE_MILLISECONDS,
        user_verification=UserVerificationRequirement.REQUIRED,
    )
    options.allow_credentials = None
    return ChallengeMade(challenge_id=challenge.id, options=json.loads(options_to_json(options)))


async def sign_in(
    services: Services, wanted: NewPasskeySession, visitor: Visitor
) -> tuple[Welcome, Standing]:
    """Let in whoever shows a passkey; the session has shown a second factor as well, for the
    passkey asked for a finger, a face or a PIN.
    """
    challenges.require_relying_party(services)
    counted = await _counted(services, wanted, visitor)
    standing = await attempts.count(services, counted)
    with refusals_logged(standing.headers):
        shown = await _check(services, wanted, needs_handle=True)
        async with services.database.transaction(WORKER) as session:
            welcome = await _welcome(session, services, shown, visitor)
        if welcome is None:
            raise PasskeyRefusedError(Reason.COUNTER)
    await attempts.forgive(services, counted)
    return welcome, standing


async def prove(services: Services, current: CurrentSession, wanted: PasskeyProof) -> None:
    """Note in a session that its owner showed a passkey of theirs."""
    challenges.require_relying_party(services)
    await attempts.count(services, Counted(PROOFS, str(current.user_id)))
    with refusals_logged():
        shown = await _check(services, wanted)
        if shown.user_id != current.user_id:
            raise PasskeyRefusedError(Reason.OWNER)
        async with services.database.transaction(WORKER) as session:
            is_used = await _use(session, services, shown)
            if is_used:
                await second_factor.mark(session, services, current, SecondFactorKind.PASSKEY)
        if not is_used:
            raise PasskeyRefusedError(Reason.COUNTER)


async def _check(services: Services, wanted: PasskeyProof, *, needs_handle: bool = False) -> Shown:
    """Use the challenge up, then check what was signed."""
    credential = wanted.credential
    credential_id = decoded(credential.raw_id)
    async with services.database.transaction(WORKER) as session:
        asked = await challenges.use(session, services, wanted.challenge_id, Purpose.ASSERTION)
        passkey = await repository.find_by_credential(session, credential_id)
    if asked is None:
        raise PasskeyRefusedError(Reason.CHALLENGE)
    if passkey is None:
        raise PasskeyRefusedError(Reason.UNKNOWN)
    handle = credential.response.user_handle
    if (needs_handle or handle is not None) and decoded(handle or "") != passkey.user_id.bytes:
        raise PasskeyRefusedError(Reason.OWNER)
    known = KnownKey(passkey.public_key, passkey.may_be_synced)
    return Shown(passkey, verify_assertion(asked, known, credential))


async def _welcome(
    session: AsyncSession, services: Services, shown: Shown, visitor: Visitor
) -> Welcome | None:
    """None where the counter went back, which stays recorded."""
    if await identity.find_account(session, shown.user_id) is None:
        raise PasskeyRefusedError(Reason.DISABLED)
    if not await _use(session, services, shown):
        return None
    welcome = await accounts.welcome_visitor(
        session, services, shown.user_id, visitor, method=records.BY_PASSKEY
    )
    kind = SecondFactorKind.PASSKEY
    await accounts.note_second_factor(session, services, welcome, kind)
    return welcome


async def _use(session: AsyncSession, services: Services, shown: Shown) -> bool:
    """Note the use, or record that the counter went back: then two have this key, and neither gets
    in with it.
    """
    passkey, told = shown.passkey, shown.asserted
    known = await repository.lock_sign_count(session, passkey.id)
    if known is None:
        raise PasskeyRefusedError(Reason.UNKNOWN)
    if counter_went_back(known, told.sign_count):
        action = Action(
            "passkey.counter_went_back",
            Subject("passkey", str(passkey.id)),
            before={"sign_count": known},
            after={"sign_count": told.sign_count, "user_id": str(passkey.user_id)},
        )
        await audit.record_action(session, services, action)
        return False
    now = instant(services.clock.now_ms())
    await repository.note_use(session, passkey.id, (told.sign_count, told.is_synced), now)
    return True


async def _counted(services: Services, wanted: NewPasskeySession, visitor: Visitor) -> Counted:
    """A device that somebody signed in on before is counted by itself, whoever tries elsewhere."""
    if wanted.device_token is not None:
        token = wanted.device_token.get_secret_value()
        if await identity.is_known_device(services, token):
            return Counted(attempts.SIGN_IN_DEVICE, token_hash(token).hex())
    return Counted(SIGN_IN_NETWORK, visitor.network)
