"""What admins see of jobs over HTTP."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, StringConstraints


class JobState(StrEnum):
    WAITING = "waiting"
    RUNNING = "running"
    DEAD = "dead"


class JobsCounted(BaseModel):
    """Jobs of one name in one state, and how long the oldest has been there."""

    name: str
    state: JobState
    count: int
    oldest_age_seconds: int


class ScheduleShown(BaseModel):
    """`last_source` is `inside` (a worker's timer) or `outside` (a signed call)."""

    name: str
    every_seconds: int
    last_due_at: datetime | None
    last_source: str | None


class JobsShown(BaseModel):
    jobs: list[JobsCounted]
    schedules: list[ScheduleShown]


class DeadJobShown(BaseModel):
    """`reason` names an error's type and place. Secrets are taken out of the payload."""

    id: int
    name: str
    payload: Any
    attempts: int
    reason: str | None
    enqueued_at: datetime
    died_at: datetime


class Discarding(BaseModel):
    model_config = ConfigDict(extra="forbid")

    reason: Annotated[str, StringConstraints(strip_whitespace=True, min_length=3, max_length=500)]
