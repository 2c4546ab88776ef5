"""Ports of loopback with nobody behind them."""

import socket
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session")
def refusing_port() -> Iterator[int]:
    """A port that refuses to be connected to, and stays so: as long as it is held here, no server
    of another test is given it.
    """
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]
