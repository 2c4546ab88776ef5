"""The command line of the server. Prints answers, logs to standard error."""

import argparse
import asyncio
import json
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final
from uuid import UUID

from sync_server import doctor
from sync_server.audit import commands as audit
from sync_server.audit.lifetime import record_lifetime
from sync_server.composition import (
    load_master_keys,
    migrate_configured,
    object_storage,
    open_services,
    require_known_sources,
    require_whole_rails,
)
from sync_server.demo import TICKETS_DEFAULT, DemoData, create_demo_data
from sync_server.identity import roles
from sync_server.identity import service as identity
from sync_server.identity.addresses import normalised_address
from sync_server.identity.errors import LastWayInError, UserNotFoundError
from sync_server.kit.claims import WORKER
from sync_server.kit.job_queue import QueueLimits
from sync_server.kit.keys import MasterKeyError
from sync_server.kit.logging import configure_logging
from sync_server.kit.mail import send_quietly
from sync_server.media.orphans import watch_orphans
from sync_server.migrations.runner import head_revision
from sync_server.passkeys import service as passkeys
from sync_server.reconciliation import commands as reconciliation
from sync_server.sandboxes import commands as sandboxes
from sync_server.settings import Settings, UnsafeSettingsError, read_settings, require_safe
from sync_server.snapshots.outdated_files import watch_outdated_files
from sync_server.worker.process import run_until_told, work

if TYPE_CHECKING:
    from sync_server.app import Job

EXIT_OK: Final = 0
EXIT_FAULT: Final = 1
EXIT_SETTINGS: Final = 2
LOST_SECOND_FACTOR: Final = "the operator was told that the second factor is lost"


def _serve(settings: Settings, arguments: argparse.Namespace) -> int:
    _require_startable(settings)
    # The files are this machine's, so their watches are wherever they are served from.
    beside = [watch_outdated_files, watch_orphans, _lifetime()]
    if not arguments.no_worker:
        # Jobs take at most half of the connections that answers need as well.
        limits = QueueLimits(at_once_max=settings.database_connections_max // 2)
        beside.append(partial(work, limits=limits))
    host: str = arguments.host or settings.host
    port: int = settings.port if arguments.port is None else arguments.port
    from sync_server.serving import serve  # noqa: PLC0415

    return EXIT_OK if serve(settings, host, port, beside) else EXIT_FAULT


def _require_startable(settings: Settings) -> None:
    """Refuse in words, before anything is opened."""
    require_safe(settings)
    require_known_sources(settings)
    require_whole_rails(settings)
    load_master_keys(settings)
    object_storage(settings)


def _worker(settings: Settings, _: argparse.Namespace) -> int:
    _require_startable(settings)
    asyncio.run(_run_worker(settings))
    return EXIT_OK


async def _run_worker(settings: Settings) -> None:
    async with open_services(settings) as services:
        lifetime = asyncio.create_task(_lifetime()(services))
        await run_until_told(services, QueueLimits(settings.database_connections_max))
        lifetime.cancel()
        await asyncio.gather(lifetime, return_exceptions=True)


def _lifetime() -> "Job":
    """Records when this process begins and ends its work."""
    return partial(record_lifetime, revision=head_revision())


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
        "accountant_token": made.accountant_token,
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
        signed_in = await identity.add_operators_user(session, services, name)
    _say(json.dumps({"user_id": str(signed_in.user_id), "token": signed_in.token}))


def _admin(settings: Settings, arguments: argparse.Namespace) -> int:
    try:
        user_id = asyncio.run(_grant_admin(settings, arguments))
    except (ValueError, UserNotFoundError):
        _complain("Nobody has signed up with this address.")
        return EXIT_FAULT
    except LastWayInError:
        _complain("They sign in with passkeys alone: let them choose a password by letter first.")
        return EXIT_FAULT
    _say(json.dumps({"user_id": str(user_id), "role": roles.ADMIN}))
    return EXIT_OK


async def _grant_admin(settings: Settings, arguments: argparse.Namespace) -> UUID:
    address, lost = normalised_address(arguments.address), arguments.lost_second_factor
    async with open_services(settings) as services:
        user_id = await roles.grant_first_admin(services, address, lost_second_factor=lost)
        if lost:
            for letter in await passkeys.remove_all(services, user_id, LOST_SECOND_FACTOR):
                await send_quietly(services.mail, letter)
        return user_id


def _openapi(settings: Settings, _: argparse.Namespace) -> int:
    from sync_server.serving import description  # noqa: PLC0415

    _say(json.dumps(description(settings), indent=2))
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


def _reconcile(settings: Settings, arguments: argparse.Namespace) -> int:
    report = asyncio.run(_run_reconciliation(settings, arguments))
    for line in report.lines:
        _say(line)
    return EXIT_OK if report.well else EXIT_FAULT


async def _run_reconciliation(
    settings: Settings, arguments: argparse.Namespace
) -> reconciliation.CommandReport:
    async with open_services(settings) as services:
        return await reconciliation.run(services, arguments)


def _sandbox(settings: Settings, arguments: argparse.Namespace) -> int:
    def say_at_once(words: str) -> None:
        _say(words)
        sys.stdout.flush()

    try:
        sandboxes.serve(settings, arguments, say_at_once)
    except OSError as error:
        _complain(f"Port {arguments.port} cannot be listened on: {error.strerror}")
        return EXIT_FAULT
    return EXIT_OK


_COMMANDS: Final[dict[str, tuple[str, Callable[[Settings, argparse.Namespace], int]]]] = {
    "serve": ("answer requests until stopped", _serve),
    "worker": ("do jobs, relay and watch until stopped", _worker),
    "migrate": ("bring the database to this program's revision", _migrate),
    "demo-data": ("make an event with tickets and a deployment to play with", _demo_data),
    "token": ("make a person and print a session token for them, once", _token),
    "admin": ("make the person with this address an admin", _admin),
    "openapi": ("print the API's description", _openapi),
    "audit": ("verify the logs, prove a row, check a proof", _audit),
    "reconcile": ("compare the books with what happened, and say where they differ", _reconcile),
    "sandbox": ("stand in for somebody else's service, in development", _sandbox),
    "doctor": ("check settings, keys, database, clock and disk", _doctor),
}


_ARGUMENTS: Final[dict[str, Callable[[argparse.ArgumentParser], None]]] = {
    "audit": audit.add_arguments,
    "reconcile": reconciliation.add_arguments,
    "sandbox": sandboxes.add_arguments,
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="zeraket-server", description="ZERAKET's server")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, (purpose, _) in _COMMANDS.items():
        command = commands.add_parser(name, help=purpose, description=purpose)
        if name == "serve":
            command.add_argument("--host", help="address to listen on")
            command.add_argument("--port", type=int, help="port to listen on")
            command.add_argument(
                "--no-worker", action="store_true", help="leave the jobs to `zeraket-server worker`"
            )
        if name == "demo-data":
            command.add_argument(
                "--tickets", type=int, default=TICKETS_DEFAULT, help="how many tickets to issue"
            )
            command.add_argument(
                "--claims", type=Path, help="file for the claim tokens, one JSON line a ticket"
            )
        if name in _ARGUMENTS:
            _ARGUMENTS[name](command)
        if name == "admin":
            command.add_argument("address", help="the address they signed up with")
            command.add_argument(
                "--lost-second-factor", action="store_true", help="forget digits and passkeys"
            )
        if name == "token":
            command.add_argument("name", help="the person's name")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    parsed = _parser().parse_args(arguments)
    configure_logging()
    try:
        return _COMMANDS[parsed.command][1](read_settings(), parsed)
    except UnsafeSettingsError as error:
        _complain("The server does not start with these settings:", *map(str, error.faults))
    except MasterKeyError as error:
        _complain(f"The master key cannot be used: {error}")
    return EXIT_SETTINGS


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")


def _complain(*lines: str) -> None:
    sys.stderr.write("\n  ".join(lines) + "\n")
