"""What an operator can set, read from the environment (ZERAKET_*); values and their faults,
nothing opened yet.
"""

import os
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

DEFAULT_PUBLIC_URL: Final = "http://127.0.0.1:8080"
DEFAULT_MAIL_FROM: Final = "ZERAKET <no-reply@localhost>"
MASTER_KEY_FILE_NAME: Final = "master.key"
_MAIL_SCHEMES: Final = ("smtp://", "smtps://")
_DRIVEN: Final = "postgresql+asyncpg"
_PLAIN_SCHEMES: Final = frozenset({"postgresql", "postgres"})


class Environment(StrEnum):
    DEVELOPMENT = "development"
    PRODUCTION = "production"


@dataclass(frozen=True, slots=True)
class SettingFault:
    """One setting that cannot stay as it is, and what to do about it."""

    setting: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.setting}: {self.remedy}"


class UnsafeSettingsError(Exception):
    """The server refuses to start; every fault is named with its remedy."""

    def __init__(self, faults: tuple[SettingFault, ...]) -> None:
        super().__init__("\n".join(str(fault) for fault in faults))
        self.faults = faults


def _default_data_directory() -> Path:
    """Root keeps data where PostgreSQL's own user can reach it without opening a home directory."""
    if os.geteuid() == 0:
        return Path("/var/lib/zeraket")
    return Path.home() / ".local" / "share" / "zeraket-server"


class Settings(BaseSettings):
    """Every field is a variable ZERAKET_<NAME>; secrets never show in a representation."""

    model_config = SettingsConfigDict(env_prefix="ZERAKET_", frozen=True, extra="forbid")

    environment: Environment = Environment.DEVELOPMENT
    database_url: SecretStr | None = None
    """URL of the login role (zeraket_login); without it an embedded PostgreSQL is started."""
    migration_database_url: SecretStr | None = None
    """URL of a role that may create roles and schemas; needed by `migrate` only."""
    database_connections_max: int = Field(default=10, ge=1, le=200)
    data_directory: Path = Field(default_factory=_default_data_directory)
    anchor_directory: Path | None = None
    """Where the audit's blocks are written a second time; put it on other storage."""
    master_key: SecretStr | None = None
    """64 hexadecimal digits; seals private keys at rest. Comes before `key_file`."""
    key_file: Path | None = None
    public_url: str = DEFAULT_PUBLIC_URL
    mail_url: SecretStr | None = None
    """smtp:// or smtps:// URL of the server that takes letters; without it they become files."""
    mail_from: str = DEFAULT_MAIL_FROM
    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65535)

    @field_validator("database_url", "migration_database_url")
    @classmethod
    def _name_our_driver(cls, url: SecretStr | None) -> SecretStr | None:
        """Take a URL as PostgreSQL's own tools write it; how it is spoken to is our business."""
        if url is None:
            return None
        scheme, separator, rest = url.get_secret_value().partition("://")
        driven = _DRIVEN if scheme in _PLAIN_SCHEMES else scheme
        return SecretStr(driven + separator + rest)

    @property
    def is_production(self) -> bool:
        return self.environment is Environment.PRODUCTION

    @property
    def master_key_path(self) -> Path:
        return self.key_file or self.data_directory / MASTER_KEY_FILE_NAME


def setting_faults(settings: Settings) -> tuple[SettingFault, ...]:
    """Say what keeps these settings from serving real people; development has no such faults."""
    if not settings.is_production:
        return ()
    rules = (
        (
            settings.database_url is None,
            SettingFault(
                "ZERAKET_DATABASE_URL",
                "the embedded database is for development; give the URL of your own PostgreSQL",
            ),
        ),
        (
            settings.master_key is None and settings.key_file is None,
            SettingFault(
                "ZERAKET_KEY_FILE",
                "a generated key is for development; give a file (mode 0600) with 64 hexadecimal "
                "digits, for example from `openssl rand -hex 32`, or set ZERAKET_MASTER_KEY",
            ),
        ),
        (
            not settings.public_url.startswith("https://"),
            SettingFault(
                "ZERAKET_PUBLIC_URL",
                "give the https:// address under which gates and phones reach this server",
            ),
        ),
        (
            not _is_mail_url(settings.mail_url),
            SettingFault(
                "ZERAKET_MAIL_URL",
                "letters kept in a folder reach nobody; give smtp://USER:PASSWORD@HOST:587 or "
                "smtps://USER:PASSWORD@HOST:465 of your mail server",
            ),
        ),
    )
    return tuple(fault for broken, fault in rules if broken)


def _is_mail_url(url: SecretStr | None) -> bool:
    return url is not None and url.get_secret_value().startswith(_MAIL_SCHEMES)


def require_safe(settings: Settings) -> Settings:
    """Pass settings through, or raise UnsafeSettingsError with every fault."""
    faults = setting_faults(settings)
    if faults:
        raise UnsafeSettingsError(faults)
    return settings
