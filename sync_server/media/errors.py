"""Refusals of the media domain."""

from collections.abc import Iterable

from sync_server.kit.problems import ForbiddenError, NotFoundError, ProblemError


class BucketNotFoundError(NotFoundError):
    code = "bucket_not_found"
    title = "There is no such bucket"


class BucketReadOnlyError(ForbiddenError):
    code = "bucket_read_only"
    title = "Only the server itself puts files into this bucket"


class ObjectNotFoundError(NotFoundError):
    code = "object_not_found"
    title = "There is no such file, or it was deleted"


class UploadTooLargeError(ProblemError):
    status = 413
    code = "upload_too_large"
    title = "This file is larger than its bucket takes"

    def __init__(self, size_bytes_max: int) -> None:
        super().__init__(extra={"size_bytes_max": size_bytes_max})


class UploadEmptyError(ProblemError):
    status = 422
    code = "upload_empty"
    title = "The file is empty"


class UploadBrokenOffError(ProblemError):
    status = 400
    code = "upload_broken_off"
    title = "The connection ended before the file did"


class MediaTypeRefusedError(ProblemError):
    """What was announced does not count: the file itself says what it is."""

    status = 415
    code = "media_type_refused"
    title = "This bucket does not take files of this kind"

    def __init__(self, found: str | None, allowed: Iterable[str]) -> None:
        super().__init__(extra={"found": found, "allowed": sorted(allowed)})


class DocumentBrokenError(ProblemError):
    status = 422
    code = "document_broken"
    title = "This document does not begin and end as one of its kind does"


class PictureBrokenError(ProblemError):
    status = 422
    code = "picture_broken"
    title = "This picture is damaged or not complete"


class PictureTooLargeError(ProblemError):
    status = 422
    code = "picture_too_large"
    title = "This picture has more pixels than the server takes"

    def __init__(self, pixels_max: int, side_max: int) -> None:
        super().__init__(extra={"pixels_max": pixels_max, "side_max": side_max})


class PictureAnimatedError(ProblemError):
    status = 422
    code = "picture_animated"
    title = "Moving pictures are not taken; send a still one"


class SignatureInvalidError(ForbiddenError):
    code = "signature_invalid"
    title = "This address was not made by this server, or was changed"


class AddressExpiredError(ProblemError):
    status = 410
    code = "address_expired"
    title = "This address was good for a few minutes only; ask for a new one"
