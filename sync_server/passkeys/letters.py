"""Letters that tell an owner what became of their passkeys."""

from sqlalchemy.ext.asyncio import AsyncSession

from sync_server.identity import service as identity
from sync_server.identity.rules import UserId
from sync_server.identity.writing import Occasion, write_letter
from sync_server.kit.mail import Letter


async def write_to_owner(
    session: AsyncSession, user_id: UserId, occasion: Occasion, passkey_name: str
) -> Letter | None:
    """Write to a person's confirmed address; None where they have none. Needs the worker's
    transaction.
    """
    account = await identity.find_account(session, user_id)
    address = await identity.find_address(session, user_id)
    if account is None or address is None:
        return None
    words = {"name": account.display_name, "passkey": passkey_name}
    return write_letter(address, account.language, occasion, **words)
