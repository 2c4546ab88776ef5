"""The command line: serve, migrate, demo-data, token, admin, openapi, doctor. Prints answers,
logs to standard error.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final
from uuid import UUID

import uvicorn

from sync_server import doctor
from sync_server.app import create_app
from sync_server.audit import commands as audit
from sync_server.audit.sealing import keep_sealing
from sync_server.composition import load_master_keys, migrate_configured, open_services
from sync_server.demo import TICKETS_DEFAULT, DemoData, create_demo_data
from sync_server.deployments.stale_sessions import watch_stale_sessions
from sync_server.identity import roles
from sync_server.identity import service as identity
from sync_server.identity.addresses import normalised_address
from sync_server.identity.errors import UserNotFoundError
from sync_server.kit.claims import WORKER
from sync_server.kit.keys import MasterKeyError
from sync_server.kit.logging import configure_logging
from sync_server.settings import Settings, UnsafeSettingsError, require_safe
from sync_server.snapshots.outdated_files import watch_outdated_files

EXIT_OK: Final = 0
EXIT_FAULT: Final = 1
EXIT_SETTINGS: Final = 2
STOPPING_SECONDS_MAX: Final = 3


def _serve(settings: Settings, arguments: argparse.Namespace) -> int:
    require_safe(settings)
    load_master_keys(settings)
    jobs = (watch_stale_sessions, watch_outdated_files, keep_sealing)
    app = create_app(partial(open_services, settings), *jobs)
    host: str = arguments.host or settings.host
    port: int = settings.port if arguments.port is None else arguments.port
    uvicorn.run(
        app,
        host=host,
        port=port,
        access_log=False,
        log_level="warning",
        # Kiosks keep an event stream open: stopping does not wait for them to leave.
        timeout_graceful_shutdown=STOPPING_SECONDS_MAX,
    )
    return EXIT_OK


def _migrate(settings: Settings, _: argparse.Namespace) -> int:
    asyncio.run(migrate_configured(settings))
    _say("The database is at the newest revision.")
    return EXIT_OK


def _demo_data(settings: Settings, arguments: argparse.Namespace) -> int:
    made = asyncio.run(_make_demo_data(settings, arguments.tickets))
    claims: Path | None = arguments.claims
    if claims is not None:
        claims.touch(mode=0o600)
        claims.write_text("".join(f"{ticket.model_dump_json()}\n" for ticket in made.tickets))
    shown = {
        "organizer_id": str(made.organizer_id),
        "event_id": str(made.event_id),
        "deployment_id": str(made.deployment.id),
        "gates": [{"id": str(gate.id), "name": gate.name} for gate in made.gates],
        "tickets": len(made.tickets),
        "enrolment_code": made.code.model_dump(mode="json"),
        "organizer_token": made.token,
    }
    _say(json.dumps(shown))
    return EXIT_OK


async def _make_demo_data(settings: Settings, tickets: int) -> DemoData:
    async with open_services(settings) as services:
        return await create_demo_data(services, tickets)


def _token(settings: Settings, arguments: argparse.Namespace) -> int:
    asyncio.run(_issue_token(settings, arguments.name))
    return EXIT_OK


async def _issue_token(settings: Settings, name: str) -> None:
    async with (
        open_services(settings) as services,
        services.database.transaction(WORKER) as session,
    ):
        user_id = await identity.add_user(session, services, name)
        signed_in = await identity.start_session(session, services, user_id)
    _say(json.dumps({"user_id": str(user_id), "token": signed_in.token}))


def _admin(settings: Settings, arguments: argparse.Namespace) -> int:
    try:
        user_id = asyncio.run(_grant_admin(settings, arguments))
    except (ValueError, UserNotFoundError):
        _complain("Nobody has signed up with this address.")
        return EXIT_FAULT
    _say(json.dumps({"user_id": str(user_id), "role": roles.ADMIN}))
    return EXIT_OK


async def _grant_admin(settings: Settings, arguments: argparse.Namespace) -> UUID:
    address, lost = normalised_address(arguments.address), arguments.lost_second_factor
    async with open_services(settings) as services:
        return await roles.grant_first_admin(services, address, lost_second_factor=lost)


def _openapi(settings: Settings, _: argparse.Namespace) -> int:
    _say(json.dumps(create_app(partial(open_services, settings)).openapi(), indent=2))
    return EXIT_OK


def _doctor(settings: Settings, _: argparse.Namespace) -> int:
    findings = asyncio.run(doctor.examine(settings))
    for finding in findings:
        _say(str(finding))
    return EXIT_OK if all(finding.well for finding in findings) else EXIT_FAULT


def _audit(settings: Settings, arguments: argparse.Namespace) -> int:
    checks = arguments.verb == audit.CHECK
    report = audit.check(arguments) if checks else asyncio.run(_run_audit(settings, arguments))
    for line in report.lines:
        _say(line)
    return EXIT_OK if report.well else EXIT_FAULT


async def _run_audit(settings: Settings, arguments: argparse.Namespace) -> audit.Report:
    async with open_services(settings) as services:
        return await audit.run(services, arguments)


_COMMANDS: Final[dict[str, tuple[str, Callable[[Settings, argparse.Namespace], int]]]] = {
    "serve": ("answer requests until stopped", _serve),
    "migrate": ("bring the database to this program's revision", _migrate),
    "demo-data": ("make an event with tickets and a deployment to play with", _demo_data),
    "token": ("make a person and print a session token for them, once", _token),
    "admin": ("make the person with this address an admin", _admin),
    "openapi": ("print the API's description", _openapi),
    "audit": ("verify the logs, prove a row, check a proof", _audit),
    "doctor": ("check settings, keys, database, clock and disk", _doctor),
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="zeraket-server", description="ZERAKET's server")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, (purpose, _) in _COMMANDS.items():
        command = commands.add_parser(name, help=purpose, description=purpose)
        if name == "serve":
            command.add_argument("--host", help="address to listen on")
            command.add_argument("--port", type=int, help="port to listen on")
        if name == "demo-data":
            command.add_argument(
                "--tickets", type=int, default=TICKETS_DEFAULT, help="how many tickets to issue"
            )
            command.add_argument(
                "--claims", type=Path, help="file for the claim tokens, one JSON line a ticket"
            )
        if name == "audit":
            audit.add_arguments(command)
        if name == "admin":
            command.add_argument("address", help="the address they signed up with")
            command.add_argument(
                "--lost-second-factor", action="store_true", help="let them set up a new one"
            )
        if name == "token":
            command.add_argument("name", help="the person's name")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    parsed = _parser().parse_args(arguments)
    configure_logging()
    try:
        return _COMMANDS[parsed.command][1](Settings(), parsed)
    except UnsafeSettingsError as error:
        _complain("The server does not start with these settings:", *map(str, error.faults))
    except MasterKeyError as error:
        _complain(f"The master key cannot be used: {error}")
    return EXIT_SETTINGS


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")


def _complain(*lines: str) -> None:
    sys.stderr.write("\n  ".join(lines) + "\n")
