"""How accounts that money goes to are written over HTTP, the same wherever somebody names one."""

import re
from typing import Annotated, Final

from pydantic import AfterValidator, Field, SecretStr

_ACCOUNT: Final = re.compile(r"\+?[0-9A-Za-z]{5,34}")


def _account_number(account: SecretStr) -> SecretStr:
    if not _ACCOUNT.fullmatch(account.get_secret_value()):
        message = "letters and digits only, for a telephone with its plus"
        raise ValueError(message)
    return account


AccountNumber = Annotated[
    SecretStr, AfterValidator(_account_number), Field(min_length=5, max_length=34)
]
Holder = Annotated[SecretStr, Field(min_length=1, max_length=140)]
BankCode = Annotated[str, Field(max_length=34)]
"""A BIC, or a sort code."""
