"""The root of every error both programs raise on purpose, each with a stable code.

ZeraketError
├── CredentialError         a presented code or a key is not what it claims (shared.credentials)
├── JournalError            a journal does not hold together (shared.journal)
├── AdmissionPolicyError    rules an organizer wrote cannot be applied (shared.admission)
└── MoneyError              amounts that may not be combined (shared.money)
"""

from typing import ClassVar


class ZeraketError(Exception):
    """An expected failure: `code` is stable and may travel, the message is for people."""

    code: ClassVar[str] = "zeraket_error"


class CredentialError(ZeraketError):
    """A code, a key or a signature that cannot be used."""

    code = "credential_error"


class JournalError(ZeraketError):
    """A journal entry or chain that does not hold together."""

    code = "journal_error"


class AdmissionPolicyError(ZeraketError):
    """Admission rules that contradict themselves or name what does not exist."""

    code = "admission_policy_error"


class MoneyError(ZeraketError):
    """An amount of money that cannot be formed or combined."""

    code = "money_error"
