"""A shop over MTN's sandbox, and the branch of a bank."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from shared.clock import SettableClock
from sync_server.kit.services import Services
from sync_server.payments.bank_statements import StatementTables
from sync_server.payments.configured import Means, make_folders, open_rails
from sync_server.payments.rails import PaymentRails
from sync_server.sandboxes import bank as bank_sandbox
from sync_server.sandboxes.bank import BankSandbox
from sync_server.sandboxes.engine import Engine
from sync_server.settings import Settings
from tests.factories.branch import Branch
from tests.factories.orders import over
from tests.factories.rails import MTN, RunningRail, running
from tests.plugins.postgres import ClonedDatabase


@pytest.fixture
def cloned_database(spare_database: ClonedDatabase) -> ClonedDatabase:
    """A database alone: what falls due for one test would fall due for all."""
    return spare_database


@pytest.fixture
async def rail() -> AsyncIterator[RunningRail]:
    async with running(MTN) as rail:
        yield rail


@pytest.fixture
def shop(services: Services, rail: RunningRail) -> Services:
    """Services that offer one rail."""
    return over(services, rail)


@pytest.fixture
async def branch(services: Services, clock: SettableClock, tmp_path: Path) -> AsyncIterator[Branch]:
    folder = tmp_path / "bank"
    settings = Settings(
        bank_folder=folder,
        bank_account=bank_sandbox.ACCOUNT,
        bank_bic=bank_sandbox.BIC,
        bank_currency=bank_sandbox.CURRENCY,
        bank_holder=bank_sandbox.HOLDER,
    )
    make_folders(settings)
    engine = Engine()
    sandbox = BankSandbox(engine, clock, folder)
    transport = httpx.ASGITransport(sandbox.app())
    async with (
        httpx.AsyncClient() as unused,
        httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as counter,
    ):
        means = Means(settings, unused, clock, StatementTables(services.database))
        offering = replace(services, parts={PaymentRails: open_rails(means)})
        yield Branch(offering, folder, engine, sandbox, counter)
