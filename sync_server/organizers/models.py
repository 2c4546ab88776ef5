"""Tables of organizers and of who may do what for them."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ARRAY, Text
from sqlalchemy.orm import Mapped, mapped_column

from sync_server.kit.models import Base


class Organizer(Base):
    __tablename__ = "organizers"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str]
    created_by: Mapped[UUID]
    created_at: Mapped[datetime]


class OrganizerMember(Base):
    __tablename__ = "organizer_members"

    organizer_id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UUID] = mapped_column(primary_key=True)
    capabilities: Mapped[list[str]] = mapped_column(ARRAY(Text))
    created_at: Mapped[datetime]
