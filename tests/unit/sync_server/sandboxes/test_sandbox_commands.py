import argparse
import socket
import subprocess
import sys

import pytest

from sync_server.sandboxes import commands
from sync_server.settings import Environment, Settings, UnsafeSettingsError


def arguments_of(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    commands.add_arguments(parser)
    return parser.parse_args(words)


@pytest.mark.parametrize("name", ["airtel", "bank"])
def test_a_sandbox_of_money_refuses_to_start_in_production(name: str) -> None:
    said: list[str] = []
    settings = Settings(environment=Environment.PRODUCTION)
    with pytest.raises(UnsafeSettingsError, match="development only"):
        commands.serve(settings, arguments_of(name, "--port", "0"), said.append)
    assert said == []


@pytest.mark.parametrize("name", ["airtel", "bank"])
def test_a_sandbox_is_not_started_on_a_port_that_is_taken(name: str) -> None:
    said: list[str] = []
    with socket.create_server((commands.HOST, 0)) as taken:
        port = str(taken.getsockname()[1])
        with pytest.raises(OSError, match="in use"):
            commands.serve(Settings(), arguments_of(name, "--port", port), said.append)
    assert said == []


_WITHOUT_SCHEMAS = """
import argparse, sys
sys.modules["xmlschema"] = None
from sync_server.sandboxes import commands
from sync_server.settings import Settings, UnsafeSettingsError
parser = argparse.ArgumentParser()
commands.add_arguments(parser)
try:
    commands.serve(Settings(), parser.parse_args(["bank", "--port", "0"]), print)
except UnsafeSettingsError as error:
    print(error)
"""


def test_a_bank_without_its_schemas_says_what_to_install() -> None:
    command = [sys.executable, "-c", _WITHOUT_SCHEMAS]
    said = subprocess.check_output(command, text=True, timeout=60)
    assert said == "xmlschema: install the extra `sandboxes` as well\n"
