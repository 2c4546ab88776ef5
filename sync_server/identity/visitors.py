"""Where a request comes from: a network and a device's name; neither proves anything."""

from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import Depends, Request

from sync_server.identity.rules import device_name, network_of

USER_AGENT_CHARACTERS_MAX: Final = 500


@dataclass(frozen=True, slots=True)
class Visitor:
    network: str
    device_name: str


def visitor(request: Request) -> Visitor:
    """The address is the proxy's word, where uvicorn was told to trust one."""
    host = request.client.host if request.client else None
    user_agent = request.headers.get("user-agent", "")[:USER_AGENT_CHARACTERS_MAX]
    return Visitor(network_of(host), device_name(user_agent))


VisitorDependency = Annotated[Visitor, Depends(visitor)]
