from typing import Any

import pytest
from pydantic import SecretStr

from sync_server.settings import (
    Environment,
    Settings,
    UnsafeSettingsError,
    require_safe,
    setting_faults,
)

SAFE: dict[str, Any] = {
    "environment": "production",
    "database_url": "postgresql+asyncpg://zeraket_login:p@db/zeraket",
    "key_file": "/etc/zeraket/master.key",
    "public_url": "https://gate.example.org",
    "mail_url": "smtp://zeraket:p@mail.example.org",
}


def test_a_complete_production_starts() -> None:
    assert setting_faults(Settings(**SAFE)) == ()


def test_development_starts_with_nothing_set() -> None:
    assert require_safe(Settings()).environment is Environment.DEVELOPMENT


@pytest.mark.parametrize(
    ("missing", "named"),
    [
        ("database_url", "ZERAKET_DATABASE_URL"),
        ("key_file", "ZERAKET_KEY_FILE"),
        ("public_url", "ZERAKET_PUBLIC_URL"),
        ("mail_url", "ZERAKET_MAIL_URL"),
    ],
)
def test_production_refuses_each_default_by_name(missing: str, named: str) -> None:
    settings = Settings(**{name: value for name, value in SAFE.items() if name != missing})
    with pytest.raises(UnsafeSettingsError) as refused:
        require_safe(settings)
    assert [fault.setting for fault in refused.value.faults] == [named]
    assert len(str(refused.value)) > len(named) + 20


def test_production_refuses_an_address_without_tls() -> None:
    (fault,) = setting_faults(Settings(**{**SAFE, "public_url": "http://gate.example.org"}))
    assert "https://" in fault.remedy


@pytest.mark.parametrize("name", ["database_url", "migration_database_url"])
@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+asyncpg"])
def test_a_database_is_named_as_postgresql_names_it(name: str, scheme: str) -> None:
    place = "://zeraket_login:p%40@db:5432/zeraket?application_name=postgres://x"
    url = getattr(Settings.model_validate({name: scheme + place}), name)
    assert url.get_secret_value() == "postgresql+asyncpg" + place


def test_secrets_do_not_show() -> None:
    shown = repr(Settings(**SAFE, master_key=SecretStr("ab" * 32)))
    assert "abab" not in shown
    assert ":p@" not in shown
