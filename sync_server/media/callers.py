"""Who calls an endpoint of a bucket: whoever may read it, whoever may write it, and whoever sends a
file, who holds no connection meanwhile.
"""

from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Query

from sync_server.kit.claims import Claims, user_claims
from sync_server.kit.requests import bearer_token
from sync_server.media.errors import BucketNotFoundError, BucketReadOnlyError
from sync_server.media.repository import Place
from sync_server.media.rules import BUCKETS, Bucket
from sync_server.organizers.callers import AnyMember, MemberWith, OrganizerCaller


@dataclass(frozen=True, slots=True)
class BucketCaller(OrganizerCaller):
    """A member, or a program, who may do something with one bucket of their organizer."""

    bucket: Bucket

    @property
    def place(self) -> Place:
        return Place(self.organizer_id, self.bucket)


async def bucket_member(bucket: str, caller: AnyMember) -> BucketCaller:
    try:
        known = Bucket(bucket)
    except ValueError as error:
        raise BucketNotFoundError from error
    return BucketCaller(
        caller.user_id, caller.session, caller.organizer_id, caller.capabilities, known
    )


BucketMember = Annotated[BucketCaller, Depends(bucket_member)]


async def bucket_reader(caller: BucketMember) -> BucketCaller:
    needed = BUCKETS[caller.bucket].read
    if needed is not None:
        MemberWith(needed)(caller)
    return caller


async def bucket_writer(caller: BucketMember) -> BucketCaller:
    needed = BUCKETS[caller.bucket].write
    if needed is None:
        raise BucketReadOnlyError
    MemberWith(needed)(caller)
    return caller


BucketReader = Annotated[BucketCaller, Depends(bucket_reader)]
BucketWriter = Annotated[BucketCaller, Depends(bucket_writer)]


@dataclass(frozen=True, slots=True)
class Sender:
    """Who sends a file, what they call it, and where it goes; `created_by` is empty where the
    server itself does. The claims open a transaction when there is something to write.
    """

    claims: Claims
    place: Place
    created_by: UUID | None
    name: str


async def file_sender(
    caller: BucketWriter,
    token: Annotated[str, Depends(bearer_token)],
    name: Annotated[str, Query(max_length=300)] = "",
) -> Sender:
    # Taking a file in, decoding and storing it takes seconds: the caller's own transaction ends.
    await caller.session.commit()
    return Sender(user_claims(token), caller.place, caller.user_id, name)


FileSender = Annotated[Sender, Depends(file_sender)]
