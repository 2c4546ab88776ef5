import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync_server.audit.rules import WITHHELD, fit_text, fit_to_keep

ID = "0190f4a2-1111-7000-8000-000000000001"
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("Ask grace.n@example.org today", "Ask …@example.org today"),
        ("call +256 772 123 456", f"call {WITHHELD}"),
        ("call 0772-123456.", f"call {WITHHELD}."),
        ("shown QzR4dHl1aW9wYXNkZmdoamtsenhjdmJubTEyMzQ1", f"shown {WITHHELD}"),
        (f"for zgu_Ab1-{'x' * 30}", f"for {WITHHELD}"),
        (f"ticket {ID} was lost", f"ticket {ID} was lost"),
        ("seat 12, row 4", "seat 12, row 4"),
        ("2026-11-23", "2026-11-23"),
        ("scanners.provision", "scanners.provision"),
        (ID, ID),
    ],
)
def test_text_keeps_what_names_nobody(text: str, kept: str) -> None:
    assert fit_text(text) == kept


@pytest.mark.parametrize("name", ["claim_token", "Password", "code", "digits", "signing_key"])
def test_what_is_named_as_a_secret_is_withheld_at_any_depth(name: str) -> None:
    assert fit_to_keep({"a": [{name: "x"}]}) == {"a": [{name: WITHHELD}]}


@pytest.mark.parametrize("value", [True, None])
def test_that_there_is_a_secret_may_be_said(value: bool | None) -> None:
    assert fit_to_keep({"password": value}) == {"password": value}


@given(VALUES)
def test_what_is_kept_is_fit_to_keep(value: object) -> None:
    kept = fit_to_keep(value)
    assert fit_to_keep(kept) == kept
    assert json.loads(json.dumps(kept)) == kept
