"""What people, sessions and admins look like over HTTP."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, SecretStr, StringConstraints

from sync_server.identity.addresses import EmailAddress
from sync_server.identity.rules import Language

PASSWORD_CHARACTERS_MIN = 12
PASSWORD_CHARACTERS_MAX = 200
TOKEN_CHARACTERS_MAX = 100

# Letters carry the name in their first line: nothing that looks like a second one.
DisplayName = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True, min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f<>]+$"
    ),
]
NewPassword = Annotated[
    SecretStr, Field(min_length=PASSWORD_CHARACTERS_MIN, max_length=PASSWORD_CHARACTERS_MAX)
]
PresentPassword = Annotated[SecretStr, Field(max_length=PASSWORD_CHARACTERS_MAX)]
Token = Annotated[SecretStr, Field(max_length=TOKEN_CHARACTERS_MAX)]


class Me(BaseModel):
    user_id: UUID
    display_name: str


class SessionsEnded(BaseModel):
    sessions_ended: int


class SessionShown(BaseModel):
    """`last_seen_from` is a network, not an address."""

    id: UUID
    device_name: str
    created_at: datetime
    expires_at: datetime
    last_seen_at: datetime
    last_seen_from: str | None
    is_current: bool


Digits = Annotated[str, StringConstraints(pattern=r"^[0-9]{6}$")]


class NewSecondFactor(BaseModel):
    model_config = ConfigDict(extra="forbid")

    present_password: PresentPassword


class SecondFactorMade(BaseModel):
    """Shown once: `uri` is what an authenticator app reads as a QR code, `secret` to type."""

    secret: str
    uri: str


class SecondFactorCode(BaseModel):
    model_config = ConfigDict(extra="forbid")

    code: Digits


class NewSignUp(BaseModel):
    model_config = ConfigDict(extra="forbid")

    address: EmailAddress
    display_name: DisplayName
    language: Language = Language.ENGLISH


class LetterSent(BaseModel):
    """The same whether there was somebody to write to or not."""

    status: str = "accepted"


class ChosenPassword(BaseModel):
    """`token` is what follows `#` in the letter's link; `code` is asked of whoever has a second
    factor.
    """

    model_config = ConfigDict(extra="forbid")

    token: Token
    password: NewPassword
    code: Digits | None = None


class NewSession(BaseModel):
    """`device_token` is what an earlier sign-in on this device answered with; `code` is asked of
    whoever has a second factor.
    """

    model_config = ConfigDict(extra="forbid")

    address: EmailAddress
    password: PresentPassword
    device_token: Token | None = None
    code: Digits | None = None


class SignedInShown(BaseModel):
    """Both tokens are shown once. Keep `device_token` on the device after signing out as well: it
    lets its owner in while strangers try their password.
    """

    user_id: UUID
    token: str
    device_token: str
    expires_at: datetime


class ForgottenPassword(BaseModel):
    model_config = ConfigDict(extra="forbid")

    address: EmailAddress


class PasswordChange(BaseModel):
    model_config = ConfigDict(extra="forbid")

    present_password: PresentPassword
    new_password: NewPassword


class AdminShown(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    user_id: UUID
    display_name: str
    granted_at: datetime


class AdminsShown(BaseModel):
    items: list[AdminShown]
