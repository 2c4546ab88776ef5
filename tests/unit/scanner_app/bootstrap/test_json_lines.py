import io
import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from scanner_app.bootstrap.gate_worker import JudgedCode
from scanner_app.bootstrap.json_lines import JsonLines
from scanner_app.gate.gate_time import TimeReading
from scanner_app.gate.gather import GateConditions
from scanner_app.gate.kiosk import CameraCondition, KioskPhase, KioskStatus
from scanner_app.gate.ports import GatePost, JournalUnwritableError
from scanner_app.gate.session import GateSession, Judgement
from scanner_app.peripherals.code_source import ShownCode
from scanner_app.store.kiosk_store import KioskStore
from shared.admission.verdict import Reason, Refusal, Refuse
from shared.clock import SettableClock
from tests.factories.admission import DEVICE, GATE, NOW_MS, a_scan_id
from tests.factories.credentials import EventKeys, P256Holder, a_core
from tests.factories.journal import BOOT_ID
from tests.factories.kiosk_store import STORE_KEY, make_store
from tests.factories.snapshots import SnapshotContent, SnapshotTicket

CODE = EventKeys().reference_code(a_core(), P256Holder())
NAME = "Aisha Namutebi"


class Lamp:
    def actuate(self, judgement: Judgement) -> None:
        """Stay dark."""


def judged_codes(directory: Path, *texts: str) -> list[JudgedCode]:
    make_store(directory, SnapshotContent(tickets=(SnapshotTicket(holder_name=NAME),)))
    store = KioskStore.open(directory, STORE_KEY)
    knowledge = store.knowledge()
    assert knowledge is not None
    post, clock = GatePost(DEVICE, GATE, BOOT_ID), SettableClock(NOW_MS)
    session = GateSession(post, store.gate_store(), Lamp(), clock, os.urandom)
    conditions = GateConditions(TimeReading(NOW_MS, 0))
    judged = [
        JudgedCode(
            ShownCode(text, 1_000_000, "camera"),
            session.judge(text, knowledge, conditions),
            knowledge,
            3_500_000,
        )
        for text in texts
    ]
    store.close()
    return judged


def lines(output: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.getvalue().splitlines()]


def test_a_status_is_one_line() -> None:
    output = io.StringIO()
    status = KioskStatus(KioskPhase.SCANNING, camera=CameraCondition.LOST, event_name="Fête\n2026")
    JsonLines(output).on_status(status)
    line = lines(output)[0]
    assert (line["event"], line["phase"], line["camera"]) == ("status", "scanning", "lost")
    assert line["event_name"] == "Fête\n2026"


def test_verdicts_say_what_was_decided_without_codes_and_names(tmp_path: Path) -> None:
    output = io.StringIO()
    writer = JsonLines(output)
    judged = judged_codes(tmp_path / "store", CODE, CODE, "WIFI:S:home;P:secret;;")
    for one in judged:
        writer.on_verdict(one)
        writer.on_shown(one, 9_000_000)
    first, _, again, _, foreign, shown = lines(output)
    assert first == {
        "event": "verdict",
        "scan_id": str(judged[0].judgement.scan_id),
        "seq": 1,
        "verdict": "ADMIT",
        "reasons": [],
        "repeat": False,
        "form": "R",
        "ticket_id": "0123456789abcdef",
        "source": "camera",
        "latency_ms": 2.5,
        "journaled": True,
        "fault": None,
    }
    assert (again["repeat"], again["journaled"], again["seq"]) == (True, False, None)
    assert (foreign["verdict"], foreign["ticket_id"]) == ("NOT_A_TICKET", None)
    assert (shown["event"], shown["latency_ms"]) == ("shown", 8.0)
    written = output.getvalue()
    assert "TK1" not in written
    assert "secret" not in written
    assert NAME not in written


def test_a_device_error_says_its_cause() -> None:
    output = io.StringIO()
    verdict = Refuse((Reason(Refusal.DEVICE_ERROR),))
    fault = JournalUnwritableError("x")
    judgement = Judgement(a_scan_id(), verdict, None, None, None, fault)
    knowledge: Any = None
    JsonLines(output).on_verdict(JudgedCode(ShownCode("x", 0, "camera"), judgement, knowledge, 1))
    line = lines(output)[0]
    assert (line["verdict"], line["fault"]) == ("DEVICE_ERROR", "journal_unwritable")
    assert line["journaled"] is False


def test_a_reader_that_has_gone_closes_no_gate() -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    # Closing writes once more what could not be written.
    with suppress(BrokenPipeError), os.fdopen(write_end, "w", buffering=1) as output:
        writer = JsonLines(output)
        writer.write({"event": "first"})
        writer.write({"event": "second"})
        assert writer._output is None
