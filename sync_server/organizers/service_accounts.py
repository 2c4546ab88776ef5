"""Programs that act for one organizer: scoped tokens that expire, and that any manager can
revoke.
"""

from datetime import timedelta
from uuid import UUID

from sync_server.identity.rules import SERVICE_TOKEN_PREFIX, TOKEN_BYTES, opaque_token
from sync_server.kit.claims import token_hash
from sync_server.kit.instants import instant
from sync_server.kit.pagination import Page, PageRequest, page_of
from sync_server.kit.services import Services
from sync_server.organizers import repository
from sync_server.organizers.callers import OrganizerCaller
from sync_server.organizers.errors import ServiceAccountNotFoundError
from sync_server.organizers.models import ServiceAccount
from sync_server.organizers.rules import stored
from sync_server.organizers.schemas import (
    NewServiceAccount,
    ServiceAccountMade,
    ServiceAccountShown,
)


async def create_service_account(
    caller: OrganizerCaller, services: Services, wanted: NewServiceAccount
) -> ServiceAccountMade:
    token = opaque_token(SERVICE_TOKEN_PREFIX, services.randomness(TOKEN_BYTES))
    now = instant(services.clock.now_ms())
    account = ServiceAccount(
        organizer_id=caller.organizer_id,
        id=services.new_id(),
        name=wanted.name,
        capabilities=stored(wanted.capabilities),
        token_hash=token_hash(token),
        created_by=caller.user_id,
        created_at=now,
        expires_at=now + timedelta(days=wanted.days),
        revoked_at=None,
    )
    await repository.add_service_account(caller.session, account)
    shown = ServiceAccountShown.model_validate(account)
    return ServiceAccountMade(**shown.model_dump(), token=token)


async def list_service_accounts(
    caller: OrganizerCaller, page: PageRequest
) -> Page[ServiceAccountShown]:
    rows = await repository.list_service_accounts(caller.session, caller.organizer_id, page)
    return page_of(rows, page, ServiceAccountShown.model_validate, lambda row: row.id)


async def revoke_service_account(
    caller: OrganizerCaller, services: Services, account_id: UUID
) -> None:
    """Refuse a program's next statement."""
    moment = instant(services.clock.now_ms())
    organizer_id = caller.organizer_id
    if not await repository.revoke_service_account(
        caller.session, organizer_id, account_id, moment
    ):
        raise ServiceAccountNotFoundError
