"""The rails that settings name: one line for each provider, and what is wrong with a line that is
there by half.
"""

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import httpx
from pydantic import SecretStr

from shared.clock import Clock
from sync_server.payments.ports import Collector, Disburser
from sync_server.payments.providers.airtel import Airtel, AirtelConfiguration
from sync_server.payments.providers.bank.books import StatementStore
from sync_server.payments.providers.bank.channels import FolderChannel
from sync_server.payments.providers.bank.intake import BankIntake
from sync_server.payments.providers.bank.rail import Bank, BankConfiguration
from sync_server.payments.providers.bank.transfers import BankAccount
from sync_server.payments.providers.calls import Line
from sync_server.payments.providers.flutterwave import Flutterwave, FlutterwaveConfiguration
from sync_server.payments.providers.mtn import Mtn, MtnConfiguration, MtnProduct
from sync_server.payments.providers.pesapal import SANDBOX_URL, Pesapal, PesapalConfiguration
from sync_server.payments.rails import PaymentRails
from sync_server.payments.rules import Provider
from sync_server.settings import SettingFault, Settings, UnsafeSettingsError, is_loopback

_SANDBOX: Final = "sandbox"
_TEST_KEY: Final = "FLWSECK_TEST"


@dataclass(frozen=True, slots=True)
class Means:
    """What clients are made of: the settings, one pool of connections for all, the time, and where
    a bank's files are kept.
    """

    settings: Settings
    client: httpx.AsyncClient
    clock: Clock
    book: StatementStore

    def line_to(self, provider: Provider) -> Line:
        address: str = getattr(self.settings, RAILS[provider].address)
        return Line(provider.value, self.client, address)


@dataclass(frozen=True, slots=True)
class Rail:
    """How a provider's client is made. `address` is its base URL, or its folder where it is not
    called; all of `needed` must be there with it. `is_live` says whether what they name moves real
    money, as no host of `sandbox_hosts` does, and `pays_out` whether it sends any.
    """

    address: str
    needed: tuple[str, ...]
    build: Callable[[Means], Collector]
    sandbox_hosts: frozenset[str | None] = frozenset()
    is_live: Callable[[Settings], bool] = lambda _: True
    pays_out: Callable[[Settings], bool] = lambda _: False
    is_called: bool = True


def _mtn(means: Means) -> Collector:
    settings, line = means.settings, means.line_to(Provider.MTN)
    collection = MtnProduct(
        secret_of(settings.mtn_collection_subscription_key),
        settings.mtn_collection_api_user or "",
        secret_of(settings.mtn_collection_api_key),
    )
    disbursement = MtnProduct(
        secret_of(settings.mtn_disbursement_subscription_key),
        settings.mtn_disbursement_api_user or "",
        secret_of(settings.mtn_disbursement_api_key),
    )
    configuration = MtnConfiguration(
        line.base_url, settings.mtn_target_environment, collection, disbursement
    )
    return Mtn(configuration, line, means.clock)


def _pesapal(means: Means) -> Collector:
    settings, line = means.settings, means.line_to(Provider.PESAPAL)
    configuration = PesapalConfiguration(
        line.base_url,
        secret_of(settings.pesapal_consumer_key),
        secret_of(settings.pesapal_consumer_secret),
    )
    return Pesapal(configuration, line, means.clock)


def _airtel(means: Means) -> Collector:
    settings, line = means.settings, means.line_to(Provider.AIRTEL)
    configuration = AirtelConfiguration(
        line.base_url,
        settings.airtel_country,
        secret_of(settings.airtel_client_id),
        secret_of(settings.airtel_client_secret),
        disbursement_pin=secret_of(settings.airtel_disbursement_pin),
        callback_key=secret_of(settings.airtel_callback_key),
        path_prefix=settings.airtel_path_prefix,
        signs=settings.airtel_signs,
    )
    return Airtel(configuration, line, means.clock, secrets.token_bytes)


def _flutterwave(means: Means) -> Collector:
    settings, line = means.settings, means.line_to(Provider.FLUTTERWAVE)
    configuration = FlutterwaveConfiguration(
        line.base_url,
        secret_of(settings.flutterwave_secret_key),
        secret_of(settings.flutterwave_webhook_secret),
    )
    return Flutterwave(configuration, line, means.clock)


def _bank(means: Means) -> Collector:
    settings = means.settings
    account = BankAccount(
        number=settings.bank_account or "",
        currency=settings.bank_currency or "",
        holder=settings.bank_holder or "",
        bic=settings.bank_bic or "",
        eft_max=settings.bank_eft_max,
    )
    configuration = BankConfiguration({account.currency: account})
    return Bank(configuration, _channel(settings), means.book, means.clock)


def _channel(settings: Settings) -> FolderChannel:
    return FolderChannel(settings.bank_folder or Path())


RAILS: Final[Mapping[Provider, Rail]] = {
    Provider.AIRTEL: Rail(
        address="airtel_base_url",
        needed=("airtel_client_id", "airtel_client_secret"),
        build=_airtel,
        is_live=lambda settings: not settings.airtel_path_prefix,
        sandbox_hosts=frozenset({"openapiuat.airtel.africa", "openapiuat.airtel.ug"}),
        pays_out=lambda settings: settings.airtel_disbursement_pin is not None,
    ),
    Provider.BANK: Rail(
        address="bank_folder",
        needed=("bank_account", "bank_bic", "bank_currency", "bank_holder"),
        build=_bank,
        pays_out=lambda _: True,
        is_called=False,
    ),
    Provider.FLUTTERWAVE: Rail(
        address="flutterwave_base_url",
        needed=("flutterwave_secret_key", "flutterwave_webhook_secret"),
        build=_flutterwave,
        # One address for both: only the key tells.
        is_live=lambda settings: _TEST_KEY not in secret_of(settings.flutterwave_secret_key),
    ),
    Provider.PESAPAL: Rail(
        address="pesapal_base_url",
        needed=("pesapal_consumer_key", "pesapal_consumer_secret"),
        build=_pesapal,
        sandbox_hosts=frozenset({urlsplit(SANDBOX_URL).hostname}),
    ),
    Provider.MTN: Rail(
        address="mtn_base_url",
        needed=(
            "mtn_collection_subscription_key",
            "mtn_collection_api_user",
            "mtn_collection_api_key",
            "mtn_disbursement_subscription_key",
            "mtn_disbursement_api_user",
            "mtn_disbursement_api_key",
        ),
        build=_mtn,
        is_live=lambda settings: settings.mtn_target_environment != _SANDBOX,
        pays_out=lambda _: True,
    ),
}


def secret_of(setting: SecretStr | None) -> str:
    return "" if setting is None else setting.get_secret_value()


def configured(settings: Settings) -> tuple[Provider, ...]:
    """The providers whose address is set."""
    return tuple(
        provider for provider, rail in RAILS.items() if getattr(settings, rail.address) is not None
    )


def rail_faults(settings: Settings) -> tuple[SettingFault, ...]:
    """Say what keeps the rails that are named from working, or from moving real money where real
    people pay.
    """
    return tuple(
        fault
        for rail in RAILS.values()
        for fault in (*_missing(settings, rail), *_unsafe(settings, rail))
    )


def _missing(settings: Settings, rail: Rail) -> Sequence[SettingFault]:
    names = (rail.address, *rail.needed)
    given = [name for name in names if getattr(settings, name) is not None]
    if not given:
        return ()
    remedy = f"give it as well, or leave {_variable(given[0])} out"
    return [SettingFault(_variable(name), remedy) for name in names if name not in given]


def _unsafe(settings: Settings, rail: Rail) -> Sequence[SettingFault]:
    address: str | None = getattr(settings, rail.address)
    if address is None or not settings.is_production or not rail.is_called:
        return ()
    place = urlsplit(address)
    host = place.hostname or ""
    if place.scheme != "https" or is_loopback(host):
        remedy = "production pays over https:// with the provider itself"
        return [SettingFault(_variable(rail.address), remedy)]
    if _SANDBOX in host or host in rail.sandbox_hosts or not rail.is_live(settings):
        remedy = "a sandbox moves no money; production needs the provider's live address and keys"
        return [SettingFault(_variable(rail.address), remedy)]
    return ()


def _variable(name: str) -> str:
    return f"ZERAKET_{name.upper()}"


def make_folders(settings: Settings) -> None:
    """Make what a bank's folder lacks; raises UnsafeSettingsError where that cannot be."""
    if settings.bank_folder is None:
        return
    try:
        _channel(settings).make_folders()
    except OSError as error:
        remedy = f"its folders cannot be made ({type(error).__name__}); check rights and disk"
        fault = SettingFault("ZERAKET_BANK_FOLDER", remedy)
        raise UnsafeSettingsError((fault,)) from error


def open_rails(means: Means) -> PaymentRails:
    """Make a client for every provider that is configured."""
    settings = means.settings
    clients = {provider: RAILS[provider].build(means) for provider in configured(settings)}
    disbursers = {
        provider: made
        for provider, made in clients.items()
        if isinstance(made, Disburser) and RAILS[provider].pays_out(settings)
    }
    intake = BankIntake(_channel(settings), means.book) if Provider.BANK in clients else None
    return PaymentRails(clients, disbursers, intake)
