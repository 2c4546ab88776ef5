"""The steps in which the organizer is paid: one person asks, another lets the money go."""

import sys
from pathlib import Path
from typing import Final

from organizer import Json, Organizer, checked
from processes import NotInTimeError, ServerProcess, wait_until
from report import Report, Step

_HOLD: Final = Path(__file__).with_name("hold.py")
_ARRIVES_SECONDS: Final = 60
_AMOUNT: Final = 200_000
_CURRENCY: Final = "UGX"
_DECIDED: Final = {"succeeded", "failed", "stopped", "refused"}
_DESTINATION: Final = {
    "label": "Our MTN line",
    "rail": "mtn",
    "currency": _CURRENCY,
    "holder": "Sand Box",  # Whose lines all are at MTN's sandbox.
    "account": "+256772123456",
}


def pay_out(founder: Organizer, accountant: Organizer, server: ServerProcess, to: Report) -> None:
    """Let the hold end, write down where money may go, ask for some, and have it approved."""
    if server.run_script(_HOLD).returncode != 0:
        message = "the event's money was not released"
        raise NotInTimeError(message)
    destination = f"/payout-destinations/{_id_of(founder, '/payout-destinations', _DESTINATION)}"
    checked(accountant.ask(f"{destination}/confirm", {}))
    wanted = {"destination_id": destination.rpartition("/")[2], "currency": _CURRENCY}
    payout = f"/payouts/{_id_of(founder, '/payouts', {**wanted, 'amount': _AMOUNT})}"
    alone = founder.ask(f"{payout}/approve", {})
    seen = str(alone.json().get("code"))
    to.add(Step("a payout approved by whoever asked", "two_people_needed", seen), sys.stdout)
    checked(accountant.ask(f"{payout}/approve", {}))
    wait_until(lambda: _state_of(founder, payout) in _DECIDED, _ARRIVES_SECONDS)
    name = f"a payout of {_CURRENCY} {_AMOUNT:,} by MTN MoMo, approved by another"
    to.add(Step(name, "succeeded", _state_of(founder, payout)), sys.stdout)


def _id_of(organizer: Organizer, place: str, wanted: Json) -> str:
    return str(checked(organizer.ask(place, wanted))["id"])


def _state_of(organizer: Organizer, payout: str) -> str:
    return str(organizer.read(payout)["state"])
