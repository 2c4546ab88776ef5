import json
from collections.abc import Iterator
from inspect import getmembers, isclass
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, TypeAdapter, ValidationError

from shared.admission.facts import Direction, TicketStatus
from shared.ids import ticket_id_to_hex
from shared.wire import changes, problems, rules, scanners, scans, snapshots
from shared.wire.base import Base64Bytes, Sha256Hex, TicketIdText, WireModel
from shared.wire.changes import ChangesPage, PassageHeard
from shared.wire.scans import ENTRIES_PER_BATCH_MAX, ScanBatch
from tests.factories.admission import DEVICE, GATE, NOW_MS, a_scan_id
from tests.factories.credentials import TICKET_ID

BYTES = TypeAdapter[bytes](Base64Bytes)
TICKET = TypeAdapter[int](TicketIdText)
DIGEST = TypeAdapter[str](Sha256Hex)
PASSAGE = PassageHeard(
    scan_id=a_scan_id(),
    ticket_id=TICKET_ID,
    device_id=DEVICE,
    gate_id=GATE,
    direction=Direction.ENTRY,
    at_ms=NOW_MS,
)


def messages_of(*modules: ModuleType) -> Iterator[type[BaseModel]]:
    for module in modules:
        for _, member in getmembers(module, isclass):
            belongs = member.__module__ == module.__name__
            yield from (model for model in [member] if belongs and issubclass(model, WireModel))


MESSAGES = list(messages_of(changes, problems, rules, scanners, scans, snapshots))
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=4,
)


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message.__name__)
@given(data=st.data())
def test_no_json_raises_anything_but_a_validation_error(
    message: type[BaseModel], data: st.DataObject
) -> None:
    known = st.dictionaries(st.sampled_from(sorted(message.model_fields)), JSON_VALUES, max_size=9)
    text = data.draw(known.map(json.dumps) | st.text(max_size=20))
    try:
        read = message.model_validate_json(text)
    except ValidationError:
        return
    assert message.model_validate_json(read.model_dump_json(exclude_unset=True)) == read


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message.__name__)
def test_messages_are_immutable(message: type[BaseModel]) -> None:
    assert message.model_config["frozen"]


def test_an_older_reader_survives_a_newer_writer() -> None:
    sent: dict[str, Any] = json.loads(PASSAGE.model_dump_json())
    assert PassageHeard.model_validate_json(json.dumps(sent | {"colour": "red"})) == PASSAGE


def test_a_page_of_changes_survives_the_wire() -> None:
    page = ChangesPage(
        changes=(
            PASSAGE,
            changes.TicketChanged(
                ticket_id=TICKET_ID,
                generation=2,
                status=TicketStatus.REVOKED,
                core=bytes(18),
            ),
            changes.RulesChanged(rules=rules.RuleBookDocument()),
        ),
        cursor=(7, 9),
        more=False,
    )
    assert ChangesPage.model_validate_json(page.model_dump_json()) == page


def test_a_ticket_id_travels_as_sixteen_digits() -> None:
    assert json.loads(PASSAGE.model_dump_json())["ticket_id"] == ticket_id_to_hex(TICKET_ID)


@given(st.binary(max_size=60))
def test_bytes_travel_as_base64(data: bytes) -> None:
    assert BYTES.validate_json(BYTES.dump_json(data)) == data


@pytest.mark.parametrize("text", ["=", "AA", "A A=", "ÄÄÄÄ", "QUJD\n", "-_-_"])
def test_what_is_not_base64_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        BYTES.validate_python(text)


@pytest.mark.parametrize("value", [-1, 2**64, 1.5, "", "1", "0" * 17, "z" * 16, None, [1]])
def test_what_is_no_ticket_id_is_refused(value: object) -> None:
    with pytest.raises(ValidationError):
        TICKET.validate_python(value)


@pytest.mark.parametrize("value", [0, TICKET_ID, 2**64 - 1])
def test_every_unsigned_64_bit_number_is_a_ticket_id(value: int) -> None:
    assert TICKET.validate_json(TICKET.dump_json(value)) == value


@pytest.mark.parametrize("text", ["", "0" * 63, "0" * 65, "A" * 64, "../" + "0" * 61])
def test_what_is_no_digest_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        DIGEST.validate_python(text)


@pytest.mark.parametrize(
    ("count", "accepted"),
    [(0, False), (1, True), (ENTRIES_PER_BATCH_MAX, True), (ENTRIES_PER_BATCH_MAX + 1, False)],
)
def test_a_batch_holds_one_to_five_hundred_entries(count: int, accepted: bool) -> None:
    entry = {"seq": 1, "entry": "", "entry_hash": "A" * 43 + "="}
    batch = {"device_id": str(DEVICE), "entries": [entry] * count, "signature": ""}
    try:
        ScanBatch.model_validate_json(json.dumps(batch))
    except ValidationError:
        assert not accepted
        return
    assert accepted
