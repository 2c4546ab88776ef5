"""Routers and their description: the refusals of a router and of its endpoint add up, and all are
described as what they are.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from fastapi import APIRouter

from sync_server.kit.problems import (
    PROBLEM_MEDIA_TYPE,
    Problem,
    ProblemError,
    problem_responses,
)

Responses = Mapping[int | str, dict[str, Any]]
_NO_WORD: Final = re.compile(r"\W")
_STREAMED: Final = "itemSchema"
_REFERENCE: Final = {"$ref": f"#/components/schemas/{Problem.__name__}"}


class ProblemRouter(APIRouter):
    """A router whose own refusals stay described where an endpoint adds others of that status."""

    def add_api_route(
        self,
        path: str,
        endpoint: Callable[..., Any],
        *,
        responses: dict[int | str, dict[str, Any]] | None = None,
        **options: Any,  # noqa: ANN401 - FastAPI's own
    ) -> None:
        together = added_up(self.responses, responses or {})
        super().add_api_route(path, endpoint, responses=together, **options)


def added_up(general: Responses, special: Responses) -> dict[int | str, dict[str, Any]]:
    """Join the descriptions of both where they speak about one status."""
    joined = {**general, **special}
    for status in general.keys() & special.keys():
        parts = (general[status]["description"], special[status]["description"])
        told = dict.fromkeys(part for text in parts for part in text.split("; "))
        joined[status] = {**special[status], "description": "; ".join(told)}
    return joined


def name_problems(document: dict[str, Any], *everywhere: type[ProblemError]) -> dict[str, Any]:
    """Say in an OpenAPI 3.1 document that refusals are problems, which FastAPI takes for whatever
    the endpoint gives when it does not refuse; and which ones every endpoint may answer.
    """
    general: dict[int | str, dict[str, Any]] = {
        str(status): _described(said) for status, said in problem_responses(*everywhere).items()
    }
    for operations in document["paths"].values():
        for operation in operations.values():
            operation["responses"] = added_up(general, operation["responses"])
            for response in operation["responses"].values():
                if "content" in response:
                    response["content"] = _named(response["content"])
    return document


def name_operations(document: dict[str, Any]) -> dict[str, Any]:
    """Name every operation for the code that is made from the description: its part, then what it
    does; the method as well where one address takes several.
    """
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            made = f"{_NO_WORD.sub('_', path)}_{method}"
            name = operation["operationId"].removesuffix(made)
            part = _NO_WORD.sub("_", operation["tags"][0])
            again = [other for other in operations.values() if other is not operation]
            several = any(_means_the_same(operation, other) for other in again)
            operation["operationId"] = f"{part}_{name}" + f"_{method}" * several
    return document


def _means_the_same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return bool(one["summary"] == other["summary"])


def _described(response: dict[str, Any]) -> dict[str, Any]:
    content = {PROBLEM_MEDIA_TYPE: {"schema": _REFERENCE}}
    return {"description": response["description"], "content": content}


def _named(content: dict[str, Any]) -> dict[str, Any]:
    return {
        PROBLEM_MEDIA_TYPE if said.get("schema") == _REFERENCE else media_type: _in_our_version(
            said
        )
        for media_type, said in content.items()
    }


def _in_our_version(said: dict[str, Any]) -> dict[str, Any]:
    """Describe a stream as text: FastAPI uses a word of OpenAPI 3.2 in a document of 3.1."""
    return {"schema": {"type": "string"}} if _STREAMED in said else said
