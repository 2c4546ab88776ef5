"""The files of a bank at the other end: orders as it reads them (pain.001.001.09), reports, notices
and statements as it writes them (pain.002.001.12, camt.054.001.08, camt.053.001.08).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Final
from xml.etree.ElementTree import Element, SubElement, tostring

from defusedxml.ElementTree import fromstring

ORDERS: Final = "pain.001.001.09"
_NAMESPACE: Final = "urn:iso:std:iso:20022:tech:xsd:"


@dataclass(frozen=True, slots=True)
class OrderedTransfer:
    """One transfer of an order; `payment_id` names those that go one way."""

    payment_id: str
    end_to_end_id: str
    uetr: str
    amount: str
    currency: str


@dataclass(frozen=True, slots=True)
class Order:
    message_id: str
    transfers: tuple[OrderedTransfer, ...]


@dataclass(frozen=True, slots=True)
class Booking:
    """A line of the account. `charges` are on top of the amount."""

    bank_reference: str
    amount: Decimal
    currency: str
    is_credit: bool
    on: date
    end_to_end_id: str = ""
    note: str = ""
    structured_reference: str = ""
    return_reason: str = ""
    is_reversal: bool = False
    charges: Decimal = Decimal(0)
    tells_charges_within: bool = False
    """Whether they stand in the entry's transaction, as some banks have them, or beside it."""

    @property
    def entry_amount(self) -> Decimal:
        return self.amount + self.charges

    @property
    def signed(self) -> Decimal:
        return self.entry_amount if self.is_credit else -self.entry_amount


@dataclass(frozen=True, slots=True)
class Day:
    """What a statement says of an account's day."""

    id: str
    sequence: int
    account: str
    currency: str
    opening: Decimal
    bookings: Sequence[Booking]

    @property
    def closing(self) -> Decimal:
        return self.opening + sum((each.signed for each in self.bookings), Decimal(0))


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a bank says of one transfer, or of a whole order."""

    status: str
    reason: str = ""
    transfer: OrderedTransfer | None = None
    bank_reference: str = ""


def read_order(content: bytes) -> Order:
    """Read an order that keeps to its schema."""
    message = fromstring(content, forbid_dtd=True)[0]
    transfers = tuple(
        OrderedTransfer(
            payment_id=_text(payment, "PmtInfId"),
            end_to_end_id=_text(each, "PmtId/EndToEndId"),
            uetr=_text(each, "PmtId/UETR"),
            amount=_text(each, "Amt/InstdAmt"),
            currency=_amount(each).attrib["Ccy"],
        )
        for payment in message.findall("{*}PmtInf")
        for each in payment.findall("{*}CdtTrfTxInf")
    )
    return Order(_text(message, "GrpHdr/MsgId"), transfers)


def message_id_of(content: bytes) -> str:
    """Find the name of an order that may break its schema."""
    return _text(fromstring(content, forbid_dtd=True), "CstmrCdtTrfInitn/GrpHdr/MsgId")


def status_report(
    report_id: str, order_id: str, verdicts: Sequence[Verdict], at: datetime
) -> bytes:
    root, message = _document("pain.002.001.12", "CstmrPmtStsRpt")
    header = _put(message, "GrpHdr")
    _put(header, "MsgId", report_id)
    _put(header, "CreDtTm", at.isoformat(timespec="seconds"))
    group = _put(message, "OrgnlGrpInfAndSts")
    _put(group, "OrgnlMsgId", order_id)
    _put(group, "OrgnlMsgNmId", ORDERS)
    for verdict in verdicts:
        if verdict.transfer is None:
            _put(group, "GrpSts", verdict.status)
            _put_reason(group, verdict.reason)
            continue
        payment = _put(message, "OrgnlPmtInfAndSts")
        _put(payment, "OrgnlPmtInfId", verdict.transfer.payment_id)
        element = _put(payment, "TxInfAndSts")
        _put(element, "OrgnlEndToEndId", verdict.transfer.end_to_end_id)
        _put(element, "TxSts", verdict.status)
        _put_reason(element, verdict.reason)
        if verdict.bank_reference:
            _put(element, "AcctSvcrRef", verdict.bank_reference)
    return _written(root)


def notification(notice_id: str, account: str, bookings: Sequence[Booking], at: datetime) -> bytes:
    root, message = _document("camt.054.001.08", "BkToCstmrDbtCdtNtfctn")
    notice = _put_head(message, "Ntfctn", notice_id, at)
    _put(notice, "Acct/Id/Othr/Id", account)
    for booking in bookings:
        _put_entry(notice, booking)
    return _written(root)


def statement(day: Day, at: datetime) -> bytes:
    root, message = _document("camt.053.001.08", "BkToCstmrStmt")
    element = _put_head(message, "Stmt", day.id, at, day.sequence)
    account = _put(element, "Acct")
    _put(account, "Id/Othr/Id", day.account)
    _put(account, "Ccy", day.currency)
    for kind, amount in (("OPBD", day.opening), ("CLBD", day.closing)):
        balance = _put(element, "Bal")
        _put(balance, "Tp/CdOrPrtry/Cd", kind)
        _put(balance, "Amt", f"{abs(amount):f}", Ccy=day.currency)
        _put(balance, "CdtDbtInd", "DBIT" if amount < 0 else "CRDT")
        _put(balance, "Dt/Dt", at.date().isoformat())
    for booking in day.bookings:
        _put_entry(element, booking)
    return _written(root)


def _put_head(
    message: Element, name: str, file_id: str, at: datetime, sequence: int | None = None
) -> Element:
    header = _put(message, "GrpHdr")
    _put(header, "MsgId", file_id)
    _put(header, "CreDtTm", at.isoformat(timespec="seconds"))
    element = _put(message, name)
    _put(element, "Id", file_id)
    if sequence is not None:
        _put(element, "ElctrncSeqNb", str(sequence))
    return element


def _put_entry(parent: Element, booking: Booking) -> None:
    entry = _put(parent, "Ntry")
    _put(entry, "Amt", f"{booking.entry_amount:f}", Ccy=booking.currency)
    _put(entry, "CdtDbtInd", "CRDT" if booking.is_credit else "DBIT")
    if booking.is_reversal:
        _put(entry, "RvslInd", "true")
    _put(entry, "Sts/Cd", "BOOK")
    _put(entry, "BookgDt/Dt", booking.on.isoformat())
    _put(entry, "ValDt/Dt", booking.on.isoformat())
    _put(entry, "AcctSvcrRef", booking.bank_reference)
    domain = _put(entry, "BkTxCd/Domn")
    _put(domain, "Cd", "PMNT")
    family = _put(domain, "Fmly")
    _put(family, "Cd", "RCDT" if booking.is_credit else "ICDT")
    _put(family, "SubFmlyCd", "DMCT")
    if not booking.tells_charges_within:
        _put_charges(entry, booking)
    _put_details(_put(entry, "NtryDtls/TxDtls"), booking)


def _put_charges(parent: Element, booking: Booking) -> None:
    if booking.charges:
        _put(parent, "Chrgs/TtlChrgsAndTaxAmt", f"{booking.charges:f}", Ccy=booking.currency)


def _put_details(details: Element, booking: Booking) -> None:
    references = _put(details, "Refs")
    _put(references, "AcctSvcrRef", booking.bank_reference)
    _put(references, "EndToEndId", booking.end_to_end_id or "NOTPROVIDED")
    _put(details, "Amt", f"{booking.amount:f}", Ccy=booking.currency)
    _put(details, "CdtDbtInd", "CRDT" if booking.is_credit else "DBIT")
    if booking.tells_charges_within:
        _put_charges(details, booking)
    if booking.note or booking.structured_reference:
        remittance = _put(details, "RmtInf")
        if booking.note:
            _put(remittance, "Ustrd", booking.note)
        if booking.structured_reference:
            _put(remittance, "Strd/CdtrRefInf/Ref", booking.structured_reference)
    if booking.return_reason:
        _put(details, "RtrInf/Rsn/Cd", booking.return_reason)


def _put_reason(element: Element, reason: str) -> None:
    if reason:
        _put(element, "StsRsnInf/Rsn/Cd", reason)


def _document(version: str, message: str) -> tuple[Element, Element]:
    root = Element("Document", {"xmlns": _NAMESPACE + version})
    return root, SubElement(root, message)


def _put(parent: Element, path: str, text: str = "", **attributes: str) -> Element:
    element = parent
    for name in path.split("/"):
        element = SubElement(element, name)
    element.text = text or None
    element.attrib.update(attributes)
    return element


def _written(root: Element) -> bytes:
    content: bytes = tostring(root, encoding="utf-8", xml_declaration=True)
    return content


def _text(element: Element, path: str) -> str:
    return element.findtext("/".join(f"{{*}}{name}" for name in path.split("/"))) or ""


def _amount(transfer: Element) -> Element:
    found = transfer.find("{*}Amt/{*}InstdAmt")
    return Element("InstdAmt", {"Ccy": ""}) if found is None else found
