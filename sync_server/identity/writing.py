"""Writes letters in the reader's language; the texts are data in `texts/`."""

import tomllib
from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import Final

from sync_server.identity.rules import Language
from sync_server.kit.mail import Letter

_FOLDER: Final = files("sync_server.identity") / "texts"


class Occasion(StrEnum):
    SIGN_UP = "sign_up"
    ALREADY_SIGNED_UP = "already_signed_up"
    PASSWORD_RESET = "password_reset"  # noqa: S105 - the name of a letter
    PASSWORD_CHANGED = "password_changed"  # noqa: S105
    PASSKEY_ADDED = "passkey_added"
    PASSKEY_REMOVED = "passkey_removed"
    INVITATION = "invitation"
    IDENTITY_LINKED = "identity_linked"
    IDENTITY_UNLINKED = "identity_unlinked"
    TICKETS = "tickets"
    REFUND_ACCOUNT = "refund_account"


def write_letter(recipient: str, language: Language, occasion: Occasion, /, **words: str) -> Letter:
    """Fill in a letter's blanks: `name` or `organizer`, and `link`, `provider` or `passkey` where
    it holds one; `event` and `number` where it is about an order.
    """
    subject, text = texts(language)[occasion]
    return Letter(recipient, subject.format(**words), text.lstrip().format(**words))


@cache
def texts(language: Language) -> dict[Occasion, tuple[str, str]]:
    """Subject and text of every letter in one language."""
    table = tomllib.loads((_FOLDER / f"{language}.toml").read_text("utf-8"))
    return {
        occasion: (table[occasion]["subject"], table[occasion]["text"]) for occasion in Occasion
    }
