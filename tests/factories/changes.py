"""Giving a valid value the few fields a test cares about."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeVar, cast

Value = TypeVar("Value")


def changed(value: Value, changes: Mapping[str, object]) -> Value:
    """Copy a dataclass with some fields changed; an unknown field is a TypeError."""
    return cast("Value", replace(cast("Any", value), **changes))
