"""What `zeraket-server sandbox NAME` does: starts a stand-in for somebody else's service, on this
machine, for development.
"""

import argparse
import secrets
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import uvicorn
from starlette.types import ASGIApp

from shared.clock import system_clock
from sync_server.sandboxes import airtel, flutterwave, mtn, pesapal
from sync_server.sandboxes.engine import FLOAT, Engine
from sync_server.sandboxes.openid_provider import (
    CLIENT_ID,
    CLIENT_SECRET,
    OpenidSandbox,
    create_sandbox_app,
)
from sync_server.sandboxes.openid_tokens import Forgery
from sync_server.sandboxes.safety import refuse_in_production
from sync_server.settings import SettingFault, Settings, UnsafeSettingsError

HOST: Final = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Stand:
    """An application to serve, and the settings that point the server at it."""

    app: ASGIApp
    settings: Mapping[str, str]

    def __str__(self) -> str:
        lines = (f"{variable}={value}" for variable, value in self.settings.items())
        return "\n".join(("Start the server with:", *lines))


@dataclass(frozen=True, slots=True)
class Sandbox:
    purpose: str
    port: int
    add_arguments: Callable[[argparse.ArgumentParser], None]
    build: Callable[[Settings, argparse.Namespace, str], Stand]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    names = parser.add_subparsers(dest="name", required=True)
    for name, sandbox in _SANDBOXES.items():
        command = names.add_parser(name, help=sandbox.purpose, description=sandbox.purpose)
        command.add_argument("--port", type=int, default=sandbox.port, help="port to listen on")
        sandbox.add_arguments(command)


def serve(settings: Settings, arguments: argparse.Namespace, say: Callable[[str], None]) -> None:
    """Serve until stopped, on a port that is open when its settings are said. Raises
    UnsafeSettingsError in production, and OSError where the port is taken.
    """
    with socket.create_server((HOST, arguments.port)) as listener:
        address = f"http://{HOST}:{listener.getsockname()[1]}"
        stand = _SANDBOXES[arguments.name].build(settings, arguments, address)
        say(str(stand))
        config = uvicorn.Config(stand.app, access_log=False, log_level="warning")
        uvicorn.Server(config).run(sockets=[listener])


def _add_openid_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--forge", type=Forgery, choices=list(Forgery), help="how the provider lies"
    )


def _build_openid(settings: Settings, arguments: argparse.Namespace, address: str) -> Stand:
    redirect_uris = frozenset((f"{settings.public_url}/sign-in/google",))
    sandbox = OpenidSandbox(system_clock(), secrets.token_bytes, redirect_uris)
    sandbox.forgery = arguments.forge
    pointers = {
        "ZERAKET_GOOGLE_ISSUER": address,
        "ZERAKET_GOOGLE_CLIENT_ID": CLIENT_ID,
        "ZERAKET_GOOGLE_CLIENT_SECRET": CLIENT_SECRET,
    }
    return Stand(create_sandbox_app(settings, sandbox), pointers)


def _add_payer_argument(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--approve", action="store_true", help="let payers say yes by themselves, at once"
    )


def _add_network_arguments(command: argparse.ArgumentParser) -> None:
    _add_payer_argument(command)
    command.add_argument(
        "--float", type=int, default=FLOAT, help="what its float holds before any disbursement"
    )


def _engine_of_network(arguments: argparse.Namespace) -> Engine:
    return Engine(approves_by_itself=arguments.approve, opening_float=arguments.float)


def _build_pesapal(settings: Settings, arguments: argparse.Namespace, address: str) -> Stand:
    refuse_in_production(settings)
    engine = Engine(approves_by_itself=arguments.approve)
    pointers = {
        "ZERAKET_PESAPAL_BASE_URL": address,
        "ZERAKET_PESAPAL_CONSUMER_KEY": pesapal.CONSUMER_KEY,
        "ZERAKET_PESAPAL_CONSUMER_SECRET": pesapal.CONSUMER_SECRET,
    }
    return Stand(pesapal.PesapalSandbox(engine, system_clock()).app(), pointers)


def _build_flutterwave(settings: Settings, arguments: argparse.Namespace, address: str) -> Stand:
    refuse_in_production(settings)
    engine = Engine(approves_by_itself=arguments.approve)
    engine.webhook_url = f"{settings.public_url}/api/public/payments/flutterwave"
    pointers = {
        "ZERAKET_FLUTTERWAVE_BASE_URL": f"{address}/v3",
        "ZERAKET_FLUTTERWAVE_SECRET_KEY": flutterwave.SECRET_KEY,
        "ZERAKET_FLUTTERWAVE_WEBHOOK_SECRET": flutterwave.WEBHOOK_SECRET,
    }
    return Stand(flutterwave.FlutterwaveSandbox(engine, system_clock()).app(), pointers)


def _build_airtel(settings: Settings, arguments: argparse.Namespace, address: str) -> Stand:
    refuse_in_production(settings)
    engine = _engine_of_network(arguments)
    engine.webhook_url = f"{settings.public_url}/api/public/payments/airtel"
    pointers = {
        "ZERAKET_AIRTEL_BASE_URL": address,
        "ZERAKET_AIRTEL_COUNTRY": "UG",
        "ZERAKET_AIRTEL_CLIENT_ID": airtel.CLIENT_ID,
        "ZERAKET_AIRTEL_CLIENT_SECRET": airtel.CLIENT_SECRET,
        "ZERAKET_AIRTEL_CALLBACK_KEY": airtel.CALLBACK_KEY,
        "ZERAKET_AIRTEL_DISBURSEMENT_PIN": airtel.PIN,
    }
    return Stand(airtel.AirtelSandbox(engine, system_clock()).app(), pointers)


def _add_bank_arguments(command: argparse.ArgumentParser) -> None:
    _add_payer_argument(command)
    command.add_argument(
        "--folder", type=Path, default=Path("bank"), help="the folder shared with its customer"
    )


def _build_bank(settings: Settings, arguments: argparse.Namespace, _address: str) -> Stand:
    refuse_in_production(settings)
    try:
        # It holds files against schemas that a server needs nowhere else.
        from sync_server.sandboxes import bank  # noqa: PLC0415
    except ModuleNotFoundError as error:
        fault = SettingFault(error.name or "a package", "install the extra `sandboxes` as well")
        raise UnsafeSettingsError((fault,)) from None
    folder = arguments.folder.resolve()
    engine = Engine(approves_by_itself=arguments.approve)
    sandbox = bank.BankSandbox(engine, system_clock(), folder)
    pointers = {
        "ZERAKET_BANK_FOLDER": str(folder),
        "ZERAKET_BANK_ACCOUNT": bank.ACCOUNT,
        "ZERAKET_BANK_BIC": bank.BIC,
        "ZERAKET_BANK_CURRENCY": bank.CURRENCY,
        "ZERAKET_BANK_HOLDER": bank.HOLDER,
    }
    return Stand(sandbox.app(), pointers)


def _build_mtn(settings: Settings, arguments: argparse.Namespace, address: str) -> Stand:
    refuse_in_production(settings)
    engine = _engine_of_network(arguments)
    keys = mtn.SUBSCRIPTION_KEYS
    pointers = {
        "ZERAKET_MTN_BASE_URL": address,
        "ZERAKET_MTN_COLLECTION_SUBSCRIPTION_KEY": keys["collection"],
        "ZERAKET_MTN_COLLECTION_API_USER": mtn.API_USER,
        "ZERAKET_MTN_COLLECTION_API_KEY": mtn.API_KEY,
        "ZERAKET_MTN_DISBURSEMENT_SUBSCRIPTION_KEY": keys["disbursement"],
        "ZERAKET_MTN_DISBURSEMENT_API_USER": mtn.API_USER,
        "ZERAKET_MTN_DISBURSEMENT_API_KEY": mtn.API_KEY,
    }
    return Stand(mtn.MtnSandbox(engine, system_clock()).app(), pointers)


_SANDBOXES: Final[Mapping[str, Sandbox]] = {
    "openid": Sandbox("stand in for Google's sign-in", 8090, _add_openid_arguments, _build_openid),
    "pesapal": Sandbox("stand in for Pesapal", 8094, _add_payer_argument, _build_pesapal),
    "flutterwave": Sandbox(
        "stand in for Flutterwave", 8095, _add_payer_argument, _build_flutterwave
    ),
    "airtel": Sandbox("stand in for Airtel Money", 8092, _add_network_arguments, _build_airtel),
    "bank": Sandbox("stand in for a bank", 8093, _add_bank_arguments, _build_bank),
    "mtn": Sandbox("stand in for MTN MoMo", 8091, _add_network_arguments, _build_mtn),
}
