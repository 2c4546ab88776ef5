"""Every position of the dial of faults for each rail and way of money, as providers have them:
which are turned, and which never come and why.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from itertools import product

from sync_server.sandboxes.engine import (
    OF_ANSWERS,
    OF_CALLBACKS,
    OF_READINGS,
    Fault,
    Operation,
)
from tests.factories.rails import AIRTEL, BANK, FLUTTERWAVE, MTN, PESAPAL, RAILS, Rail

Position = tuple[Operation, Fault]


class Way(StrEnum):
    """Where money goes: from a buyer, back to one, to an organizer."""

    COMING = "coming"
    GOING_BACK = "going back"
    LEAVING = "leaving"


class Kind(StrEnum):
    """What a fault befalls: an answer, a callback, or what is said of a movement."""

    ANSWERS = "answers"
    CALLBACKS = "callbacks"
    READINGS = "readings"


ASKED = {
    Way.COMING: Operation.COLLECT,
    Way.GOING_BACK: Operation.REFUND,
    Way.LEAVING: Operation.DISBURSE,
}
_FAULTS = {Kind.ANSWERS: OF_ANSWERS, Kind.CALLBACKS: OF_CALLBACKS, Kind.READINGS: OF_READINGS}
# What stands around every call: a token before it, and a status after it.
_AROUND = (Operation.TOKEN, Operation.READ)
# A bank tells by files: each may come twice, late or never, but nobody else's and none before it
# is written.
_FILES = (Fault.CALLBACK_TWICE, Fault.CALLBACK_HELD, Fault.CALLBACK_MISSING)
# It leaves our own unread, or says nothing of them.
_ORDERS = (Fault.LOST_ANSWER, Fault.UNAVAILABLE)


def turned(rail: Rail, way: Way, kind: Kind) -> tuple[Position, ...]:
    """The positions that a test turns on a rail, in order."""
    if way is Way.LEAVING and not rail.disburses:
        return ()
    if not rail.is_called:
        return _of_a_bank(way, kind)
    asked = ASKED[way]
    match kind:
        case Kind.ANSWERS:
            around = [each for each in _AROUND if rail.has_tokens or each is not Operation.TOKEN]
            return _each((asked, *around), OF_ANSWERS)
        case Kind.CALLBACKS:
            return _each((Operation.CALLBACK,), OF_CALLBACKS if asked in rail.calls_back else ())
        case Kind.READINGS:
            told = rail.misread_refunds if way is Way.GOING_BACK else OF_READINGS
            return _each((Operation.READ,), told)


def beside(operation: Operation) -> tuple[Position, ...]:
    """The positions of what is asked beside the ways of money, by one rail each: see `BESIDE`."""
    return _each((operation,), OF_ANSWERS)


def _of_a_bank(way: Way, kind: Kind) -> tuple[Position, ...]:
    match kind:
        case Kind.ANSWERS:
            return _each((Operation.DISBURSE,), () if way is Way.COMING else _ORDERS)
        case Kind.CALLBACKS:
            return _each((Operation.READ,), _FILES)
        case Kind.READINGS:
            return _each((Operation.READ,), OF_READINGS)


def _each(operations: Iterable[Operation], faults: Iterable[Fault]) -> tuple[Position, ...]:
    return tuple((operation, fault) for operation in operations for fault in sorted(faults))


BESIDE: Mapping[Operation, Rail] = {
    Operation.WITHDRAW: PESAPAL,
    Operation.DISPUTES: FLUTTERWAVE,
    Operation.BALANCE: FLUTTERWAVE,
}


def rails_with(way: Way, kind: Kind) -> list[Rail]:
    """Those on which anything is turned."""
    return [rail for rail in RAILS if turned(rail, way, kind)]


def everything(rail: Rail, way: Way) -> set[Position]:
    """All that the dial has for money that goes this way, whether this provider can play it or
    not.
    """
    asked = Operation.CALLBACK if rail.is_called else Operation.READ
    sent = ASKED[way] if rail.is_called else Operation.DISBURSE
    return {
        *product((sent, *_AROUND), OF_ANSWERS),
        *product((asked,), OF_CALLBACKS),
        *product((Operation.READ,), OF_READINGS),
    }


_NO_TOKEN = "it is called with a key, and gives no tokens"
_NO_PAYOUTS = "no payout goes over it"
_NO_CALLS = "a bank is given files and answers no call"
_NO_FILE = "a bank's order lies in a folder until it is taken"
_OURS_ALONE = "nobody else writes into a bank's folder, and no file is there before it is written"
_NOT_SENT = "nothing is sent to a bank for money that comes"
_EVERYTHING = frozenset(product(Operation, Fault))
_TOKENS = frozenset(product((Operation.TOKEN,), OF_ANSWERS))
_CALLBACKS = frozenset(product((Operation.CALLBACK,), OF_CALLBACKS))
_READINGS = frozenset(product((Operation.READ,), OF_READINGS))
_CALLS = frozenset(product(_AROUND, OF_ANSWERS))
_NOT_OF_FILES = frozenset(product((Operation.READ,), OF_CALLBACKS - set(_FILES)))
_NOT_OF_ORDERS = frozenset(product((Operation.DISBURSE,), OF_ANSWERS - set(_ORDERS)))
_BANK = {_NO_CALLS: _CALLS, _OURS_ALONE: _NOT_OF_FILES}

NEVER: Mapping[tuple[str, Way], Mapping[str, frozenset[Position]]] = {
    (MTN.name, Way.COMING): {},
    (MTN.name, Way.GOING_BACK): {},
    (MTN.name, Way.LEAVING): {},
    (PESAPAL.name, Way.COMING): {},
    (PESAPAL.name, Way.GOING_BACK): {
        "a payment that is reversed is all that is said, and of its own amount": _READINGS
    },
    (PESAPAL.name, Way.LEAVING): {_NO_PAYOUTS: _EVERYTHING},
    (FLUTTERWAVE.name, Way.COMING): {_NO_TOKEN: _TOKENS},
    (FLUTTERWAVE.name, Way.GOING_BACK): {
        _NO_TOKEN: _TOKENS,
        "a refund names no currency: it is in its payment's": frozenset(
            {(Operation.READ, Fault.CURRENCY_CHANGED)}
        ),
    },
    (FLUTTERWAVE.name, Way.LEAVING): {_NO_PAYOUTS: _EVERYTHING},
    (AIRTEL.name, Way.COMING): {},
    (AIRTEL.name, Way.GOING_BACK): {
        "it calls back for payments and disbursements, not for refunds": _CALLBACKS,
        "it has no enquiry for refunds": _READINGS,
    },
    (AIRTEL.name, Way.LEAVING): {},
    (BANK.name, Way.COMING): {
        **_BANK,
        _NOT_SENT: frozenset(product((Operation.DISBURSE,), OF_ANSWERS)),
    },
    (BANK.name, Way.GOING_BACK): {**_BANK, _NO_FILE: _NOT_OF_ORDERS},
    (BANK.name, Way.LEAVING): {**_BANK, _NO_FILE: _NOT_OF_ORDERS},
}
"""What is not turned, by the reason: a provider has no such thing."""
