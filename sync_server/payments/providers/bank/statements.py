"""What a bank says moved on an account, in camt.053 statements and camt.054 notifications: plain
values, whatever version a bank writes. Pure.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Final
from xml.etree.ElementTree import Element

from shared.money import Money, allocate
from sync_server.payments.providers.amounts import from_major
from sync_server.payments.providers.bank.documents import (
    Document,
    MalformedError,
    Unreadable,
    demanded,
    find,
    find_all,
    read_document,
    text_of,
)
from sync_server.payments.providers.bank.keys import (
    Called,
    LineKeys,
    Numbering,
    bank_name,
    is_running_number,
)
from sync_server.payments.providers.bank.references import references_in
from sync_server.payments.providers.bank.reports import TransferStatus, statuses_in

OPENING: Final = "OPBD"
CLOSING: Final = "CLBD"
_BOOKED: Final = "BOOK"
_CHARGES: Final = frozenset({"CHRG", "COMM", "FEES"})


class Side(StrEnum):
    CREDIT = "CRDT"
    DEBIT = "DBIT"


@dataclass(frozen=True, slots=True)
class Balance:
    """`kind` is the bank's code: OPBD, CLBD, CLAV …; an overdraft is less than nothing."""

    kind: str
    amount: Money
    on: date


@dataclass(frozen=True, slots=True)
class EntryDetail:
    """One transaction of an entry, with every name it can be known by."""

    amount: Money
    end_to_end_id: str
    uetr: str
    bank_reference: str
    payment_reference: str
    """The one reference of ours that it names; empty where it names none, or several."""
    return_reason: str
    note: str = field(repr=False)
    counterparty: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of an account; a batch is one line with several details. `charges` are within the
    amount.
    """

    amount: Money
    side: Side
    is_booked: bool
    is_reversal: bool
    booked_on: date | None
    bank_reference: str
    told_reference: str
    """What the bank calls it, whether that names it or only counts."""
    charges: Money | None
    details: tuple[EntryDetail, ...]
    is_charge: bool = False
    """Whether the bank says that it took this for itself."""

    @property
    def signed(self) -> Money:
        return self.amount if self.side is Side.CREDIT else -self.amount


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement, or a notification, which has no balances."""

    id: str
    account: str
    sequence: int | None
    balances: tuple[Balance, ...]
    entries: tuple[Entry, ...]

    def balance(self, kind: str) -> Balance | None:
        """Give the last balance of a kind."""
        found = [balance for balance in self.balances if balance.kind == kind]
        return found[-1] if found else None

    @property
    def adds_up(self) -> bool:
        """Whether the opening balance and all that was booked make the closing balance."""
        opening, closing = self.balance(OPENING), self.balance(CLOSING)
        if opening is None or closing is None:
            return not self.balances
        total = opening.amount
        for entry in self.entries:
            if entry.is_booked:
                total += entry.signed
        return total == closing.amount


@dataclass(frozen=True, slots=True)
class BankMovement:
    """One booked transaction, as payments and payouts are matched with it. By its keys it is known
    when it comes again, whatever the other file says less of it.
    """

    key: str
    account: str
    amount: Money
    side: Side
    is_return: bool
    booked_on: date | None
    bank_reference: str
    end_to_end_id: str
    payment_reference: str
    return_reason: str
    charges: Money | None
    is_charge: bool = field(default=False, compare=False)
    other_keys: tuple[str, ...] = field(default=(), compare=False)
    former_key: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class BankFile:
    """What a file from a bank told us."""

    statements: tuple[Statement, ...] = ()
    statuses: tuple[TransferStatus, ...] = ()

    @property
    def movements(self) -> tuple[BankMovement, ...]:
        numbering = Numbering()
        return tuple(
            movement
            for statement in self.statements
            for movement in _movements_of(statement, numbering)
        )


def read_bank_file(content: bytes) -> BankFile | Unreadable:
    """Read a statement, a notification or a status report; all of it or nothing."""
    document = read_document(content)
    if isinstance(document, Unreadable):
        return document
    try:
        return _read(document)
    except (MalformedError, ValueError) as error:
        return Unreadable(str(error) if isinstance(error, MalformedError) else "a value of no kind")


def _read(document: Document) -> BankFile:
    match document.kind:
        case "camt.053":
            found = find_all(document.message, "Stmt")
            return BankFile(statements=tuple(_statement(each) for each in found))
        case "camt.054":
            found = find_all(document.message, "Ntfctn")
            return BankFile(statements=tuple(_statement(each) for each in found))
        case "pain.002":
            return BankFile(statuses=tuple(statuses_in(document.message)))
        case kind:
            message = f"a message of kind {kind}"
            raise MalformedError(message)


def _movements_of(statement: Statement, numbering: Numbering) -> Iterator[BankMovement]:
    """Give every booked transaction of a statement; what is only announced is none."""
    for place, entry in enumerate(statement.entries):
        if not entry.is_booked:
            continue
        entry_number = numbering.entry((statement.account, entry))
        for number, _ in enumerate(entry.details):
            called = _called(statement, entry, place, number)
            yield _movement(
                statement.account, entry, number, numbering.keys(called, entry_number, number)
            )


def _called(statement: Statement, entry: Entry, place: int, number: int) -> Called:
    detail = entry.details[number]
    amount = f"{detail.amount.minor_units} {detail.amount.currency}"
    sent = detail.end_to_end_id or detail.payment_reference
    return Called(
        account=statement.account,
        booked=(str(entry.booked_on), entry.side, amount),
        theirs=tuple(filter(None, (detail.bank_reference, entry.bank_reference))),
        payers=tuple(filter(None, (detail.uetr, sent))),
        told=entry.told_reference,
        place=f"{statement.id}/{place}",
        sent=(detail.end_to_end_id, detail.payment_reference),
    )


def _movement(account: str, entry: Entry, number: int, keys: LineKeys) -> BankMovement:
    detail = entry.details[number]
    return BankMovement(
        key=keys.key,
        account=account,
        amount=detail.amount,
        side=entry.side,
        is_return=entry.is_reversal or bool(detail.return_reason),
        booked_on=entry.booked_on,
        bank_reference=detail.bank_reference or entry.bank_reference,
        end_to_end_id=detail.end_to_end_id,
        payment_reference=detail.payment_reference,
        return_reason=detail.return_reason,
        charges=_charges_of(entry, number),
        is_charge=entry.is_charge and entry.side is Side.DEBIT,
        other_keys=keys.others,
        former_key=keys.former,
    )


def _charges_of(entry: Entry, number: int) -> Money | None:
    """Those of a batch are split among its transactions, if they are what it was more, or less,
    than these.
    """
    charges, details = entry.charges, entry.details
    if charges is None or len(details) == 1:
        return charges
    if {detail.amount.currency for detail in details} != {charges.currency}:
        return None
    beside = abs(entry.amount.minor_units - sum(each.amount.minor_units for each in details))
    is_within = entry.amount.currency == charges.currency and beside == charges.minor_units
    return allocate(charges, [1] * len(details))[number] if is_within else None


def _statement(element: Element) -> Statement:
    sequence = text_of(element, "ElctrncSeqNb")
    return Statement(
        id=text_of(element, "Id"),
        account=text_of(demanded(element, "Acct"), "Id/Othr/Id", "Id/IBAN"),
        sequence=int(sequence) if sequence else None,
        balances=tuple(_balance(each) for each in find_all(element, "Bal")),
        entries=tuple(_entry(each) for each in find_all(element, "Ntry")),
    )


def _balance(element: Element) -> Balance:
    amount = _money(demanded(element, "Amt"))
    day = _day(demanded(element, "Dt"))
    if day is None:
        message = "a balance without a day"
        raise MalformedError(message)
    kind = text_of(element, "Tp/CdOrPrtry/Cd", "Tp/CdOrPrtry/Prtry")
    return Balance(kind, amount if _side(element) is Side.CREDIT else -amount, day)


def _entry(element: Element) -> Entry:
    amount = _money(demanded(element, "Amt"))
    told = _charges_told(element)
    dated = find(element, "BookgDt")
    day = find(element, "ValDt") if dated is None else dated
    own, counted = text_of(element, "AcctSvcrRef"), text_of(element, "NtryRef")
    return Entry(
        amount=amount,
        side=_side(element),
        is_booked=text_of(element, "Sts/Cd", "Sts") == _BOOKED,
        is_reversal=text_of(element, "RvslInd") in {"true", "1"},
        booked_on=None if day is None else _day(day),
        bank_reference=bank_name(own, "" if is_running_number(counted) else counted),
        told_reference=own or counted,
        charges=told,
        details=_details(element, amount, told),
        is_charge=text_of(element, "BkTxCd/Domn/Fmly/SubFmlyCd") in _CHARGES,
    )


def _charges_told(entry: Element) -> Money | None:
    """A bank tells what it kept beside an entry, or beside the one transaction that it is."""
    found = find_all(entry, "NtryDtls/TxDtls")
    places = (entry, *found) if len(found) == 1 else (entry,)
    told = (find(place, "Chrgs/TtlChrgsAndTaxAmt") for place in places)
    return next((_money(each) for each in told if each is not None), None)


def _details(entry: Element, amount: Money, charges: Money | None) -> tuple[EntryDetail, ...]:
    """One detail stands for the whole entry, whatever currency its payer paid in."""
    found = find_all(entry, "NtryDtls/TxDtls")
    if len(found) > 1:
        return tuple(_detail(each, _money(demanded(each, "Amt"))) for each in found)
    alone = found[0] if found else entry
    told = find(alone, "Amt") if found else None
    if told is not None and told.get("Ccy") == amount.currency:
        return (_detail(alone, _money(told)),)
    return (_detail(alone, _moved(amount, charges, entry)),)


def _moved(amount: Money, charges: Money | None, entry: Element) -> Money:
    """What an entry moved but for its charges: they come on top of a debit, and off a credit."""
    if charges is None or charges.currency != amount.currency:
        return amount
    return amount - charges if _side(entry) is Side.DEBIT else amount + charges


def _detail(element: Element, amount: Money) -> EntryDetail:
    notes = [each.text or "" for each in find_all(element, "RmtInf/Ustrd")]
    structured = [each.text or "" for each in find_all(element, "RmtInf/Strd/CdtrRefInf/Ref")]
    end_to_end = text_of(element, "Refs/EndToEndId")
    further = text_of(element, "AddtlTxInf", "AddtlNtryInf")
    note = " ".join(notes)
    places = (*structured, note, end_to_end, further)
    named = {one for text in places for one in references_in(text)}
    parties = ("RltdPties/Dbtr", "RltdPties/Cdtr")
    return EntryDetail(
        amount=amount,
        end_to_end_id="" if end_to_end == "NOTPROVIDED" else end_to_end,
        uetr=text_of(element, "Refs/UETR"),
        bank_reference=bank_name(text_of(element, "Refs/AcctSvcrRef")),
        payment_reference=named.pop() if len(named) == 1 else "",
        return_reason=text_of(element, "RtrInf/Rsn/Cd", "RtrInf/Rsn/Prtry"),
        note=note,
        counterparty=text_of(
            element, *(f"{party}/{name}" for party in parties for name in ("Pty/Nm", "Nm"))
        ),
    )


def _side(element: Element) -> Side:
    return Side(text_of(element, "CdtDbtInd"))


def _money(element: Element) -> Money:
    amount = from_major((element.text or "").strip(), element.get("Ccy"))
    if amount is None or amount.minor_units < 0:
        message = "an amount that is none"
        raise MalformedError(message)
    return amount


def _day(element: Element) -> date | None:
    day = text_of(element, "Dt", "DtTm")[:10]
    return date.fromisoformat(day) if day else None
