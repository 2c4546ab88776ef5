"""HTTP: an organizer's files, and the two addresses they are fetched from."""

from collections.abc import AsyncIterator
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Query, Request, Response, status
from starlette.requests import ClientDisconnect

from sync_server.kit.delivery import RangeNotSatisfiableError, deliver
from sync_server.kit.pagination import CursorInvalidError, Page, PageDependency
from sync_server.kit.problems import BusyError, RequestInvalidError, problem_responses
from sync_server.kit.requests import AuthenticationRequiredError
from sync_server.kit.routing import ProblemRouter
from sync_server.kit.server_keys import ServerKeysDependency
from sync_server.kit.services import ServicesDependency
from sync_server.kit.storage import StorageUnavailableError
from sync_server.media import errors, opening, service
from sync_server.media.addresses import EXPIRES_MAX, SignedAddress
from sync_server.media.callers import BucketReader, BucketWriter, FileSender
from sync_server.media.rules import BUCKETS
from sync_server.media.schemas import ObjectShown
from sync_server.media.uploads import received
from sync_server.media.workshop import WorkshopDependency
from sync_server.organizers.errors import CapabilityMissingError, OrganizerNotFoundError

router = ProblemRouter(
    prefix="/v1/organizers/{organizer_id}/media/{bucket}",
    tags=["media"],
    responses=problem_responses(
        AuthenticationRequiredError,
        CapabilityMissingError,
        OrganizerNotFoundError,
        errors.BucketNotFoundError,
        RequestInvalidError,
    ),
)
files_router = ProblemRouter(
    tags=["files"],
    responses=problem_responses(
        errors.ObjectNotFoundError,
        RangeNotSatisfiableError,
        RequestInvalidError,
        StorageUnavailableError,
    ),
)
_WRITTEN = problem_responses(errors.BucketReadOnlyError)
_REFUSED = problem_responses(
    errors.UploadTooLargeError,
    errors.UploadEmptyError,
    errors.UploadBrokenOffError,
    errors.MediaTypeRefusedError,
    errors.DocumentBrokenError,
    errors.PictureBrokenError,
    errors.PictureTooLargeError,
    errors.PictureAnimatedError,
    BusyError,
    StorageUnavailableError,
)
_RAW_BODY = {
    "requestBody": {
        "required": True,
        "content": {"*/*": {"schema": {"type": "string", "format": "binary"}}},
    }
}


def signed_address(
    organizer_id: UUID, object_id: UUID, expires: Annotated[int, Query(ge=0, le=EXPIRES_MAX)]
) -> SignedAddress:
    return SignedAddress(organizer_id, object_id, expires)


SignedAddressDependency = Annotated[SignedAddress, Depends(signed_address)]


@router.post(
    "",
    status_code=status.HTTP_201_CREATED,
    responses={
        status.HTTP_200_OK: {"model": ObjectShown, "description": "It was there already"},
        **_WRITTEN,
        **_REFUSED,
    },
    openapi_extra=_RAW_BODY,
)
async def upload_file(
    request: Request,
    sender: FileSender,
    services: ServicesDependency,
    workshop: WorkshopDependency,
    response: Response,
) -> ObjectShown:
    """Send a file as the body; what it is, its content says. The same again is not kept twice."""
    size_bytes_max = BUCKETS[sender.place.bucket].size_bytes_max
    announced = request.headers.get("Content-Length", "")
    if announced.isdecimal() and int(announced) > size_bytes_max:
        raise errors.UploadTooLargeError(size_bytes_max)
    async with received(_body(request), services.data_directory, size_bytes_max) as upload:
        kept = await service.add_file(services, workshop, sender, upload)
    if not kept.is_new:
        response.status_code = status.HTTP_200_OK
    return kept.shown


@router.get("", responses=problem_responses(CursorInvalidError))
async def list_files(
    caller: BucketReader, services: ServicesDependency, page: PageDependency
) -> Page[ObjectShown]:
    return await service.list_objects(caller, services, page)


@router.get("/{object_id}", responses=problem_responses(errors.ObjectNotFoundError))
async def read_file(
    object_id: UUID,
    caller: BucketReader,
    services: ServicesDependency,
    server_keys: ServerKeysDependency,
    response: Response,
) -> ObjectShown:
    """Show a file; `url` of a private one is good for five minutes."""
    response.headers["Cache-Control"] = "private, no-store"
    return await service.read_object(caller, services, server_keys, object_id)


@router.delete(
    "/{object_id}",
    status_code=status.HTTP_204_NO_CONTENT,
    responses={**problem_responses(errors.ObjectNotFoundError), **_WRITTEN},
)
async def remove_file(object_id: UUID, caller: BucketWriter, services: ServicesDependency) -> None:
    """Delete a file: its addresses end at once, whatever copies others kept."""
    await service.remove_object(caller, services, object_id)


@files_router.head("/media/{sha256}.{ending}", include_in_schema=False)
@files_router.get("/media/{sha256}.{ending}", response_class=Response)
async def fetch_public(
    sha256: str, ending: str, request: Request, services: ServicesDependency
) -> Response:
    """Fetch public content; under its hash it never changes."""
    found = await opening.find_public(services, sha256, ending)
    return await deliver(request, found.about, found.open)


@files_router.head("/files/{organizer_id}/{object_id}", include_in_schema=False)
@files_router.get(
    "/files/{organizer_id}/{object_id}",
    response_class=Response,
    responses=problem_responses(errors.SignatureInvalidError, errors.AddressExpiredError),
)
async def fetch_signed(
    request: Request,
    address: SignedAddressDependency,
    signature: Annotated[str, Query(max_length=100)],
    services: ServicesDependency,
    server_keys: ServerKeysDependency,
) -> Response:
    """Fetch a private file from an address that was signed for it."""
    found = await opening.find_signed(services, server_keys, address, signature)
    return await deliver(request, found.about, found.open)


async def _body(request: Request) -> AsyncIterator[bytes]:
    try:
        async for piece in request.stream():
            yield piece
    except ClientDisconnect as error:
        raise errors.UploadBrokenOffError from error
