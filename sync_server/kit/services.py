"""What every part of the server is handed: the composition root fills it, requests find it, nobody
looks further.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, cast
from uuid import UUID

from fastapi import Depends, Request

from shared.clock import Clock
from shared.ids import UUID7_RANDOMNESS_BYTES, new_uuid7
from sync_server.kit.database import Database
from sync_server.kit.keys import KeySealer
from sync_server.kit.mail import MailSender

Randomness = Callable[[int], bytes]


@dataclass(frozen=True, slots=True)
class Services:
    """Collaborators and the few settings that domains need; tests build one with what they
    control.
    """

    database: Database
    key_sealer: KeySealer
    clock: Clock
    randomness: Randomness
    public_url: str
    data_directory: Path
    mail: MailSender
    anchor_directory: Path | None = None

    def new_id(self) -> UUID:
        return new_uuid7(self.clock.now_ms(), self.randomness(UUID7_RANDOMNESS_BYTES))


def get_services(request: Request) -> Services:
    return cast("Services", request.app.state.services)


ServicesDependency = Annotated[Services, Depends(get_services)]
