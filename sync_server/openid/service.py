"""Signing in at another provider, and linking an account there to one here."""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from sync_server.identity import accounts, attempts, second_factor
from sync_server.identity import service as identity
from sync_server.identity.accounts import Welcome
from sync_server.identity.attempts import Counted, Limit, Standing
from sync_server.identity.errors import LastWayInError
from sync_server.identity.rules import Language, UserId
from sync_server.identity.service import CurrentSession
from sync_server.identity.visitors import Visitor
from sync_server.kit.claims import WORKER, token_hash
from sync_server.kit.instants import instant
from sync_server.kit.mail import Letter
from sync_server.kit.pagination import Page, PageRequest, page_of
from sync_server.kit.services import Services
from sync_server.openid import flows, identities, repository
from sync_server.openid.errors import (
    AccountDisabledError,
    OpenidAddressTakenError,
    OpenidIdentityNotFoundError,
    OpenidIdentityTakenError,
)
from sync_server.openid.flows import Begun, Redeemed
from sync_server.openid.identities import LinkedBy, NewLink
from sync_server.openid.provider import OpenidProvider
from sync_server.openid.rules import (
    Known,
    Link,
    ProvenPerson,
    Refuse,
    SignIn,
    SignUp,
    display_name,
    entrance,
    is_authoritative,
)
from sync_server.openid.schemas import IdentityShown, NewOpenidSession, OpenidAnswer

REQUESTS_NETWORK: Final = Limit("openid-requests-network", 600, 900)
_TRIES: Final = 2


@dataclass(frozen=True, slots=True)
class Entered:
    """Somebody is in; the letter tells of a link that was made without their asking for it."""

    welcome: Welcome
    letter: Letter | None


@dataclass(frozen=True, slots=True)
class Linked:
    shown: IdentityShown
    letter: Letter | None


class _OvertakenError(Exception):
    """The same person came in by another request while this one looked."""


async def begin(
    services: Services, provider: OpenidProvider, language: Language, visitor: Visitor
) -> tuple[Begun, Standing]:
    standing = await attempts.count(services, Counted(REQUESTS_NETWORK, visitor.network))
    return await flows.begin(services, provider, language), standing


async def sign_in(
    services: Services, provider: OpenidProvider, wanted: NewOpenidSession, visitor: Visitor
) -> Entered:
    """Let in whoever the provider answers for; a first visit makes an account."""
    counted = await _counted(services, wanted, visitor)
    await attempts.count(services, counted)
    redeemed = await flows.redeem(services, provider, wanted)
    code = wanted.code_of_second_factor
    if code is not None:
        await _count_second_factor(services, redeemed.person)
    for _ in range(_TRIES):
        try:
            entered = await _enter(services, provider, redeemed, code, visitor)
        except _OvertakenError:
            continue
        await attempts.forgive(services, counted)
        return entered
    raise OpenidAddressTakenError


async def link(
    services: Services, provider: OpenidProvider, current: CurrentSession, answer: OpenidAnswer
) -> Linked:
    """Link an account at the provider to the caller's; to link it again changes nothing."""
    redeemed = await flows.redeem(services, provider, answer)
    person, letter = redeemed.person, None
    async with services.database.transaction(WORKER) as session:
        await flows.use(session, services, redeemed.flow_id)
        linked = await repository.find_identity(session, person.issuer, person.subject)
        if linked is None:
            new = NewLink(current.user_id, provider.client, person, LinkedBy.OWNER)
            linked = await identities.add(session, services, new)
            letter = await identities.write_of_linking(
                session, current.user_id, provider.client.name
            )
        if linked.user_id != current.user_id:
            raise OpenidIdentityTakenError
    return Linked(IdentityShown.model_validate(linked), letter)


async def list_own_identities(
    session: AsyncSession, user_id: UserId, page: PageRequest
) -> Page[IdentityShown]:
    rows = await repository.list_identities(session, user_id, page)
    return page_of(rows, page, IdentityShown.model_validate, lambda row: row.id)


async def unlink(services: Services, user_id: UserId, identity_id: UUID) -> Letter | None:
    """Unlink one, unless its owner could not come in any more: the database has the last word."""
    try:
        async with services.database.transaction(WORKER) as session:
            provider = await identities.remove(session, services, user_id, identity_id)
            if provider is None:
                raise OpenidIdentityNotFoundError
            name = _name(services, provider)
            return await identities.write_of_unlinking(session, user_id, name)
    except IntegrityError as error:
        raise LastWayInError from error


def _name(services: Services, provider: str) -> str:
    """What people call a provider, also one that this server has no client for any more."""
    names = {client.provider: client.name for client in services.openid_clients}
    return names.get(provider, provider.title())


async def _enter(
    services: Services,
    provider: OpenidProvider,
    redeemed: Redeemed,
    code: str | None,
    visitor: Visitor,
) -> Entered:
    async with services.database.transaction(WORKER) as session:
        await flows.use(session, services, redeemed.flow_id)
        user_id, letter = await _arrive(session, services, provider, redeemed)
        is_proved = await second_factor.require(session, services, user_id, code)
        welcome = await accounts.welcome_visitor(
            session, services, user_id, visitor, method=provider.client.provider
        )
        if is_proved:
            await accounts.note_second_factor(session, services, welcome)
    return Entered(welcome, letter)


async def _arrive(
    session: AsyncSession, services: Services, provider: OpenidProvider, redeemed: Redeemed
) -> tuple[UserId, Letter | None]:
    """Find or make the account; the owner of one that is linked by its address hears of it."""
    person, client = redeemed.person, provider.client
    known = await _known(session, person)
    match entrance(known, authoritative=is_authoritative(client.provider, person)):
        case SignIn(user_id):
            await _note_return(session, services, user_id, person)
            return user_id, None
        case SignUp():
            user_id = await _sign_up(session, services, redeemed)
            await _link(session, services, NewLink(user_id, client, person, LinkedBy.SIGN_UP))
            return user_id, None
        case Link(user_id):
            await _link(session, services, NewLink(user_id, client, person, LinkedBy.ADDRESS))
            return user_id, await identities.write_of_linking(session, user_id, client.name)
        case Refuse():
            raise OpenidAddressTakenError


async def _known(session: AsyncSession, person: ProvenPerson) -> Known:
    linked = await repository.find_identity(session, person.issuer, person.subject)
    if linked is not None:
        return Known(linked=UserId(linked.user_id))
    owner = await identity.find_account_of_address(session, person.address)
    if owner is None:
        return Known()
    has_linked = await repository.has_identity(session, owner.user_id, person.issuer)
    return Known(owner=owner.user_id, owner_has_linked=has_linked)


async def _note_return(
    session: AsyncSession, services: Services, user_id: UserId, person: ProvenPerson
) -> None:
    if await identity.find_account(session, user_id) is None:
        raise AccountDisabledError
    await repository.note_use(session, person, instant(services.clock.now_ms()))


async def _sign_up(session: AsyncSession, services: Services, redeemed: Redeemed) -> UserId:
    name = display_name(redeemed.person)
    user_id = await identity.add_user(session, services, name, redeemed.language)
    if not await identity.add_address(session, services, user_id, redeemed.person.address):
        raise _OvertakenError
    return user_id


async def _link(session: AsyncSession, services: Services, new: NewLink) -> None:
    linked = await identities.add(session, services, new)
    if linked.user_id != new.user_id:
        raise _OvertakenError


async def _counted(services: Services, wanted: NewOpenidSession, visitor: Visitor) -> Counted:
    """A device somebody signed in on before is counted by itself, as with a password."""
    if wanted.device_token is not None:
        device_token = wanted.device_token.get_secret_value()
        if await identity.is_known_device(services, device_token):
            return Counted(attempts.SIGN_IN_DEVICE, token_hash(device_token).hex())
    return Counted(attempts.SIGN_IN_NETWORK, visitor.network)


async def _count_second_factor(services: Services, person: ProvenPerson) -> None:
    async with services.database.reading(WORKER) as session:
        known = await _known(session, person)
    user_id = known.linked or known.owner
    if user_id is not None:
        await attempts.count(services, Counted(attempts.SECOND_FACTOR, str(user_id)))
