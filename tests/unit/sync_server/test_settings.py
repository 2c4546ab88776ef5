from typing import Any

import pytest
from pydantic import SecretStr

from sync_server.composition import openid_clients, require_known_sources
from sync_server.settings import (
    Environment,
    Settings,
    UnsafeSettingsError,
    read_settings,
    require_safe,
    setting_faults,
)

SAFE: dict[str, Any] = {
    "environment": "production",
    "database_url": "postgresql+asyncpg://zeraket_login:p@db/zeraket",
    "worker_database_url": "postgresql+asyncpg://zeraket_worker_login:q@db/zeraket",
    "key_file": "/etc/zeraket/master.key",
    "public_url": "https://gate.example.org",
    "mail_url": "smtp://zeraket:p@mail.example.org",
    "google_client_id": "zeraket.apps.googleusercontent.com",
    "google_client_secret": "GOCSPX-s",
}


def test_a_complete_production_starts() -> None:
    assert setting_faults(Settings(**SAFE)) == ()


def test_development_starts_with_nothing_set() -> None:
    assert require_safe(Settings()).environment is Environment.DEVELOPMENT


@pytest.mark.parametrize(
    ("missing", "named"),
    [
        ("database_url", "ZERAKET_DATABASE_URL"),
        ("worker_database_url", "ZERAKET_WORKER_DATABASE_URL"),
        ("key_file", "ZERAKET_KEY_FILE"),
        ("public_url", "ZERAKET_PUBLIC_URL"),
        ("mail_url", "ZERAKET_MAIL_URL"),
        ("google_client_id", "ZERAKET_GOOGLE_CLIENT_SECRET"),
        ("google_client_secret", "ZERAKET_GOOGLE_CLIENT_SECRET"),
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


def test_production_asks_google_and_nobody_else() -> None:
    issuer = "https://accounts.google.com.evil.example"
    (fault,) = setting_faults(Settings(**{**SAFE, "google_issuer": issuer}))
    assert fault.setting == "ZERAKET_GOOGLE_ISSUER"


@pytest.mark.parametrize(
    ("half", "count"),
    [
        ({}, 1),
        ({"google_client_id": None}, 0),
        ({"google_client_secret": None}, 0),
        ({"google_client_id": None, "google_client_secret": None}, 0),
    ],
)
def test_people_sign_in_at_google_where_both_halves_are_there(
    half: dict[str, Any], count: int
) -> None:
    clients = openid_clients(Settings(**{**SAFE, **half}))
    assert [(one.provider, one.client_id) for one in clients] == [
        ("google", "zeraket.apps.googleusercontent.com")
    ] * count


def test_production_refuses_a_worker_that_logs_in_as_requests_do() -> None:
    (fault,) = setting_faults(Settings(**{**SAFE, "worker_database_url": SAFE["database_url"]}))
    assert fault.setting == "ZERAKET_WORKER_DATABASE_URL"


@pytest.mark.parametrize(
    ("endpoint", "faults"),
    [
        ("https://s3.example.org", 0),
        ("http://s3.example.org", 1),
        ("HTTP://s3.example.org", 1),
        ("http://10.0.0.7:9000", 1),
        ("http://127.0.0.1:9000", 0),
        ("http://localhost:9000", 0),
        ("http://[::1]:9000", 0),
        ("http://localhost.example.org", 1),
        ("http%3A%2F%2Fs3.example.org", 1),
    ],
)
def test_production_sends_files_over_no_open_line(endpoint: str, faults: int) -> None:
    url = f"s3://zeraket?endpoint={endpoint}"
    found = setting_faults(Settings(**SAFE, storage_url=url))
    assert [fault.setting for fault in found] == ["ZERAKET_STORAGE_URL"] * faults


def test_development_may_send_files_over_an_open_line() -> None:
    url = "s3://zeraket?endpoint=http://s3.example.org"
    assert require_safe(Settings(storage_url=url)).storage_url == url


@pytest.mark.parametrize(("characters", "faults"), [(31, 1), (32, 0)])
def test_production_refuses_a_short_secret_of_the_outside_timer(
    characters: int, faults: int
) -> None:
    found = setting_faults(Settings(**SAFE, cron_secret=SecretStr("x" * characters)))
    assert [fault.setting for fault in found] == ["ZERAKET_CRON_SECRET"] * faults


@pytest.mark.parametrize(("characters", "faults"), [(31, 1), (32, 0)])
def test_production_refuses_a_short_token_for_metrics(characters: int, faults: int) -> None:
    found = setting_faults(Settings(**SAFE, metrics_token=SecretStr("x" * characters)))
    assert [fault.setting for fault in found] == ["ZERAKET_METRICS_TOKEN"] * faults


@pytest.mark.parametrize(
    ("url", "faults"),
    [
        ("http://127.0.0.1:4318/v1/traces", 0),
        ("https://collector.example.org/v1/traces", 0),
        ("http://collector.example.org/v1/traces", 1),
    ],
)
def test_production_sends_no_traces_over_an_open_line(url: str, faults: int) -> None:
    found = setting_faults(Settings(**SAFE, traces_url=url))
    assert [fault.setting for fault in found] == ["ZERAKET_TRACES_URL"] * faults


def test_secrets_of_webhooks_are_a_json_object(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(
        "ZERAKET_WEBHOOK_SECRETS", '{"pay": ["whsec_new", "whsec_old"], "plain": []}'
    )
    settings = Settings()
    secrets = settings.webhook_secrets
    assert [secret.get_secret_value() for secret in secrets["pay"]] == ["whsec_new", "whsec_old"]
    assert secrets["plain"] == ()
    assert "whsec" not in repr(settings)


@pytest.mark.parametrize("given", ["whsec_secret", '{"pay": "whsec_secret"}', '["whsec_secret"]'])
def test_a_setting_that_cannot_be_read_is_named_and_not_repeated(
    monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    monkeypatch.setenv("ZERAKET_WEBHOOK_SECRETS", given)
    with pytest.raises(UnsafeSettingsError, match=r"(?i)webhook_secrets") as refused:
        read_settings()
    assert "whsec" not in str(refused.value)


def test_webhooks_of_a_source_nobody_knows_are_refused_before_the_start() -> None:
    with pytest.raises(UnsafeSettingsError, match="no source 'nobody'"):
        require_known_sources(Settings(webhook_secrets={"nobody": ()}))


@pytest.mark.parametrize("name", ["database_url", "worker_database_url", "migration_database_url"])
@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+asyncpg"])
def test_a_database_is_named_as_postgresql_names_it(name: str, scheme: str) -> None:
    place = "://zeraket_login:p%40@db:5432/zeraket?application_name=postgres://x"
    url = getattr(Settings.model_validate({name: scheme + place}), name)
    assert url.get_secret_value() == "postgresql+asyncpg" + place


def test_secrets_do_not_show() -> None:
    keys = {"master_key": "ab" * 32, "storage_secret_key": "cd" * 20}
    shown = repr(Settings(**{**SAFE, **keys}))
    assert "abab" not in shown
    assert "cdcd" not in shown
    assert ":p@" not in shown
    assert "GOCSPX" not in shown
    assert ":q@" not in shown
