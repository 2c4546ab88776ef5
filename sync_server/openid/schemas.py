"""What signing in at a provider looks like over HTTP."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from sync_server.identity.rules import Language
from sync_server.identity.schemas import Digits, Token

_CODE_CHARACTERS_MAX = 2_000
_URL_CHARACTERS_MAX = 500

Code = Annotated[SecretStr, Field(min_length=1, max_length=_CODE_CHARACTERS_MAX)]


class OpenidProviderShown(BaseModel):
    """`id` stands in paths, `name` on a button."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    name: str


class OpenidProvidersShown(BaseModel):
    items: list[OpenidProviderShown]


class NewOpenidRequest(BaseModel):
    """`language` is the reader's: for the provider's pages, and for a new account."""

    model_config = ConfigDict(extra="forbid")

    language: Language = Language.ENGLISH


class OpenidRequestMade(BaseModel):
    """Keep `flow_token` in the browser that follows `authorization_url`; it is shown once."""

    authorization_url: str
    flow_token: str
    expires_at: datetime


class OpenidAnswer(BaseModel):
    """`code`, `state` and, where it is there, `iss` from the address the provider sent the browser
    back to; `flow_token` is what this browser kept.
    """

    model_config = ConfigDict(extra="forbid")

    code: Code
    state: Token
    flow_token: Token
    iss: Annotated[str, Field(max_length=_URL_CHARACTERS_MAX)] | None = None


class NewOpenidSession(OpenidAnswer):
    """Whoever has a second factor repeats the call with its digits."""

    device_token: Token | None = None
    code_of_second_factor: Digits | None = None


class IdentityShown(BaseModel):
    """`address` is what the provider called it when it was last used."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    provider: str
    address: str
    created_at: datetime
    last_used_at: datetime
