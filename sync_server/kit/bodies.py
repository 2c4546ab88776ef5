"""Bodies that are needed byte for byte, as a signature over them is: read up to a limit, whatever a
header says of their size.
"""

from fastapi import Request

from sync_server.kit.problems import ProblemError


class ContentTooLargeError(ProblemError):
    status = 413
    code = "content_too_large"
    title = "The body is larger than this endpoint takes"


class SignatureInvalidError(ProblemError):
    """One answer for whatever is wrong with it."""

    status = 401
    code = "signature_invalid"
    title = "The signature is missing, wrong or too old"


async def read_body(request: Request, bytes_max: int) -> bytes:
    """Read it whole, or raise ContentTooLargeError without reading further."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > bytes_max:
            raise ContentTooLargeError
    return bytes(body)
