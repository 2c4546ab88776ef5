import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import segno
from numpy.typing import NDArray

from scanner_app.cli import main
from tests.factories.credentials import EventKeys, P256Holder, a_core
from tests.factories.event_documents import an_event_document

AT = "2026-02-02T02:40:05Z"
PROGRAM = Path(sys.executable).parent / "zeraket-gate"
KEYS = {"form", "ticket_id", "gen", "counter", "verdict", "reasons"}
R_CODE = EventKeys().reference_code(a_core(), P256Holder())
SPACED = "TK1:A  B C  "


@pytest.fixture
def event_file(tmp_path: Path) -> Path:
    path = tmp_path / "event.json"
    path.write_text(json.dumps(an_event_document()))
    return path


def inspect(event_file: Path, *text: str, at: str = AT) -> int:
    return main(["inspect", "--event", str(event_file), "--at", at, *text])


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_inspect_prints_one_line_with_exactly_these_keys(
    event_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert inspect(event_file, R_CODE) == 0
    assert lines(capsys) == [
        {
            "form": "R",
            "ticket_id": "0123456789abcdef",
            "gen": 1,
            "counter": 118_000_000,
            "verdict": "ADMIT",
            "reasons": [],
        }
    ]


@pytest.mark.parametrize(
    ("at", "verdict"),
    [
        ("2026-02-02T02:40:05Z", "ADMIT"),
        ("2026-02-02T05:40:05+03:00", "ADMIT"),
        ("2026-02-02T02:40:05", "ADMIT"),
        ("1770000005", "ADMIT"),
        ("2026-02-02T02:40:05+03:00", "TOO_EARLY"),
    ],
)
def test_a_time_without_an_offset_is_utc(
    event_file: Path, capsys: pytest.CaptureFixture[str], at: str, verdict: str
) -> None:
    assert inspect(event_file, R_CODE, at=at) == 0
    found = lines(capsys)[0]
    assert verdict in {found["verdict"], *found["reasons"]}


@pytest.mark.parametrize("text", [["--", "-foreign"], ["-5"], ["-x y"], ["--", "--event"], [""]])
def test_a_text_may_begin_with_a_dash(
    event_file: Path, capsys: pytest.CaptureFixture[str], text: list[str]
) -> None:
    assert inspect(event_file, *text) == 0
    found = lines(capsys)[0]
    assert set(found) == KEYS
    assert found["verdict"] == "NOT_A_TICKET"


@pytest.mark.parametrize(
    ("arguments", "place"),
    [
        (["--at", "soon"], "--at takes a time like"),
        (["--at", "9" * 40], "--at takes a time like"),
        (["--at", "0001-01-01"], "--at takes a time like"),
        (["--event", "missing.json"], "missing.json cannot be read"),
        (["--event", "."], "cannot be read"),
    ],
)
def test_what_cannot_be_used_is_named(
    event_file: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], place: str
) -> None:
    given = ["inspect", "--event", str(event_file), "--at", AT, *arguments, R_CODE]
    assert main(given) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert place in captured.err


@pytest.mark.parametrize(
    ("content", "place"),
    [
        (b"", "is not JSON"),
        (b"{", "is not JSON"),
        (b"\xff\xfe\x00", "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
        (b'{"base_time": ' + b"9" * 5_000 + b"}", "is not JSON"),
        (b"[]", "the document must be an object"),
        (b"{}", "event_uuid is missing"),
        (json.dumps(an_event_document(tickets=[{}])).encode(), "tickets[0].ticket_id is missing"),
    ],
)
def test_a_malformed_document_is_a_clear_message(
    event_file: Path, capsys: pytest.CaptureFixture[str], content: bytes, place: str
) -> None:
    event_file.write_bytes(content)
    assert inspect(event_file, R_CODE) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert f"{event_file}" in captured.err
    assert place in captured.err
    assert len(captured.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("typed", "verdict"),
    [
        (R_CODE.encode() + b"\n", "ADMIT"),
        (R_CODE.encode() + b"\r\nmore\n", "ADMIT"),
        (R_CODE.encode() + b" \n", "NOT_A_TICKET"),
        (b"\xff\xfe\n", "NOT_A_TICKET"),
        (b"", "NOT_A_TICKET"),
    ],
)
def test_the_program_reads_a_code_from_its_input(
    event_file: Path, typed: bytes, verdict: str
) -> None:
    ran = subprocess.run(
        [PROGRAM, "inspect", "--event", event_file, "--at", AT, "-"],
        input=typed,
        capture_output=True,
        check=True,
    )
    assert ran.stderr == b""
    assert json.loads(ran.stdout)["verdict"] == verdict


def picture(text: str, dark: str = "black", light: str = "white") -> NDArray[np.uint8]:
    buffer = io.BytesIO()
    code = segno.make(text, error="l", micro=False)
    code.save(buffer, kind="png", scale=6, border=6, dark=dark, light=light)
    decoded = cv2.imdecode(np.frombuffer(buffer.getvalue(), np.uint8), cv2.IMREAD_COLOR)
    assert decoded is not None
    return np.asarray(decoded, dtype=np.uint8)


def save(path: Path, image: NDArray[np.uint8]) -> Path:
    assert cv2.imwrite(str(path), image)
    return path


@pytest.mark.parametrize(
    "image",
    [picture(R_CODE), picture(R_CODE, dark="white", light="black")],
    ids=["plain", "inverted"],
)
def test_decode_reads_a_ticket_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], image: NDArray[np.uint8]
) -> None:
    file = save(tmp_path / "code.png", image)
    assert main(["decode", str(file)]) == 0
    found = lines(capsys)[0]
    assert set(found) == {"file", "codes", "ms"}
    assert found["file"] == str(file)
    assert [code["text"] for code in found["codes"]] == [R_CODE]
    assert set(found["codes"][0]) == {"text", "decoder"}
    assert found["ms"] > 0


def test_decode_keeps_every_space(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["decode", str(save(tmp_path / "code.png", picture(SPACED)))]) == 0
    assert lines(capsys)[0]["codes"][0]["text"] == SPACED


def test_decode_reads_both_of_two_codes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    left, right = picture("TK1:LEFT"), picture("TK1:RIGHT")
    both = np.hstack([left, right[: left.shape[0]]])
    assert main(["decode", str(save(tmp_path / "two.png", both))]) == 0
    texts = {code["text"] for code in lines(capsys)[0]["codes"]}
    assert texts == {"TK1:LEFT", "TK1:RIGHT"}


@pytest.mark.parametrize("shape", [(300, 400), (1, 1), (2, 400), (400, 3)])
def test_a_picture_without_a_code_has_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], shape: tuple[int, int]
) -> None:
    noise = np.random.default_rng(1).integers(0, 255, shape, np.uint8)
    assert main(["decode", str(save(tmp_path / "none.png", noise))]) == 0
    assert lines(capsys)[0]["codes"] == []


def test_files_that_are_no_pictures_are_said_so_and_delay_no_other(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = tmp_path / "text.png"
    text.write_text("not a picture")
    good = save(tmp_path / "good.png", picture(R_CODE))
    missing = tmp_path / "missing.png"
    assert main(["decode", str(missing), str(text), str(tmp_path), str(good)]) == 1
    found = lines(capsys)
    assert [bool(line.get("error")) for line in found] == [True, True, True, False]
    assert [len(line["codes"]) for line in found] == [0, 0, 0, 1]
    assert [line["file"] for line in found] == [
        str(path) for path in (missing, text, tmp_path, good)
    ]


def test_the_program_decodes_files_of_any_name(tmp_path: Path) -> None:
    odd = tmp_path / "odd\udcff name.png"
    odd.write_bytes(save(tmp_path / "code.png", picture(R_CODE)).read_bytes())
    ran = subprocess.run([PROGRAM, "decode", odd], capture_output=True, check=True)
    assert json.loads(ran.stdout)["codes"][0]["text"] == R_CODE


@pytest.mark.parametrize("size", ["1280", "0x600", "axb", "1280x800x3", "-1x5"])
def test_a_windows_size_is_two_numbers(size: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["run", f"--window={size}"])
    assert ended.value.code == 2
    assert "1280x800" in capsys.readouterr().err
