"""Keeps None, True and False alive under bindings that drop references to them. Changes no result.

PySide6 6.12 is built as if these were immortal, as they are from Python 3.12 on: each signal it
emits takes a reference to True that it never had, each callback one to None. Under Python 3.11 the
count reaches zero after some hundred signals, and the interpreter aborts.
"""

import ctypes
import sys
from typing import Final

_IMMORTAL: Final = 1 << 40
"""References to add: enough for a million signals a second for twelve days."""


def protect_singletons() -> None:
    """Make the three practically immortal; call it once, before the first signal."""
    if sys.version_info >= (3, 12):
        return
    for singleton in (None, True, False):
        # CPython 3.11 keeps the count of references at the very start of an object.
        count = ctypes.c_ssize_t.from_address(id(singleton))
        count.value += _IMMORTAL
