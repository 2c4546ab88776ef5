"""People with addresses and passkeys, invitations and service accounts, without a browser."""

from sync_server.identity.models import UserEmail
from sync_server.identity.rules import UserId
from sync_server.kit.claims import WORKER
from sync_server.kit.instants import instant
from sync_server.kit.services import Services
from sync_server.organizers import invitations, service_accounts
from sync_server.organizers.callers import OrganizerCaller
from sync_server.organizers.schemas import NewInvitation, NewServiceAccount, ServiceAccountMade
from sync_server.passkeys.models import UserPasskey
from tests.factories.authenticators import new_passkey


async def confirm_address(services: Services, user_id: UserId, address: str) -> None:
    """Give a person an address as if its letter had come back."""
    now = instant(services.clock.now_ms())
    async with services.database.transaction(WORKER) as session:
        session.add(UserEmail(user_id=user_id, address=address, verified_at=now))


async def add_passkey(services: Services, user_id: UserId) -> None:
    """Give a person a passkey as if they had registered it."""
    made = new_passkey(user_id.bytes)
    passkey = UserPasskey(
        id=services.new_id(),
        user_id=user_id,
        credential_id=made.credential_id,
        public_key=made.public_key,
        sign_count=0,
        transports=["internal"],
        name="Phone",
        may_be_synced=False,
        is_synced=False,
        created_at=instant(services.clock.now_ms()),
        last_used_at=None,
    )
    async with services.database.transaction(WORKER) as session:
        session.add(passkey)


async def furnish_team(services: Services, caller: OrganizerCaller) -> ServiceAccountMade:
    """An invitation and a service account that sees scans."""
    invited = {"address": "moses@example.org", "capabilities": ["scans.view"]}
    await invitations.invite(caller, services, NewInvitation.model_validate(invited))
    program = {"name": "Scoreboard", "capabilities": ["scans.view"]}
    wanted = NewServiceAccount.model_validate(program)
    return await service_accounts.create_service_account(caller, services, wanted)
