"""Routers and their description: the refusals of a router and of its endpoint add up, and all are
described as what they are.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from fastapi import APIRouter

from sync_server.kit.problems import PROBLEM_MEDIA_TYPE, Problem

Responses = Mapping[int | str, dict[str, Any]]
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


def name_problems(document: dict[str, Any]) -> dict[str, Any]:
    """Say in an OpenAPI 3.1 document that refusals are problems, which FastAPI takes for whatever
    the endpoint gives when it does not refuse.
    """
    for operations in document["paths"].values():
        for operation in operations.values():
            for response in operation["responses"].values():
                if "content" in response:
                    response["content"] = _named(response["content"])
    return document


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
