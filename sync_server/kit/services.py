"""What every part of the server is handed: the composition root fills it, requests find it, nobody
looks further.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final, cast
from uuid import UUID

from fastapi import Depends, Request
from opentelemetry.trace import NoOpTracer, Tracer
from pydantic import SecretStr

from shared.clock import Clock
from shared.ids import UUID7_RANDOMNESS_BYTES, new_uuid7
from sync_server.kit.database import Database
from sync_server.kit.jobs import Jobs
from sync_server.kit.keys import KeySealer
from sync_server.kit.mail import MailSender
from sync_server.kit.openid_client import OpenidClient
from sync_server.kit.storage import FolderStorage, ObjectStorage

OBJECTS_FOLDER_NAME: Final = "objects"
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
    jobs: Jobs
    anchor_directory: Path | None = None
    cron_secret: SecretStr | None = None
    metrics_token: SecretStr | None = None
    requests_per_minute: int = 0
    """Of one caller to this process; 0 is any number."""
    tracer: Tracer = field(default_factory=NoOpTracer)
    webhook_secrets: Mapping[str, tuple[SecretStr, ...]] = field(default_factory=dict)
    openid_clients: tuple[OpenidClient, ...] = ()
    object_storage: ObjectStorage | None = None
    """Without one, objects are files below the data directory."""
    parts: Mapping[type[Any], object] = field(default_factory=dict)
    """What single domains are handed beside all this, by its type: the kit does not know it."""

    @property
    def storage(self) -> ObjectStorage:
        return self.object_storage or FolderStorage(self.data_directory / OBJECTS_FOLDER_NAME)

    def new_id(self) -> UUID:
        return new_uuid7(self.clock.now_ms(), self.randomness(UUID7_RANDOMNESS_BYTES))


def get_services(request: Request) -> Services:
    return cast("Services", request.app.state.services)


ServicesDependency = Annotated[Services, Depends(get_services)]
