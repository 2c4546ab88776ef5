"""The API's description: every refusal that happens stands in it, as the problem it is."""

import json
import re
from typing import Any

import pytest
from fastapi.routing import APIRoute

from sync_server.app import create_app
from sync_server.composition import open_services
from sync_server.examples import EXAMPLES
from sync_server.kit.problems import PROBLEM_MEDIA_TYPE
from sync_server.kit.routing import Responses, added_up
from sync_server.settings import Settings

_OURS = (
    "deployments",
    "scanner",
    "snapshots",
    "admissions",
    "catalog",
    "tickets",
    "wallet",
    "media",
)
_SESSION_ENDED = ("session_revoked", "session_superseded", "token_expired", "proof_invalid")


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return create_app(lambda: open_services(Settings())).openapi()


def _operations(document: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [
        (f"{method.upper()} {path}", operation)
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
        if set(operation["tags"]) & set(_OURS)
    ]


def test_every_refusal_is_a_problem(document: dict[str, Any]) -> None:
    plain = [
        (name, status)
        for name, operation in _operations(document)
        for status, response in operation["responses"].items()
        if status >= "400" and list(response.get("content", {})) != [PROBLEM_MEDIA_TYPE]
    ]
    assert plain == []


def test_the_document_uses_words_of_its_own_version_only(document: dict[str, Any]) -> None:
    stream = document["paths"]["/v1/scanner/changes/stream"]["get"]["responses"]["200"]
    assert document["openapi"].startswith("3.1")
    assert stream["content"] == {"text/event-stream": {"schema": {"type": "string"}}}


@pytest.mark.parametrize("status", ["401", "422"])
def test_whoever_calls_may_be_refused(document: dict[str, Any], status: str) -> None:
    silent = [
        name for name, operation in _operations(document) if status not in operation["responses"]
    ]
    assert silent == []


def test_an_invalid_request_is_told_apart_from_other_refusals(document: dict[str, Any]) -> None:
    silent = [
        name
        for name, operation in _operations(document)
        if "`request_invalid`" not in operation["responses"]["422"]["description"]
    ]
    assert silent == []


@pytest.mark.parametrize("code", _SESSION_ENDED)
def test_every_call_of_a_session_may_hear_that_it_is_over(
    document: dict[str, Any], code: str
) -> None:
    unauthenticated = ("enrolments", "/v1/scanner/sessions")
    silent = [
        name
        for name, operation in _operations(document)
        if "/v1/scanner/" in name
        and not any(part in name for part in unauthenticated)
        and f"`{code}`" not in operation["responses"]["401"]["description"]
    ]
    assert silent == []


@pytest.mark.parametrize(
    ("path", "status", "codes"),
    [
        ("/v1/scanner/sessions", "403", {"device_revoked", "device_stopped", "enrolment_refused"}),
        ("/v1/scanner/sessions", "401", {"proof_invalid", "use_dpop_nonce", "proof_replayed"}),
        (
            "/v1/scanner/sessions/{session_id}/tokens",
            "401",
            {"proof_invalid", "token_invalid", "session_revoked"},
        ),
        ("/v1/wallet/tickets/bind", "429", {"bindings_exhausted"}),
    ],
)
def test_refusals_of_router_and_endpoint_add_up(
    document: dict[str, Any], path: str, status: str, codes: set[str]
) -> None:
    description = document["paths"][path]["post"]["responses"][status]["description"]
    assert {code for code in codes if f"`{code}`" in description} == codes


def test_a_refusal_that_both_name_is_described_once() -> None:
    general: Responses = {401: {"description": "`a`: A; `b`: B"}, 404: {"description": "`d`: D"}}
    special: Responses = {401: {"description": "`b`: B; `c`: C"}}
    joined = added_up(general, special)
    assert joined == {401: {"description": "`a`: A; `b`: B; `c`: C"}, 404: general[404]}


def test_every_body_has_an_example_and_every_example_is_a_body(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    bodies = {
        content["schema"]["$ref"].rpartition("/")[2]
        for operations in document["paths"].values()
        for operation in operations.values()
        for content in operation.get("requestBody", {}).get("content", {}).values()
        if "$ref" in content["schema"]
    }
    assert {name for name in bodies if "examples" not in schemas[name]} == set()
    assert set(EXAMPLES) - bodies == set()


def test_every_example_is_taken_as_it_is() -> None:
    app = create_app(lambda: open_services(Settings()))
    bodies = [route.body_field for route in app.routes if isinstance(route, APIRoute)]
    types: list[Any] = [body.field_info.annotation for body in bodies if body is not None]
    models = {each.__name__: each for each in types}
    taken = [models[name].model_validate_json(json.dumps(body)) for name, body in EXAMPLES.items()]
    assert len(taken) == len(EXAMPLES) > 50


def test_a_client_made_from_the_description_has_names_that_read(document: dict[str, Any]) -> None:
    names = [
        operation["operationId"]
        for operations in document["paths"].values()
        for operation in operations.values()
    ]
    assert len(set(names)) == len(names)
    assert {"door_sign_in_with_passkey", "tickets_issue_tickets", "health_read_health"} <= set(
        names
    )
    assert [name for name in names if not re.fullmatch(r"[a-z][a-z0-9_]{3,60}", name)] == []
