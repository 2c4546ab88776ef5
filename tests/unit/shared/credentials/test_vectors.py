"""The check vectors of TK1, byte for byte both ways; the web wallet's tests read them too."""

import json
from pathlib import Path
from uuid import UUID

import pytest

from shared.credentials import base45
from shared.credentials.layout import PREFIX, Core, Form, Header, SyncAge, parse
from shared.credentials.opening import OpenedCode
from tests.factories.credentials import (
    COUNTER,
    EventKeys,
    P256Holder,
    a_core,
)

VECTORS = json.loads((Path(__file__).parents[3] / "vectors" / "tk1.json").read_text("utf-8"))
EVENT = EventKeys()
HOLDER = P256Holder()


def made(form: str) -> str:
    return {
        "r": EVENT.reference_code(a_core(), HOLDER),
        "s": EVENT.static_code(a_core()),
        "e": EVENT.self_contained_code(a_core(), HOLDER),
    }[form]


def given_text(form: str) -> str:
    return PREFIX + base45.encode(bytes.fromhex(VECTORS[form]))


def opened(text: str) -> OpenedCode:
    code = EVENT.keyring.open(text)
    assert isinstance(code, OpenedCode)
    return code


def test_the_factory_stands_on_the_vectors() -> None:
    assert UUID(VECTORS["event_uuid"]) == EVENT.event_id
    assert VECTORS["k_event"] == EVENT.event_key.hex()
    assert VECTORS["counter"] == COUNTER
    assert VECTORS["win16"] == COUNTER & 0xFFFF


@pytest.mark.parametrize(
    ("name", "made_bytes"),
    [
        ("k_ref", EVENT.key_set.reference_key),
        ("k_pay", EVENT.key_set.payload_key),
        ("issuer_pk", EVENT.issuer_public_key),
        ("holder_pk", HOLDER.key.encoded),
        ("core", a_core().to_bytes()),
        ("eref", EVENT.key_set.seal_reference(a_core().ticket_id, a_core().generation)),
    ],
)
def test_keys_core_and_reference_are_derived_as_published(name: str, made_bytes: bytes) -> None:
    assert made_bytes.hex() == VECTORS[name]


@pytest.mark.parametrize("form", ["r", "s", "e"])
def test_every_form_is_written_byte_for_byte(form: str) -> None:
    assert base45.decode(made(form).removeprefix(PREFIX)).hex() == VECTORS[form]


def test_the_published_text_of_the_rotating_code_is_written() -> None:
    assert made("r") == VECTORS["r_text"]


@pytest.mark.parametrize(
    ("form", "letter", "sync_age"),
    [
        ("r", "R", SyncAge.UNDER_ONE_HOUR),
        ("s", "S", SyncAge.UNKNOWN),
        ("e", "E", SyncAge.UNDER_ONE_HOUR),
    ],
)
def test_every_form_is_read_back(form: str, letter: str, sync_age: SyncAge) -> None:
    code = opened(given_text(form))
    assert code.form.letter == letter
    assert code.payload.header.sync_age is sync_age
    assert (code.ticket_id, code.generation) == (a_core().ticket_id, a_core().generation)


@pytest.mark.parametrize("form", ["r", "e"])
def test_a_rotating_code_is_the_holders_in_its_window_only(form: str) -> None:
    code = opened(given_text(form))
    assert code.shown_by(HOLDER.key, COUNTER)
    assert not code.shown_by(HOLDER.key, COUNTER + 1)
    assert not code.shown_by(P256Holder("somebody else").key, COUNTER)


@pytest.mark.parametrize("form", ["s", "e"])
def test_a_self_contained_code_carries_the_issuers_core(form: str) -> None:
    assert opened(given_text(form)).core == Core.from_bytes(bytes.fromhex(VECTORS["core"]))


def test_a_self_contained_code_carries_the_holders_key() -> None:
    assert opened(given_text("e")).holder == HOLDER.key


@pytest.mark.parametrize("form", ["r", "s", "e"])
def test_parsing_and_writing_are_inverse(form: str) -> None:
    assert parse(given_text(form)).to_text() == given_text(form)


@pytest.mark.parametrize("form", list(Form))
@pytest.mark.parametrize("sync_age", list(SyncAge))
def test_the_issuer_signs_the_header_without_the_phones_sync_age(
    form: Form, sync_age: SyncAge
) -> None:
    header = Header(form, 7, sync_age=sync_age)
    assert header.issuer_bytes() == Header(form, 7).to_bytes()
