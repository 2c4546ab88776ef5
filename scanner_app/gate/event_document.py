"""Reading the JSON of an event, as support holds it, into what a gate knows. Judges nothing."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar
from uuid import UUID

from scanner_app.gate.ports import EventKnowledge, TicketRow
from shared.admission.facts import TicketStatus
from shared.admission.policy import RuleBook
from shared.credentials.keys import EventKeySet, HolderKey, check_holder_key
from shared.credentials.layout import Core, HolderAlgorithm
from shared.credentials.opening import EventKeyring
from shared.errors import ZeraketError
from shared.ids import EventId, TicketId, ticket_id_from_hex
from shared.journal.entry import Cursor

_ALGORITHMS: Final = {"p256": HolderAlgorithm.P256, "ed25519": HolderAlgorithm.ED25519}
_BYTE_MAX: Final = 255
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
_TIME_MAX_MS: Final = (datetime(9999, 1, 1, tzinfo=UTC) - _EPOCH) // _MILLISECOND
_Value = TypeVar("_Value")


class EventDocumentError(ZeraketError):
    """The event document lacks something or has it wrong; the message names the place."""

    code = "event_document_invalid"


@dataclass(frozen=True, slots=True)
class EventUnderInspection:
    """An event document, read."""

    knowledge: EventKnowledge
    tickets: Mapping[TicketId, TicketRow]

    def find(self, ticket_id: TicketId) -> TicketRow | None:
        """Look a ticket up."""
        return self.tickets.get(ticket_id)


@dataclass(frozen=True, slots=True)
class _Place:
    """An object somewhere in the document, and the way to it."""

    path: str
    content: Mapping[str, object]

    @classmethod
    def at(cls, path: str, value: object) -> "_Place":
        if not isinstance(value, Mapping):
            message = f"{path or 'the document'} must be an object"
            raise EventDocumentError(message)
        return cls(path, value)

    def has(self, name: str) -> bool:
        return self.content.get(name) is not None

    def read(self, name: str, read: Callable[[Any], _Value]) -> _Value:
        if name not in self.content:
            message = f"{self._path_to(name)} is missing"
            raise EventDocumentError(message)
        try:
            return read(self.content[name])
        except (ValueError, TypeError, ZeraketError) as error:
            message = f"{self._path_to(name)} is not right: {error}"
            raise EventDocumentError(message) from error

    def items(self, name: str) -> "Iterator[_Place]":
        """Go through a list of objects; one that is left out is empty."""
        value = self.content.get(name, [])
        if not isinstance(value, list):
            message = f"{self._path_to(name)} must be a list"
            raise EventDocumentError(message)
        for position, item in enumerate(value):
            yield _Place.at(f"{self._path_to(name)}[{position}]", item)

    def _path_to(self, name: str) -> str:
        return f"{self.path}.{name}" if self.path else name


def read_event_document(document: object) -> EventUnderInspection:
    """Turn the JSON of an event document into what a gate knows; raise EventDocumentError."""
    root = _Place.at("", document)
    event_id = root.read("event_uuid", lambda value: EventId(UUID(_text(value))))
    key_sets = [_key_set(item, event_id) for item in root.items("key_sets")]
    issuer_keys = {
        item.read("ikid", _byte): item.read("public_key", _issuer_key)
        for item in root.items("issuer_keys")
    }
    rows = [_ticket_row(item) for item in root.items("tickets")]
    knowledge = EventKnowledge(
        event_id=event_id,
        event_name="",
        base_time_ms=root.read("base_time", parse_time_ms),
        timezone="UTC",
        keyring=EventKeyring(key_sets, issuer_keys),
        rule_book=RuleBook(),
        gates={},
        tiers={},
        snapshot_version=0,
        frozen_at_ms=0,
        cursor=Cursor(0, 0),
    )
    return EventUnderInspection(knowledge, {row.ticket_id: row for row in rows})


def parse_time_ms(value: object) -> int:
    """Read ISO 8601 (UTC where no offset is given) or a number of Unix seconds, as milliseconds.

    Raises TypeError, and ValueError also for a time before 1970 or after the year 9998.
    """
    if isinstance(value, bool) or not isinstance(value, str | int):
        message = "a time is ISO 8601 text or a whole number of Unix seconds"
        raise TypeError(message)
    seconds = isinstance(value, int) or value.isdecimal()
    milliseconds = int(value) * 1_000 if seconds else _iso_time_ms(str(value))
    if not 0 <= milliseconds < _TIME_MAX_MS:
        message = "a time lies between 1970 and 9998"
        raise ValueError(message)
    return milliseconds


def _iso_time_ms(text: str) -> int:
    moment = datetime.fromisoformat(text)
    zoned = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return (zoned - _EPOCH) // _MILLISECOND


def _key_set(item: _Place, event_id: EventId) -> EventKeySet:
    key_set_id = item.read("kid", _byte)
    return item.read("k_event", lambda value: EventKeySet(event_id, key_set_id, _hex(value)))


def _issuer_key(value: object) -> bytes:
    key = HolderKey(HolderAlgorithm.ED25519, _hex(value))
    check_holder_key(key)
    return key.encoded


def _ticket_row(item: _Place) -> TicketRow:
    return TicketRow(
        ticket_id=item.read("ticket_id", _ticket_id),
        generation=item.read("gen", _byte),
        status=item.read("status", TicketStatus),
        core=item.read("core", lambda value: Core.from_bytes(_hex(value))),
        holder=_holder(item) if item.has("holder_pk") else None,
    )


def _ticket_id(value: object) -> TicketId:
    """Read 16 hexadecimal digits, or the number itself, as other tools export it."""
    if isinstance(value, int) and 0 <= value < 1 << 64:
        return TicketId(value)
    return ticket_id_from_hex(_text(value))


def _holder(item: _Place) -> HolderKey:
    algorithm = item.read("holder_alg", _algorithm)
    return item.read("holder_pk", lambda value: _holder_key(algorithm, _hex(value)))


def _holder_key(algorithm: HolderAlgorithm, encoded: bytes) -> HolderKey:
    holder = HolderKey(algorithm, encoded)
    check_holder_key(holder)
    return holder


def _algorithm(value: object) -> HolderAlgorithm:
    algorithm = _ALGORITHMS.get(_text(value))
    if algorithm is None:
        message = f"it is one of {', '.join(_ALGORITHMS)}"
        raise ValueError(message)
    return algorithm


def _text(value: object) -> str:
    if not isinstance(value, str):
        message = "it must be text"
        raise TypeError(message)
    return value


def _hex(value: object) -> bytes:
    return bytes.fromhex(_text(value))


def _byte(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _BYTE_MAX:
        message = f"it is a whole number from 0 to {_BYTE_MAX}"
        raise ValueError(message)
    return value
