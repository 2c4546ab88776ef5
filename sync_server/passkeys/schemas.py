"""What passkeys look like over HTTP: our own words, and WebAuthn's where a browser speaks.

A credential is what `PublicKeyCredential.toJSON()` gives (WebAuthn level 3, §5.1.3); members that
are not named here are left unread.
"""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, JsonValue, StringConstraints

from sync_server.identity.rules import SecondFactorKind
from sync_server.identity.schemas import DisplayName, Token

CREDENTIAL_ID_CHARACTERS_MAX = 1364
BINARY_CHARACTERS_MAX = 16_384

CredentialId = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9_-]+$", max_length=CREDENTIAL_ID_CHARACTERS_MAX)
]
Binary = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9_-]+$", max_length=BINARY_CHARACTERS_MAX)
]
"""Base64url without padding."""
Transport = Annotated[str, StringConstraints(min_length=1, max_length=32)]


class AttestationResponse(BaseModel):
    client_data: Binary = Field(alias="clientDataJSON")
    attestation_object: Binary = Field(alias="attestationObject")
    transports: list[Transport] = Field(default=[], max_length=16)


class AssertionResponse(BaseModel):
    client_data: Binary = Field(alias="clientDataJSON")
    authenticator_data: Binary = Field(alias="authenticatorData")
    signature: Binary
    user_handle: Binary | None = Field(default=None, alias="userHandle")


class RegistrationCredentialJson(BaseModel):
    """What `navigator.credentials.create()` gave."""

    id: CredentialId
    raw_id: CredentialId = Field(alias="rawId")
    type: Literal["public-key"]
    response: AttestationResponse


class AssertionCredentialJson(BaseModel):
    """What `navigator.credentials.get()` gave."""

    id: CredentialId
    raw_id: CredentialId = Field(alias="rawId")
    type: Literal["public-key"]
    response: AssertionResponse


class RegistrationBegun(BaseModel):
    """`options` is for `PublicKeyCredential.parseCreationOptionsFromJSON`."""

    registration_id: UUID
    options: dict[str, JsonValue]


class NewPasskey(BaseModel):
    model_config = ConfigDict(extra="forbid")

    registration_id: UUID
    name: DisplayName
    credential: RegistrationCredentialJson


class PasskeyName(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: DisplayName


class PasskeyShown(BaseModel):
    """`is_synced`: its owner's account elsewhere has a copy, so a lost device does not lose it."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    name: str
    created_at: datetime
    last_used_at: datetime | None
    is_synced: bool


class ChallengeMade(BaseModel):
    """`options` is for `PublicKeyCredential.parseRequestOptionsFromJSON`, and names nobody."""

    challenge_id: UUID
    options: dict[str, JsonValue]


class PasskeyProof(BaseModel):
    model_config = ConfigDict(extra="forbid")

    challenge_id: UUID
    credential: AssertionCredentialJson


class NewPasskeySession(PasskeyProof):
    """`device_token` is what an earlier sign-in on this device answered with."""

    device_token: Token | None = None


class SecurityShown(BaseModel):
    """How somebody signs in. `proved_at` is when this session showed a second factor, and
    `proved_by` which; both are null where it showed none.
    """

    has_password: bool
    totp: bool
    passkeys: int
    is_admin: bool
    proved_at: datetime | None
    proved_by: SecondFactorKind | None
