"""Does the hourly job that lets go of an event's money, by a clock that is some days ahead: nobody
who watches a demonstration waits for the hold to end.
"""

import asyncio
from dataclasses import replace
from typing import Final

from shared.clock import SettableClock, system_clock
from sync_server.composition import open_services
from sync_server.payouts.releases import release_due
from sync_server.payouts.rules import HOLD_DAYS_DEFAULT
from sync_server.settings import read_settings

_DAYS: Final = HOLD_DAYS_DEFAULT + 2
_DAY_MS: Final = 86_400_000


async def main() -> None:
    async with open_services(read_settings()) as services:
        later = SettableClock(system_clock().now_ms() + _DAYS * _DAY_MS)
        await release_due(replace(services, clock=later))


if __name__ == "__main__":
    asyncio.run(main())
