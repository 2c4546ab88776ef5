"""What the pages' own endpoints take."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints

_ADDRESS_CHARACTERS_MAX = 600


class NewQrCode(BaseModel):
    """`text` is what an authenticator app reads: an `otpauth:` address."""

    model_config = ConfigDict(extra="forbid")

    text: Annotated[
        str, StringConstraints(pattern=r"^otpauth://totp/", max_length=_ADDRESS_CHARACTERS_MAX)
    ]
