"""Payouts as a bank takes them: pain.001.001.09, the same bytes for the same arguments. Pure.

Above what the clearing house takes, a transfer goes gross and at once (RTGS); all others go by EFT.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from itertools import groupby
from typing import Final
from uuid import UUID
from xml.etree.ElementTree import Element

from shared.money import Money
from sync_server.payments.ports import Destination, DisbursementRequest
from sync_server.payments.providers.amounts import to_major
from sync_server.payments.providers.bank.documents import latin, new_document, put, written

VERSION: Final = "pain.001.001.09"
NAME_CHARACTERS_MAX: Final = 140
ID_CHARACTERS_MAX: Final = 35
_PAYMENT_ID_CHARACTERS_MAX: Final = ID_CHARACTERS_MAX - len("-RTGS")
_BIC: Final = re.compile(r"[A-Z0-9]{4}[A-Z]{2}[A-Z0-9]{2}([A-Z0-9]{3})?")
_ACCOUNT: Final = re.compile(r"[A-Za-z0-9]{1,34}")
_MEMBER: Final = re.compile(r"[0-9A-Za-z]{1,35}")


class Clearing(StrEnum):
    EFT = "EFT"
    RTGS = "RTGS"


@dataclass(frozen=True, slots=True)
class BankAccount:
    """An account of ours. `eft_max` is the most that the clearing house takes in one transfer."""

    number: str
    currency: str
    holder: str
    bic: str
    eft_max: int


@dataclass(frozen=True, slots=True)
class TransferFile:
    """What one file says: who pays, when it was made and is to be done, and each transfer."""

    message_id: str
    created_at: datetime
    execution_on: date
    account: BankAccount
    transfers: Sequence[DisbursementRequest] = field(repr=False)


def end_to_end_id(reference: str) -> str:
    """Write our reference without its dashes: ISO 20022 takes 35 characters."""
    return reference.replace("-", "")


def destination_fault(destination: Destination) -> str | None:
    """Say, in the bank's own code, why an account cannot be paid to."""
    if not _ACCOUNT.fullmatch(_joined(destination.account)):
        return "AC03"
    bank = _joined(destination.bank)
    return None if _BIC.fullmatch(bank) or _MEMBER.fullmatch(bank) else "RC01"


def clearing_of(amount: Money, account: BankAccount) -> Clearing:
    return Clearing.RTGS if amount.minor_units > account.eft_max else Clearing.EFT


def payment_id(message_id: str, clearing: Clearing) -> str:
    """Name all of a file's transfers that go one way."""
    return f"{message_id[:_PAYMENT_ID_CHARACTERS_MAX]}-{clearing}"


def build_transfer_file(file: TransferFile) -> bytes:
    """Write the file; every transfer is in the currency of the account that it leaves."""
    root, message = new_document(VERSION, "CstmrCdtTrfInitn")
    header = put(message, "GrpHdr")
    put(header, "MsgId", file.message_id)
    put(header, "CreDtTm", file.created_at.isoformat(timespec="seconds"))
    _put_totals(header, file.transfers)
    put(header, "InitgPty/Nm", latin(file.account.holder, NAME_CHARACTERS_MAX))

    def clearing(transfer: DisbursementRequest) -> Clearing:
        return clearing_of(transfer.amount, file.account)

    for group, transfers in groupby(sorted(file.transfers, key=clearing), key=clearing):
        _put_payment(message, file, group, list(transfers))
    return written(root)


def _put_totals(element: Element, transfers: Sequence[DisbursementRequest]) -> None:
    put(element, "NbOfTxs", str(len(transfers)))
    total = sum((Decimal(to_major(each.amount)) for each in transfers), Decimal(0))
    put(element, "CtrlSum", f"{total:f}")


def _put_payment(
    message: Element,
    file: TransferFile,
    clearing: Clearing,
    transfers: Sequence[DisbursementRequest],
) -> None:
    """One debit of the account each, so that a statement names every transfer."""
    payment = put(message, "PmtInf")
    put(payment, "PmtInfId", payment_id(file.message_id, clearing))
    put(payment, "PmtMtd", "TRF")
    put(payment, "BtchBookg", "false")
    _put_totals(payment, transfers)
    is_urgent = clearing is Clearing.RTGS
    kind = put(payment, "PmtTpInf")
    put(kind, "InstrPrty", "HIGH" if is_urgent else "NORM")
    put(kind, "SvcLvl/Cd", "URGP" if is_urgent else "NURG")
    put(kind, "LclInstrm/Prtry", clearing)
    put(kind, "CtgyPurp/Cd", "SUPP")
    put(payment, "ReqdExctnDt/Dt", file.execution_on.isoformat())
    put(payment, "Dbtr/Nm", latin(file.account.holder, NAME_CHARACTERS_MAX))
    account = put(payment, "DbtrAcct")
    put(account, "Id/Othr/Id", file.account.number)
    put(account, "Ccy", file.account.currency)
    put(payment, "DbtrAgt/FinInstnId/BICFI", file.account.bic)
    put(payment, "ChrgBr", "DEBT")
    for transfer in transfers:
        _put_transfer(payment, transfer)


def _put_transfer(payment: Element, transfer: DisbursementRequest) -> None:
    element = put(payment, "CdtTrfTxInf")
    ids = put(element, "PmtId")
    put(ids, "InstrId", latin(transfer.payout_number, ID_CHARACTERS_MAX))
    put(ids, "EndToEndId", end_to_end_id(transfer.reference))
    if _is_uuid4(transfer.reference):
        put(ids, "UETR", transfer.reference)
    put(element, "Amt/InstdAmt", to_major(transfer.amount), Ccy=transfer.amount.currency)
    destination = transfer.destination
    agent = put(element, "CdtrAgt")
    bank = _joined(destination.bank)
    if _BIC.fullmatch(bank):
        put(agent, "FinInstnId/BICFI", bank)
    else:
        put(agent, "FinInstnId/ClrSysMmbId/MmbId", bank)
    if destination.branch.strip():
        put(agent, "BrnchId/Id", latin(destination.branch, ID_CHARACTERS_MAX))
    put(element, "Cdtr/Nm", latin(destination.holder, NAME_CHARACTERS_MAX))
    identity = put(element, "CdtrAcct/Id/Othr")
    put(identity, "Id", _joined(destination.account))
    put(identity, "SchmeNm/Cd", "BBAN")
    note = f"{transfer.payout_number} {transfer.description}"
    put(element, "RmtInf/Ustrd", latin(note, NAME_CHARACTERS_MAX))


def _joined(text: str) -> str:
    """Take out the spaces and dashes that people write into numbers."""
    return re.sub(r"[\s-]", "", text)


def _is_uuid4(text: str) -> bool:
    try:
        found = UUID(text)
    except ValueError:
        return False
    return found.version == 4 and str(found) == text  # noqa: PLR2004 - the version of a UETR
