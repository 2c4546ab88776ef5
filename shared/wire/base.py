"""What every message of the sync contract has in common. Versioned by path (`/v1`).

Unknown fields are ignored, so that an older reader survives a newer writer.
"""

from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from typing import Annotated, Any, Final

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
    WithJsonSchema,
)

from shared.errors import ZeraketError
from shared.ids import TicketId, ticket_id_from_hex, ticket_id_to_hex

WIRE_VERSION: Final = 1


class WireModel(BaseModel):
    """An immutable message."""

    model_config = ConfigDict(frozen=True, extra="ignore")


def _bytes_from_text(value: Any) -> Any:  # noqa: ANN401 - a validator sees anything
    if not isinstance(value, str):
        return value
    try:
        return b64decode(value, validate=True)
    except (Base64Error, ValueError) as error:
        message = "not Base64"
        raise ValueError(message) from error


def _text_from_bytes(value: bytes) -> str:
    return b64encode(value).decode("ascii")


def _ticket_id_from_text(value: Any) -> Any:  # noqa: ANN401 - a validator sees anything
    if not isinstance(value, str):
        return value
    try:
        return ticket_id_from_hex(value)
    except ZeraketError as error:
        raise ValueError(str(error)) from error


Base64Bytes = Annotated[
    bytes,
    BeforeValidator(_bytes_from_text),
    PlainSerializer(_text_from_bytes, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "contentEncoding": "base64"}),
]
"""Bytes, as standard Base64 with padding in JSON."""

TicketIdText = Annotated[
    TicketId,
    Field(ge=0, lt=1 << 64),
    BeforeValidator(_ticket_id_from_text),
    PlainSerializer(ticket_id_to_hex, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": "^[0-9a-f]{16}$"}),
]
"""A ticket's id, as 16 hexadecimal digits in JSON, since JavaScript cannot hold 64 bits."""

Sha256Hex = Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]
"""A SHA-256 digest in lower-case hexadecimal, as used in addresses."""
