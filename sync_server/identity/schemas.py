"""What people look like over HTTP."""

from uuid import UUID

from pydantic import BaseModel


class Me(BaseModel):
    user_id: UUID
    display_name: str


class SessionsEnded(BaseModel):
    sessions_ended: int
