"""Ways to pay as settings name them."""

from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import ValidationError

from shared.clock import system_clock
from sync_server.composition import require_whole_rails
from sync_server.payments.configured import (
    RAILS,
    Means,
    configured,
    make_folders,
    open_rails,
    rail_faults,
)
from sync_server.payments.ports import Accepted
from sync_server.payments.providers.bank.books import MemoryBook
from sync_server.payments.rules import Provider
from sync_server.settings import Environment, Settings, UnsafeSettingsError

MTN: dict[str, Any] = {
    "mtn_base_url": "https://proxy.momoapi.mtn.com",
    "mtn_target_environment": "mtnuganda",
    "mtn_collection_subscription_key": "a",
    "mtn_collection_api_user": "b",
    "mtn_collection_api_key": "c",
    "mtn_disbursement_subscription_key": "d",
    "mtn_disbursement_api_user": "e",
    "mtn_disbursement_api_key": "f",
}

BANK: dict[str, Any] = {
    "bank_account": "9030001234567",
    "bank_bic": "SBICUGKX",
    "bank_currency": "UGX",
    "bank_holder": "ZERAKET Limited",
}
PESAPAL: dict[str, Any] = {
    "pesapal_base_url": "",
    "pesapal_consumer_key": "key",
    "pesapal_consumer_secret": "secret",
}
AIRTEL: dict[str, Any] = {
    "airtel_base_url": "",
    "airtel_client_id": "client",
    "airtel_client_secret": "secret",
}


async def _offered(settings: Settings) -> tuple[Provider, ...]:
    async with httpx.AsyncClient() as client:
        return open_rails(Means(settings, client, system_clock(), MemoryBook())).offered


async def test_what_is_configured_is_offered_and_nothing_else() -> None:
    assert await _offered(Settings()) == ()
    settings = Settings(**MTN)
    assert configured(settings) == (Provider.MTN,)
    assert await _offered(settings) == (Provider.MTN,)
    assert rail_faults(Settings(**MTN, environment=Environment.PRODUCTION)) == ()


@pytest.mark.parametrize("missing", sorted(MTN.keys() - {"mtn_target_environment"}))
def test_half_a_rail_is_refused_by_the_name_of_what_is_missing(missing: str) -> None:
    settings = Settings(**{name: value for name, value in MTN.items() if name != missing})
    with pytest.raises(UnsafeSettingsError) as refused:
        require_whole_rails(settings)
    assert [fault.setting for fault in refused.value.faults] == [f"ZERAKET_{missing.upper()}"]


@pytest.mark.parametrize(
    "changes",
    [
        {"mtn_base_url": "https://sandbox.momodeveloper.mtn.com"},
        {"mtn_target_environment": "sandbox"},
        {"mtn_base_url": "http://proxy.momoapi.mtn.com"},
        {"mtn_base_url": "https://127.0.0.1:8091"},
        {"mtn_base_url": "https://localhost"},
    ],
)
def test_production_takes_no_play_money(changes: dict[str, str]) -> None:
    terms = {**MTN, **changes}
    (fault,) = rail_faults(Settings(**terms, environment=Environment.PRODUCTION))
    assert fault.setting == "ZERAKET_MTN_BASE_URL"
    assert rail_faults(Settings(**terms)) == ()


@pytest.mark.parametrize(
    ("terms", "live", "sandbox"),
    [
        (
            PESAPAL,
            "https://pay.pesapal.com/v3",
            "https://CYBQA.pesapal.com/pesapalv3/",
        ),
        (AIRTEL, "https://openapi.airtel.ug", "https://openapiuat.airtel.ug"),
        (AIRTEL, "https://openapi.airtel.africa", "https://openapiuat.airtel.africa/"),
    ],
)
def test_production_knows_each_providers_sandbox(
    terms: dict[str, Any], live: str, sandbox: str
) -> None:
    name = next(name for name in terms if name.endswith("_base_url"))
    production = {**terms, "environment": Environment.PRODUCTION}
    (fault,) = rail_faults(Settings(**{**production, name: sandbox}))
    assert fault.setting == f"ZERAKET_{name.upper()}"
    assert rail_faults(Settings(**{**production, name: live})) == ()


def test_every_rail_names_settings_that_there_are() -> None:
    named = {name for rail in RAILS.values() for name in (rail.address, *rail.needed)}
    assert named <= set(Settings.model_fields)


def test_keys_stand_in_no_representation() -> None:
    secrets = {**MTN, "mtn_collection_api_key": "a-real-key", "mtn_disbursement_api_key": "another"}
    assert "a-real-key" not in repr(Settings(**secrets))
    assert "another" not in repr(Settings(**secrets))


async def test_a_bank_is_a_folder_that_pays_out_as_well(tmp_path: Path) -> None:
    folder = tmp_path / "bank"
    settings = Settings(**BANK, bank_folder=folder, environment=Environment.PRODUCTION)
    assert rail_faults(settings) == ()
    make_folders(settings)
    async with httpx.AsyncClient() as client:
        rails = open_rails(Means(settings, client, system_clock(), MemoryBook()))
    assert (rails.offered, list(rails.disbursers)) == ((Provider.BANK,), [Provider.BANK])
    assert rails.intake is not None
    assert await rails.intake.inbox.check() == Accepted()


@pytest.mark.parametrize("missing", ["bank_folder", *BANK])
def test_half_a_bank_is_refused(missing: str, tmp_path: Path) -> None:
    whole = {**BANK, "bank_folder": tmp_path}
    del whole[missing]
    (fault,) = rail_faults(Settings(**whole))
    assert fault.setting == f"ZERAKET_{missing.upper()}"


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "bank").write_text("a file")
    with pytest.raises(UnsafeSettingsError, match="ZERAKET_BANK_FOLDER"):
        make_folders(Settings(**BANK, bank_folder=tmp_path / "bank"))
    make_folders(Settings())


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("bank_bic", "SBIC"),
        ("bank_currency", "ugx"),
        ("bank_account", "9030 00"),
        ("bank_holder", ""),
    ],
)
def test_what_no_bank_would_take_is_refused(name: str, wrong: str) -> None:
    with pytest.raises(ValidationError, match=name):
        Settings(**{**BANK, name: wrong})
