"""E-mail addresses: one spelling for each mailbox, and never shown whole in a log."""

from typing import Annotated, Final

from email_validator import EmailNotValidError, validate_email
from pydantic import AfterValidator, StringConstraints

ADDRESS_CHARACTERS_MAX: Final = 254


def normalised_address(text: str) -> str:
    """Give the one spelling we store, else raise ValueError. Nothing is looked up."""
    try:
        valid = validate_email(text.strip(), check_deliverability=False, test_environment=True)
    except EmailNotValidError as error:
        message = "this is not an e-mail address"
        raise ValueError(message) from error
    return valid.normalized.casefold().lower()


EmailAddress = Annotated[
    str,
    StringConstraints(max_length=ADDRESS_CHARACTERS_MAX),
    AfterValidator(normalised_address),
]
