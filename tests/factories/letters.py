"""Letters that a mailbox folder received, and the links in them."""

import email
import re
from email.message import EmailMessage
from email.policy import default as default_policy
from pathlib import Path

_LINK = re.compile(r"http\S+/[\w-]+#zgl_\S+")


def letters_to(folder: Path, address: str) -> list[EmailMessage]:
    """What an address received, oldest first."""
    found = [
        email.message_from_bytes(path.read_bytes(), policy=default_policy)
        for path in sorted(folder.glob("*.eml"))
    ]
    return [letter for letter in found if letter["To"] == address]


def link_in(letter: EmailMessage) -> str:
    """The link that a letter asks its reader to open, token and all."""
    text = letter.get_content()
    found = _LINK.search(text)
    assert found is not None, text
    return found[0]
