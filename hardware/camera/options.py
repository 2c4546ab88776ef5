"""Reads the options of a camera specification; it knows kinds of values, not what they are for."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet

from hardware.faults import CameraSpecificationInvalid


def refuse_unknown(options: Mapping[str, str], known: AbstractSet[str]) -> None:
    unknown = sorted(set(options) - known)
    if unknown:
        message = (
            f"camera option {unknown[0]!r} is not known, only {', '.join(sorted(known)) or 'none'}"
        )
        raise CameraSpecificationInvalid(message)


def positive_number(options: Mapping[str, str], name: str, default: float) -> float:
    text = options.get(name)
    if text is None:
        return default
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        message = f"camera option {name}={text!r} is not a positive number"
        raise CameraSpecificationInvalid(message)
    return number


def flag(options: Mapping[str, str], name: str) -> bool:
    """An option that is on when it is named: `?loop`."""
    return name in options
