from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner_app.gate.event_document import (
    EventDocumentError,
    parse_time_ms,
    read_event_document,
)
from tests.factories.credentials import TICKET_ID
from tests.factories.event_documents import a_ticket_item, an_event, an_event_document

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=6,
)
KEY_SET = {"kid": 7, "k_event": "00" * 32}
ISSUER_KEY = {"ikid": 1, "public_key": "b9" * 32}


@pytest.mark.parametrize(
    ("value", "time_ms"),
    [
        ("2026-02-02T02:40:05Z", 1_770_000_005_000),
        ("2026-02-02T05:40:05+03:00", 1_770_000_005_000),
        ("2026-02-02T02:40:05", 1_770_000_005_000),
        ("2026-02-02T02:40:05.25Z", 1_770_000_005_250),
        ("1770000005", 1_770_000_005_000),
        (1_770_000_005, 1_770_000_005_000),
        (0, 0),
    ],
)
def test_a_time_is_iso_or_unix_seconds(value: object, time_ms: int) -> None:
    assert parse_time_ms(value) == time_ms


@pytest.mark.parametrize(
    "value", ["", "soon", "2026-13-01", "-1", "0001-01-01T00:00:00Z", "9" * 30, -1, 10**400]
)
def test_a_time_that_is_none_or_lies_outside_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_time_ms(value)


@given(st.datetimes(datetime(1970, 1, 1), datetime(9998, 1, 1)))  # noqa: DTZ001 - UTC is added
def test_any_iso_time_is_read_to_the_millisecond(moment: datetime) -> None:
    zoned = moment.replace(tzinfo=UTC, microsecond=moment.microsecond // 1_000 * 1_000)
    assert parse_time_ms(zoned.isoformat()) == round(zoned.timestamp() * 1_000)


@pytest.mark.parametrize("ticket_id", [f"{TICKET_ID:016x}", f"{TICKET_ID:016X}", int(TICKET_ID)])
def test_a_ticket_is_found_by_its_id(ticket_id: object) -> None:
    event = an_event(tickets=[a_ticket_item(ticket_id=ticket_id)])
    row = event.find(TICKET_ID)
    assert row is not None
    assert row.holder is not None


def test_a_ticket_may_be_bound_to_nobody_and_lists_may_be_left_out() -> None:
    event = an_event(tickets=[a_ticket_item(holder_pk=None, holder_alg=None)])
    row = event.find(TICKET_ID)
    assert row is not None
    assert row.holder is None
    bare = an_event_document()
    del bare["tickets"], bare["issuer_keys"], bare["key_sets"]
    assert read_event_document(bare).tickets == {}


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"event_uuid": 5}, "event_uuid"),
        ({"event_uuid": []}, "event_uuid"),
        ({"event_uuid": "not-a-uuid"}, "event_uuid"),
        ({"base_time": "yesterday"}, "base_time"),
        ({"base_time": True}, "base_time"),
        ({"base_time": 1.5}, "base_time"),
        ({"key_sets": {}}, "key_sets must be a list"),
        ({"key_sets": [7]}, r"key_sets\[0\] must be an object"),
        ({"key_sets": [KEY_SET, {"kid": 256, "k_event": "00" * 32}]}, r"key_sets\[1\]\.kid"),
        ({"key_sets": [{**KEY_SET, "kid": True}]}, r"key_sets\[0\]\.kid"),
        ({"key_sets": [{"kid": 7}]}, r"key_sets\[0\]\.k_event is missing"),
        ({"key_sets": [{**KEY_SET, "k_event": "00"}]}, r"key_sets\[0\]\.k_event"),
        ({"key_sets": [{**KEY_SET, "k_event": "zz"}]}, r"key_sets\[0\]\.k_event"),
        ({"key_sets": [{**KEY_SET, "k_event": 5}]}, r"key_sets\[0\]\.k_event"),
        ({"issuer_keys": [{**ISSUER_KEY, "public_key": "00"}]}, r"issuer_keys\[0\]\.public_key"),
        ({"issuer_keys": [{**ISSUER_KEY, "ikid": "1"}]}, r"issuer_keys\[0\]\.ikid"),
        ({"tickets": None}, "tickets must be a list"),
        ({"tickets": [a_ticket_item(ticket_id="12")]}, r"tickets\[0\]\.ticket_id"),
        ({"tickets": [a_ticket_item(ticket_id=-1)]}, r"tickets\[0\]\.ticket_id"),
        ({"tickets": [a_ticket_item(gen=-1)]}, r"tickets\[0\]\.gen"),
        ({"tickets": [a_ticket_item(status="lost")]}, r"tickets\[0\]\.status"),
        ({"tickets": [a_ticket_item(status=["valid"])]}, r"tickets\[0\]\.status"),
        ({"tickets": [a_ticket_item(core="00" * 17)]}, r"tickets\[0\]\.core"),
        ({"tickets": [a_ticket_item(holder_alg="rsa")]}, r"tickets\[0\]\.holder_alg.*p256"),
        ({"tickets": [a_ticket_item(holder_alg=[])]}, r"tickets\[0\]\.holder_alg"),
        ({"tickets": [a_ticket_item(holder_pk="00" * 33)]}, r"tickets\[0\]\.holder_pk"),
        ({"tickets": [a_ticket_item(holder_alg="ed25519")]}, r"tickets\[0\]\.holder_pk"),
        ({"tickets": [a_ticket_item(), "x"]}, r"tickets\[1\] must be an object"),
    ],
)
def test_what_is_wrong_in_a_document_is_named_by_its_place(
    changes: dict[str, Any], place: str
) -> None:
    with pytest.raises(EventDocumentError, match=f"^{place}"):
        read_event_document(an_event_document(**changes))


@pytest.mark.parametrize("document", [None, [], "x", 5])
def test_a_document_is_an_object(document: object) -> None:
    with pytest.raises(EventDocumentError, match="the document must be an object"):
        read_event_document(document)


def complaint(document: dict[str, Any]) -> str:
    """Read a document and give what was wrong with it; any other error fails the test."""
    try:
        read_event_document(document)
    except EventDocumentError as error:
        return str(error)
    return ""


@given(st.sampled_from(sorted(an_event_document())), JSON_VALUES)
def test_no_value_anywhere_raises_anything_but_the_documents_own_error(
    name: str, value: object
) -> None:
    said = complaint(an_event_document(**{name: value}))
    assert said == "" or said.startswith(name)


@given(st.sampled_from(sorted(a_ticket_item())), JSON_VALUES)
def test_no_value_in_a_ticket_does_either(name: str, value: object) -> None:
    said = complaint(an_event_document(tickets=[a_ticket_item(**{name: value})]))
    assert said == "" or said.startswith("tickets[0]")
