"""How long tests wait for a provider: as long as a busy machine takes, and no longer than need be
for what never comes.
"""

from collections.abc import Awaitable, Callable

import httpx

from sync_server.payments.providers.calls import time_limits
from sync_server.sandboxes.engine import Dial, Fault

_SILENCE_MILLISECONDS = 400
"""How long an answer is waited for that is known never to come."""


def impatient_with_silence(dial: Dial) -> Callable[[httpx.Request], Awaitable[None]]:
    """Wait shortly for what will be silent, and for every other answer as long as a busy machine
    takes.
    """
    short = time_limits(_SILENCE_MILLISECONDS).as_dict()
    usual = time_limits().as_dict()

    async def shorten(request: httpx.Request) -> None:
        # A browser that opens a provider's page waits longer by itself.
        is_call = request.extensions["timeout"] == usual
        if is_call and any(Fault.SLOW_ANSWER in coming for coming in dial._coming.values()):
            request.extensions["timeout"] = short

    return shorten
