"""The rails that buyers pay over: how their sandboxes are started, and what a buyer does there."""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx

from organizer import Json, checked
from processes import NotInTimeError, end, free_port, wait_until

_STARTED_SECONDS: Final = 60
_SETTING: Final = "ZERAKET_"
_SEES_OTHER: Final = 303

Pay = Callable[[Json, str], None]
"""What the buyer of an order does at the provider, whose sandbox is controlled at an address."""


@dataclass(frozen=True)
class Rail:
    """A way to pay; `options` are its sandbox's, and the telephone the buyer's."""

    provider: str
    title: str
    options: tuple[str, ...]
    phone: str
    pay: Pay
    takes_its_time: bool = False


def _by_itself(_order: Json, _control: str) -> None:
    """The telephone asks, and its owner says yes: the sandbox plays both."""


def _on_page(choice: str) -> Pay:
    """Open the provider's page, press a button, and be sent back to the shop."""

    def pay(order: Json, _control: str) -> None:
        page = str(order["payments"][-1]["redirect_url"])
        shown = httpx.get(page)
        pressed = httpx.post(page, data={"choice": choice})
        if not (shown.is_success and pressed.status_code == _SEES_OTHER):
            message = f"the page to pay on answered {shown.status_code}, {pressed.status_code}"
            raise NotInTimeError(message)

    return pay


def _by_transfer(order: Json, control: str) -> None:
    """Fill a transfer in at one's own bank, as the shop says."""
    note = order["payments"][-1]["transfer"]["reference"]
    transfer = {"amount": order["total"], "currency": order["currency"], "note": note}
    checked(httpx.post(f"{control}/transfers", json=transfer))


FLOAT: Final = 5_000_000
"""What MTN's sandbox holds for payouts: somebody filled it from the bank, in UGX."""
_APPROVES: Final = ("--approve",)
_FILLED: Final = ("--float", str(FLOAT))
RAILS: Final = (
    Rail("mtn", "MTN MoMo", (*_APPROVES, *_FILLED), "+256772000001", _by_itself),
    Rail("airtel", "Airtel Money", _APPROVES, "+256752000002", _by_itself),
    Rail("pesapal", "Pesapal, on its page", (), "+256782000003", _on_page("phone")),
    Rail("flutterwave", "card, on Flutterwave's page", (), "+256702000004", _on_page("card")),
    Rail("bank", "bank transfer", (), "+256712000005", _by_transfer, takes_its_time=True),
)


class RailDesk:
    """`zeraket-server sandbox NAME`, by the entry that leaves the server out."""

    def __init__(self, rail: Rail, folder: Path) -> None:
        self.rail = rail
        self._port = free_port()
        self.control = f"http://127.0.0.1:{self._port}/__sandbox"
        self._log = folder / f"sandbox-{rail.provider}.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, environment: Mapping[str, str]) -> None:
        """Start, and wait for nothing: others start meanwhile."""
        command = [sys.executable, "-m", "sync_server.sandboxes", self.rail.provider]
        arguments = ["--port", str(self._port), *self.rail.options]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [*command, *arguments],
                env=os.environ | environment,
                cwd=self._log.parent,
                stdout=log,
                stderr=log,
            )

    def settings(self) -> dict[str, str]:
        """Wait until it answers; give what it printed before that, the settings of its server."""
        wait_until(lambda: self._answers() or self._has_ended, _STARTED_SECONDS)
        if self._has_ended or not self._answers():
            message = f"the sandbox of {self.rail.title} did not start; see {self._log}"
            raise NotInTimeError(message)
        lines = self._log.read_text().splitlines()
        return dict(line.split("=", 1) for line in lines if line.startswith(_SETTING))

    def stop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            end(process)

    @property
    def _has_ended(self) -> bool:
        return self._process is None or self._process.poll() is not None

    def _answers(self) -> bool:
        try:
            return httpx.get(
                f"http://127.0.0.1:{self._port}/__sandbox/movements", timeout=2
            ).is_success
        except httpx.TransportError:
            return False
