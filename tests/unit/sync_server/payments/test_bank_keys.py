"""One line has one identity, in whatever file it comes and whatever that leaves out."""

from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from xml.etree.ElementTree import Element, SubElement

import pytest

from sync_server.payments.providers.bank.documents import new_document, put, written
from sync_server.payments.providers.bank.keys import is_running_number
from sync_server.payments.providers.bank.references import payment_reference
from sync_server.payments.providers.bank.statements import BankFile, BankMovement, read_bank_file
from sync_server.payments.statements import KnownLines
from sync_server.sandboxes.schemas import schema_faults

NOW = datetime(2026, 11, 26, 4, 4, 16, tzinfo=UTC)
UETR = "8a562c67-ca16-48ba-b074-65581be6f001"
NAMED = payment_reference("ab9c4dbf-dfb6-48bf-8a32-dc92b7fca611")
NOTICE, STATEMENT = "camt.054.001.08", "camt.053.001.08"
_MESSAGES = {
    NOTICE: ("BkToCstmrDbtCdtNtfctn", "Ntfctn"),
    STATEMENT: ("BkToCstmrStmt", "Stmt"),
}
_BALANCES = {NOTICE: (), STATEMENT: ("OPBD", "CLBD")}
Names = dict[str, str]


def entry(tells: Names | None = None, *details: Names, amount: str = "50000") -> Element:
    """Write a credit as a bank names it: `NtryRef`, `AcctSvcrRef`, and the same of its details."""
    tells = tells or {}
    element = Element("Ntry")
    if "NtryRef" in tells:
        put(element, "NtryRef", tells["NtryRef"])
    put(element, "Amt", amount, Ccy="UGX")
    put(element, "CdtDbtInd", "CRDT")
    put(element, "Sts/Cd", "BOOK")
    put(element, "BookgDt/Dt", tells.get("day", "2026-12-01"))
    if "AcctSvcrRef" in tells:
        put(element, "AcctSvcrRef", tells["AcctSvcrRef"])
    put(element, "BkTxCd/Prtry/Cd", "TRF")
    inside = put(element, "NtryDtls")
    for names in details or ({},):
        transaction = put(inside, "TxDtls")
        references = SubElement(transaction, "Refs")
        for name in ("AcctSvcrRef", "EndToEndId", "UETR"):
            if name in names:
                put(references, name, names[name])
        put(transaction, "Amt", str(int(amount) // max(1, len(details))), Ccy="UGX")
        put(transaction, "CdtDbtInd", "CRDT")
        if "note" in names:
            put(transaction, "RmtInf/Ustrd", names["note"])
    return element


def file_of(kind: str, *entries: Element, name: str = "S1") -> BankFile:
    message, part = _MESSAGES[kind]
    root, body = new_document(kind, message)
    header = put(body, "GrpHdr")
    put(header, "MsgId", name)
    put(header, "CreDtTm", NOW.isoformat(timespec="seconds"))
    inside = put(body, part)
    put(inside, "Id", f"{kind} {name}")
    put(inside, "CreDtTm", NOW.isoformat(timespec="seconds"))
    put(inside, "Acct/Id/Othr/Id", "900")
    for kind_of_balance in _BALANCES[kind]:
        balance = put(inside, "Bal")
        put(balance, "Tp/CdOrPrtry/Cd", kind_of_balance)
        put(balance, "Amt", "0", Ccy="UGX")
        put(balance, "CdtDbtInd", "CRDT")
        put(balance, "Dt/Dt", "2026-12-01")
    inside.extend(entries)
    content = written(root)
    assert schema_faults(content) == ()
    read = read_bank_file(content)
    assert isinstance(read, BankFile)
    return read


def kept(*files: BankFile) -> list[BankMovement]:
    known = KnownLines[BankMovement]()
    found = []
    for movement in (each for file in files for each in file.movements):
        if known.find(movement) is None:
            known.add(movement)
            found.append(movement)
    return found


T1, T2, FT = {"AcctSvcrRef": "T1"}, {"AcctSvcrRef": "T2"}, {"AcctSvcrRef": "FT"}
E2E: Names = {"EndToEndId": "E1"}


@pytest.mark.parametrize(
    ("noticed", "stated"),
    [
        (entry(FT, E2E), entry(FT, E2E)),
        (entry(None, {**T1, **E2E}), entry(None, {**T1, **E2E})),
        # One calls the entry by the name that the other has for its transaction.
        (entry(None, T1), entry(T1)),
        (entry(T1), entry(None, T1)),
        (entry(FT, T1), entry({"AcctSvcrRef": "S9"}, T1)),
        # One says more than the other.
        (entry(FT, T1), entry(FT)),
        (entry(FT), entry(FT, T1)),
        (entry(FT, T1), entry(None, T1)),
        (entry(None, T1), entry(FT, T1)),
        (entry(None, E2E), entry(FT, E2E)),
        (entry(FT, E2E), entry(None, E2E)),
        (entry(None, {"UETR": UETR, **E2E}), entry(FT, {"UETR": UETR})),
        # A running number counts otherwise in another file.
        (entry({"NtryRef": "1"}, T1), entry({"NtryRef": "17"}, T1)),
        (entry({"NtryRef": "1"}, E2E), entry({"NtryRef": "00017"}, E2E)),
        (entry({"NtryRef": "1"}, {"UETR": UETR}), entry({"NtryRef": "2"}, {"UETR": UETR})),
        (entry({"NtryRef": "1"}, {"note": NAMED}), entry({"NtryRef": "9"}, {"note": NAMED})),
        # What is no number names it.
        (entry({"NtryRef": "NT20261201A7"}), entry({"NtryRef": "NT20261201A7"})),
        (entry({"AcctSvcrRef": "NONREF"}, E2E), entry(None, E2E)),
    ],
)
@pytest.mark.parametrize("kinds", [(NOTICE, STATEMENT), (STATEMENT, NOTICE)])
def test_a_credit_in_two_files_is_one(
    noticed: Element, stated: Element, kinds: tuple[str, str]
) -> None:
    files = (file_of(kinds[0], noticed), file_of(kinds[1], stated, name="S2"))
    assert [len(kept(file)) for file in files] == [1, 1]
    assert len(kept(*files)) == 1
    assert len(kept(*reversed(files))) == 1


@pytest.mark.parametrize(
    "entries",
    [
        (entry(T1), entry(T2)),
        (entry(None, T1), entry(None, T2)),
        (entry(FT, {**T1, **E2E}), entry(FT, {**T2, **E2E})),
        (entry(T1, E2E), entry(T2, E2E)),
        (entry(FT, E2E), entry(FT, {"EndToEndId": "E2"})),
        (entry(None, E2E), entry(None, {"EndToEndId": "E2"})),
        (entry(None, E2E), entry(None, E2E)),
        (entry(None, {"note": NAMED}), entry(None, {"note": NAMED})),
        (entry({"NtryRef": "1"}), entry({"NtryRef": "2"})),
        (entry(), entry()),
        (entry(T1), entry({**T1, "day": "2026-12-02"})),
        (entry(T1), entry(T1, amount="50001")),
    ],
)
def test_two_honest_transfers_stay_two(entries: tuple[Element, Element]) -> None:
    notice = file_of(NOTICE, *entries)
    assert len(kept(notice)) == 2
    assert len(kept(notice, notice)) == 2


@pytest.mark.parametrize(
    "entries",
    [
        (entry(T1), entry(T2)),
        (entry(FT, T1), entry(FT, T2)),
        (entry(T1, E2E), entry(T2, E2E)),
        (entry({"NtryRef": "1"}), entry({"NtryRef": "1"})),
        (entry(), entry()),
    ],
)
def test_two_transfers_in_two_notices_stay_two(entries: tuple[Element, Element]) -> None:
    notices = [file_of(NOTICE, each, name=f"N{place}") for place, each in enumerate(entries)]
    assert len(kept(*notices)) == 2


def test_the_transfers_of_a_batch_stay_apart_and_are_known_again_one_by_one() -> None:
    batch = file_of(STATEMENT, entry(FT, T1, T2, amount="100000"))
    alone = file_of(NOTICE, entry(T1), entry(T2))
    unnamed = file_of(NOTICE, entry(FT, {}, {}, amount="100000"), name="S3")
    assert [len(kept(each)) for each in (batch, alone, unnamed)] == [2, 2, 2]
    assert [len(kept(batch, alone)), len(kept(alone, batch))] == [2, 2]
    assert [len(kept(batch, unnamed)), len(kept(unnamed, batch))] == [2, 2]


def test_a_line_that_stands_twice_in_a_file_under_its_banks_name_is_one() -> None:
    assert len(kept(file_of(NOTICE, entry(T1), entry(T1)))) == 1


def former(*parts: str) -> str:
    """Keys as they were before lines had names."""
    return sha256("\n".join(parts).encode()).hexdigest()


@pytest.mark.parametrize(
    ("line", "key"),
    [
        (
            entry(FT, {**T1, **E2E}),
            former("900", "FT", "0", "2026-12-01", "CRDT", "50000 UGX", "E1", ""),
        ),
        (
            entry({"NtryRef": "7"}, {**T1, "note": NAMED}),
            former("900", "7", "0", "2026-12-01", "CRDT", "50000 UGX", "", NAMED),
        ),
        (
            entry(None, T1),
            former("900", f"{NOTICE} S1/0", "0", "2026-12-01", "CRDT", "50000 UGX", "", ""),
        ),
    ],
)
def test_a_line_from_before_is_known_when_its_file_comes_again(line: Element, key: str) -> None:
    again = file_of(NOTICE, line)
    (movement,) = again.movements
    known = KnownLines[BankMovement]()
    before = replace(movement, key=key, other_keys=(), former_key="")
    known.add(before)
    assert movement.key != key
    assert known.find(movement) is before


@pytest.mark.parametrize(
    ("written_number", "running"),
    [("1", True), ("00017", True), ("99999", True), ("100000", False), ("A1", False), ("", False)],
)
def test_running_numbers(written_number: str, running: bool) -> None:
    assert is_running_number(written_number) is running
