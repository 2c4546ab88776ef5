import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from shared.admission.policy import POLICY_FIELDS, Policy, TimeWindow
from shared.errors import AdmissionPolicyError
from shared.wire.rules import LIMITS, PolicyChanges, RuleBookDocument
from tests.factories.admission import GATE, OTHER_GATE


def a_document(*rules: dict[str, Any]) -> str:
    return json.dumps({"version": 1, "rules": rules})


def policy_of(document: str, tier: int = 2) -> Policy:
    return RuleBookDocument.model_validate_json(document).to_rule_book().policy_for(GATE, tier)


def test_every_setting_of_the_policy_can_be_written() -> None:
    assert set(PolicyChanges.model_fields) == POLICY_FIELDS


def test_a_document_without_rules_is_the_default_policy() -> None:
    assert policy_of("{}") == Policy()


def test_settings_reach_the_policy() -> None:
    settings = {
        "windows": [{"from_ms": 1, "until_ms": 2}],
        "entry_open": False,
        "inside_until_exit": False,
        "reentries_max": 3,
        "entries_per_day_max": 2,
        "minutes_between": 5,
        "gates": [str(GATE)],
        "tiers": [1, 2],
        "capacity": 100,
        "capacity_reserve": 10,
        "check_identity": True,
    }
    assert policy_of(a_document({"set": settings})) == Policy(
        windows=(TimeWindow(1, 2),),
        entry_open=False,
        inside_until_exit=False,
        reentries_max=3,
        entries_per_day_max=2,
        minutes_between=5,
        gates=frozenset({GATE}),
        tiers=frozenset({1, 2}),
        capacity=100,
        capacity_reserve=10,
        check_identity=True,
    )


@pytest.mark.parametrize(
    ("scope", "applies"),
    [
        pytest.param({}, True, id="all"),
        pytest.param({"gates": [str(GATE)]}, True, id="this gate"),
        pytest.param({"gates": [str(OTHER_GATE)]}, False, id="another gate"),
        pytest.param({"tiers": [2]}, True, id="this tier"),
        pytest.param({"tiers": [1]}, False, id="another tier"),
        pytest.param({"gates": [str(GATE)], "tiers": [1]}, False, id="another tier here"),
    ],
)
def test_a_rule_holds_where_its_scope_says(scope: dict[str, Any], applies: bool) -> None:
    document = a_document({"scope": scope, "set": {"entry_open": False}})
    assert policy_of(document).entry_open is not applies


def test_the_more_specific_rule_wins_whatever_the_order_in_the_document() -> None:
    at_gate = {"scope": {"gates": [str(GATE)]}, "set": {"capacity": 5}}
    for_all = {"set": {"capacity": 9}}
    assert policy_of(a_document(at_gate, for_all)).capacity == 5
    assert policy_of(a_document(for_all, at_gate)).capacity == 5


@pytest.mark.parametrize("name", sorted(LIMITS))
def test_an_explicit_null_lifts_a_limit(name: str) -> None:
    set_then_lifted = a_document(
        {"set": {"entries_max": 4, "capacity": 4, "tiers": [2], "gates": [str(GATE)]}},
        {"scope": {"tiers": [2]}, "set": {name: None}},
    )
    assert not getattr(policy_of(set_then_lifted), name)


@pytest.mark.parametrize("name", sorted(set(PolicyChanges.model_fields) - LIMITS))
def test_null_means_nothing_to_a_setting_that_is_no_limit(name: str) -> None:
    with pytest.raises(ValidationError):
        RuleBookDocument.model_validate_json(a_document({"set": {name: None}}))


@pytest.mark.parametrize(
    "document",
    [
        pytest.param('{"version": 2}', id="another version"),
        pytest.param('{"rule": []}', id="a misspelt document"),
        pytest.param(a_document({"set": {"capasity": 5}}), id="a misspelt setting"),
        pytest.param(a_document({"scope": {"gate": []}, "set": {}}), id="a misspelt scope"),
        pytest.param(a_document({}), id="a rule that sets nothing"),
        pytest.param(a_document({"set": {"entries_max": 0}}), id="no entry at all"),
        pytest.param(a_document({"set": {"minutes_between": -1}}), id="negative minutes"),
        pytest.param(a_document({"set": {"capacity": -1}}), id="negative capacity"),
        pytest.param(a_document({"set": {"capacity": 1.5}}), id="half a person"),
        pytest.param(a_document({"set": {"gates": ["north"]}}), id="a gate by name"),
        pytest.param("not JSON", id="not JSON"),
    ],
)
def test_what_cannot_be_meant_is_refused_on_save(document: str) -> None:
    with pytest.raises(ValidationError):
        RuleBookDocument.model_validate_json(document)


@pytest.mark.parametrize(
    "rules",
    [
        pytest.param(
            [{"set": {"windows": [{"from_ms": 5, "until_ms": 5}]}}], id="a window that never opens"
        ),
        pytest.param(
            [{"set": {"capacity": 5, "capacity_reserve": 6}}], id="reserve above capacity"
        ),
        pytest.param(
            [
                {"scope": {"gates": [str(GATE)]}, "set": {"capacity": 5}},
                {"scope": {"tiers": [2]}, "set": {"capacity_reserve": 6}},
            ],
            id="two rules that meet at one gate and tier",
        ),
    ],
)
def test_rules_that_contradict_themselves_are_found(rules: list[dict[str, Any]]) -> None:
    document = RuleBookDocument.model_validate_json(a_document(*rules))
    with pytest.raises(AdmissionPolicyError):
        document.check([GATE, OTHER_GATE], [1, 2])


def test_sound_rules_pass_the_check() -> None:
    document = RuleBookDocument.model_validate_json(a_document({"set": {"capacity": 5}}))
    document.check([GATE, OTHER_GATE], [1, 2])
    assert document.to_rule_book().policy_for(GATE, 1).capacity == 5


VALUES = st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.just([str(GATE)])
SETTINGS = st.dictionaries(st.sampled_from(sorted(POLICY_FIELDS)), VALUES, max_size=4)


@given(st.lists(SETTINGS, max_size=3))
def test_no_document_raises_anything_but_a_typed_error(settings: list[dict[str, Any]]) -> None:
    text = a_document(*({"set": changes} for changes in settings))
    try:
        document = RuleBookDocument.model_validate_json(text)
        document.check([GATE], [2])
    except (ValidationError, AdmissionPolicyError):
        return
    reread = RuleBookDocument.model_validate_json(document.model_dump_json(exclude_unset=True))
    assert reread.to_rule_book() == document.to_rule_book()
