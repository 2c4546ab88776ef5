"""Programs that act for one organizer: scoped tokens that expire, and that any manager can
revoke.
"""

from datetime import timedelta
from uuid import UUID

from sync_server.audit import service as audit
from sync_server.audit.rules import Action, Subject
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
    made = {
        "name": account.name,
        "capabilities": account.capabilities,
        "expires_at": account.expires_at.isoformat(),
    }
    change = Action("service_account.create", _subject(caller, account.id), after=made)
    await audit.record_action(caller.session, services, change)
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
    change = Action("service_account.revoke", _subject(caller, account_id))
    await audit.record_action(caller.session, services, change)


def _subject(caller: OrganizerCaller, account_id: UUID) -> Subject:
    return Subject("service_account", str(account_id), caller.organizer_id)
