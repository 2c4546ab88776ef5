"""What an operator can set, read from the environment (ZERAKET_*); values and their faults,
nothing opened yet.
"""

import os
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import ip_address
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

DEFAULT_PUBLIC_URL: Final = "http://127.0.0.1:8080"
DEFAULT_MAIL_FROM: Final = "ZERAKET <no-reply@localhost>"
GOOGLE_ISSUER: Final = "https://accounts.google.com"
MASTER_KEY_FILE_NAME: Final = "master.key"
_MAIL_SCHEMES: Final = ("smtp://", "smtps://")
_SECRET_CHARACTERS_MIN: Final = 32
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
    worker_database_url: SecretStr | None = None
    """URL of the worker's login role (zeraket_worker_login) in the same database."""
    migration_database_url: SecretStr | None = None
    """URL of a role that may create roles and schemas; needed by `migrate` only."""
    database_connections_max: int = Field(default=10, ge=2, le=200)
    slow_query_milliseconds: int = Field(default=250, ge=0)
    """A statement that takes longer is logged with its plan; 0 logs none."""
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
    google_client_id: str | None = None
    """With its secret: lets people sign in with Google."""
    google_client_secret: SecretStr | None = None
    google_issuer: str = GOOGLE_ISSUER
    storage_url: str | None = None
    """s3://BUCKET?endpoint=https://…&region=…; without it objects are files below the data
    directory."""
    storage_access_key: str | None = None
    storage_secret_key: SecretStr | None = None
    cron_secret: SecretStr | None = None
    """What an outside timer signs its ticks with; without it there is no such endpoint."""
    requests_per_minute: int = Field(default=1_200, ge=0)
    """Of one caller, to one process; ten times as many come from a network without a token.
    0 counts none."""
    metrics_token: SecretStr | None = None
    """What Prometheus shows as a bearer token; without it there is no /metrics."""
    traces_url: str | None = None
    """OTLP/HTTP address of an OpenTelemetry collector, as http://127.0.0.1:4318/v1/traces; without
    it nothing is traced."""
    webhook_secrets: dict[str, tuple[SecretStr, ...]] = Field(default_factory=dict)
    """JSON object: a source of webhooks to its secrets, old ones last; others are not there."""
    mtn_base_url: str | None = None
    """With the keys below: people pay, and organizers are paid, with MTN MoMo."""
    mtn_target_environment: str = "sandbox"
    """`mtnuganda` where the money is real."""
    mtn_collection_subscription_key: SecretStr | None = None
    mtn_collection_api_user: str | None = None
    mtn_collection_api_key: SecretStr | None = None
    mtn_disbursement_subscription_key: SecretStr | None = None
    mtn_disbursement_api_user: str | None = None
    mtn_disbursement_api_key: SecretStr | None = None
    pesapal_base_url: str | None = None
    """With the keys below: people pay on Pesapal's page."""
    pesapal_consumer_key: SecretStr | None = None
    pesapal_consumer_secret: SecretStr | None = None
    airtel_base_url: str | None = None
    """With the client's id and secret: people pay with Airtel Money."""
    airtel_country: str = "UG"
    airtel_client_id: SecretStr | None = None
    airtel_client_secret: SecretStr | None = None
    airtel_disbursement_pin: SecretStr | None = None
    """Without it no organizer is paid this way."""
    airtel_callback_key: SecretStr | None = None
    """The portal's key where callbacks are authenticated."""
    airtel_path_prefix: str = ""
    """`/simulate` on some portals' sandbox."""
    airtel_signs: bool = False
    """Whether Airtel wants this account's calls signed."""
    flutterwave_base_url: str | None = None
    """With the keys below: people pay by card on Flutterwave's page."""
    flutterwave_secret_key: SecretStr | None = None
    flutterwave_webhook_secret: SecretStr | None = None
    """The dashboard's secret hash; webhooks come with it."""
    bank_folder: Path | None = None
    """With the account below: people pay, and organizers are paid, by transfers that a bank's files
    in this folder tell of."""
    bank_account: str | None = Field(default=None, pattern=r"^[A-Za-z0-9]{1,34}$")
    bank_bic: str | None = Field(
        default=None, pattern=r"^[A-Z0-9]{4}[A-Z]{2}[A-Z0-9]{2}([A-Z0-9]{3})?$"
    )
    bank_currency: str | None = Field(default=None, pattern=r"^[A-Z]{3}$")
    bank_holder: str | None = Field(default=None, min_length=1, max_length=140)
    bank_eft_max: int = Field(default=20_000_000, ge=0)
    """The most that the clearing house takes in one transfer, in minor units."""
    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65535)

    @field_validator("database_url", "worker_database_url", "migration_database_url")
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
    def has_half_of_google(self) -> bool:
        return (self.google_client_id is None) != (self.google_client_secret is None)

    @property
    def master_key_path(self) -> Path:
        return self.key_file or self.data_directory / MASTER_KEY_FILE_NAME


HALF_OF_GOOGLE: Final = SettingFault(
    "ZERAKET_GOOGLE_CLIENT_SECRET",
    "give both ZERAKET_GOOGLE_CLIENT_ID and ZERAKET_GOOGLE_CLIENT_SECRET, or neither",
)


def read_settings() -> Settings:
    """Read the environment, or raise UnsafeSettingsError without repeating what stands there."""
    try:
        return Settings()
    except ValidationError as error:
        found = tuple(_fault_of(each["loc"], each["msg"]) for each in error.errors())
        raise UnsafeSettingsError(found) from None
    except SettingsError as error:
        # It names the field and says no more.
        raise UnsafeSettingsError((SettingFault("a setting", str(error)),)) from None


def _fault_of(place: tuple[int | str, ...], message: str) -> SettingFault:
    name = str(place[0]) if place else "settings"
    return SettingFault(f"ZERAKET_{name.upper()}", message)


def setting_faults(settings: Settings) -> tuple[SettingFault, ...]:
    """Say what keeps these settings from serving real people; development has no such faults."""
    if not settings.is_production:
        return ()
    rules = (*_needed(settings), *_forbidden(settings))
    return tuple(fault for broken, fault in rules if broken) + _storage_faults(settings)


def _needed(settings: Settings) -> tuple[tuple[bool, SettingFault], ...]:
    """What development does without."""
    return (
        (
            settings.database_url is None,
            SettingFault(
                "ZERAKET_DATABASE_URL",
                "the embedded database is for development; give the URL of your own PostgreSQL",
            ),
        ),
        (
            settings.database_url is not None and not _has_two_logins(settings),
            SettingFault(
                "ZERAKET_WORKER_DATABASE_URL",
                "requests and the server's own work log in as two roles; give the same database's "
                "URL as zeraket_worker_login",
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


def _forbidden(settings: Settings) -> tuple[tuple[bool, SettingFault], ...]:
    """What is good on a desk only."""
    return (
        (settings.has_half_of_google, HALF_OF_GOOGLE),
        (
            settings.google_issuer != GOOGLE_ISSUER,
            SettingFault(
                "ZERAKET_GOOGLE_ISSUER",
                "another issuer is for development; leave it out, and Google is asked",
            ),
        ),
        (
            _is_guessable(settings.metrics_token),
            SettingFault(
                "ZERAKET_METRICS_TOKEN",
                "give at least 32 random characters, for example from `openssl rand -hex 32`",
            ),
        ),
        (
            not _is_safe_collector(settings.traces_url),
            SettingFault(
                "ZERAKET_TRACES_URL",
                "give a collector on this machine, or an address that begins with https://",
            ),
        ),
        (
            _is_guessable(settings.cron_secret),
            SettingFault(
                "ZERAKET_CRON_SECRET",
                "give at least 32 random characters, for example from `openssl rand -hex 32`",
            ),
        ),
    )


def _storage_faults(settings: Settings) -> tuple[SettingFault, ...]:
    """Files of real people cross no network in the clear."""
    options = parse_qs(urlsplit(settings.storage_url or "").query)
    servers = [urlsplit(endpoint) for endpoint in options.get("endpoint", ())]
    if all(server.scheme != "http" or is_loopback(server.hostname) for server in servers):
        return ()
    return (SettingFault("ZERAKET_STORAGE_URL", "give an endpoint that begins with https://"),)


def _is_safe_collector(url: str | None) -> bool:
    """Statements leave this machine only where nobody reads along."""
    parts = urlsplit(url or "https:")
    return parts.scheme == "https" or is_loopback(parts.hostname)


def is_loopback(host: str | None) -> bool:
    """Say whether a host is this machine by its name or number."""
    try:
        return ip_address(host or "").is_loopback
    except ValueError:
        return host == "localhost"


def _has_two_logins(settings: Settings) -> bool:
    urls = (settings.database_url, settings.worker_database_url)
    names = [urlsplit(url.get_secret_value()).username for url in urls if url is not None]
    return len(set(names)) == len(urls)


def _is_mail_url(url: SecretStr | None) -> bool:
    return url is not None and url.get_secret_value().startswith(_MAIL_SCHEMES)


def _is_guessable(secret: SecretStr | None) -> bool:
    return secret is not None and len(secret.get_secret_value()) < _SECRET_CHARACTERS_MIN


def require_safe(settings: Settings) -> Settings:
    """Pass settings through, or raise UnsafeSettingsError with every fault."""
    faults = setting_faults(settings)
    if faults:
        raise UnsafeSettingsError(faults)
    return settings
