"""What a bank says of our files: pain.002; pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from xml.etree.ElementTree import Element

from sync_server.payments.providers.bank.documents import demanded, find_all, text_of


@dataclass(frozen=True, slots=True)
class TransferStatus:
    """What a bank says of a transfer; of all in its payment, or its file, where the ids below are
    empty.
    """

    report_id: str
    message_id: str
    payment_id: str
    end_to_end_id: str
    status: str
    reasons: tuple[str, ...]
    bank_reference: str


def statuses_in(message: Element) -> Sequence[TransferStatus]:
    """A status of the file or of a payment holds for all below it that have none of their own."""
    group = demanded(message, "OrgnlGrpInfAndSts")
    of_file = TransferStatus(
        report_id=text_of(demanded(message, "GrpHdr"), "MsgId"),
        message_id=text_of(group, "OrgnlMsgId"),
        payment_id="",
        end_to_end_id="",
        status=text_of(group, "GrpSts"),
        reasons=_reasons(group),
        bank_reference="",
    )
    found: list[TransferStatus] = []
    for payment in find_all(message, "OrgnlPmtInfAndSts"):
        named = replace(of_file, payment_id=text_of(payment, "OrgnlPmtInfId"))
        own = _below(named, payment, "PmtInfSts")
        transfers = find_all(payment, "TxInfAndSts")
        found.extend(_below(own, each, "TxSts") for each in transfers)
        if not transfers:
            found.append(own)
    return found or [of_file]


def _below(above: TransferStatus, element: Element, name: str) -> TransferStatus:
    own, reasons = text_of(element, name), _reasons(element)
    return replace(
        above,
        end_to_end_id=text_of(element, "OrgnlEndToEndId"),
        status=own or above.status,
        reasons=reasons or (() if own else above.reasons),
        bank_reference=text_of(element, "AcctSvcrRef"),
    )


def _reasons(element: Element) -> tuple[str, ...]:
    return tuple(
        filter(
            None, (text_of(each, "Rsn/Cd", "Rsn/Prtry") for each in find_all(element, "StsRsnInf"))
        )
    )
