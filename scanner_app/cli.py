"""The `zeraket-gate` command: arguments in, exit code out; each subcommand works elsewhere."""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

from scanner_app.gate.event_document import (
    EventDocumentError,
    EventUnderInspection,
    parse_time_ms,
    read_event_document,
)
from scanner_app.gate.inspection import inspect_code
from shared.admission.facts import Direction
from shared.clock import system_clock

EXIT_OK: Final = 0
EXIT_FAILED: Final = 1
EXIT_USAGE: Final = 2


class UsageError(Exception):
    """What was asked for cannot be done as it was asked; the message is for whoever typed it."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a subcommand and give its exit code."""
    options = _parser().parse_args(arguments)
    result: int = options.command(options)
    return result


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="zeraket-gate", description="The ZERAKET gate scanner.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_run(commands.add_parser("run", help="run the kiosk"))
    decode = commands.add_parser(
        "decode", help="read the codes of picture files, one JSON line each"
    )
    decode.add_argument("files", nargs="+", type=Path, metavar="FILE")
    decode.set_defaults(command=_decode)
    inspect = commands.add_parser("inspect", help="say what a code is and how it would be judged")
    inspect.add_argument("--event", required=True, type=Path, metavar="EVENT.json")
    inspect.add_argument("--at", required=True, metavar="ISO-TIME")
    inspect.add_argument(
        "text",
        metavar="TEXT",
        help="the code's text, after -- where it begins with a dash, or - to read it from input",
    )
    inspect.set_defaults(command=_inspect)
    return parser


def _add_run(run: argparse.ArgumentParser) -> None:
    run.add_argument("--camera", default="device:0", metavar="SPEC", help="for example device:0")
    run.add_argument(
        "--state", type=Path, metavar="DIRECTORY", help="where the kiosk keeps its files"
    )
    run.add_argument(
        "--enrol", metavar="CODE", help="an enrolment code (TKE1:…), scanned elsewhere"
    )
    run.add_argument(
        "--direction",
        type=Direction,
        choices=tuple(Direction),
        default=Direction.ENTRY,
        help="which way people walk past this kiosk",
    )
    run.add_argument("--headless", action="store_true", help="no window; needs no display")
    run.add_argument("--json", action="store_true", help="print one JSON line for every event")
    run.add_argument(
        "--window", type=_size, metavar="WIDTHxHEIGHT", help="a window instead of the full screen"
    )
    run.add_argument(
        "--screenshots", type=Path, metavar="DIRECTORY", help="save every verdict shown"
    )
    run.set_defaults(command=_run)


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.partition("x")
    numbers = width.isdecimal() and height.isdecimal()
    if not numbers or not int(width) * int(height):
        message = f"a window's size is like 1280x800, not {text!r}"
        raise argparse.ArgumentTypeError(message)
    return int(width), int(height)


def _run(options: argparse.Namespace) -> int:
    from scanner_app.bootstrap.signals import hold_stop_signals  # noqa: PLC0415

    # Before anything else is loaded: numpy starts threads of its own at once, and a signal that
    # finds one of them willing would end the kiosk in the middle of something.
    hold_stop_signals()
    # Qt and the camera libraries take a second to load; the other commands do without them.
    from scanner_app.bootstrap.run import RunOptions, run_kiosk  # noqa: PLC0415

    return run_kiosk(
        RunOptions(
            camera=options.camera,
            state=options.state,
            enrolment_code=options.enrol,
            headless=options.headless,
            json_lines=options.json,
            window=options.window,
            screenshots=options.screenshots,
            direction=options.direction,
        )
    )


def _decode(options: argparse.Namespace) -> int:
    from scanner_app.peripherals.pictures import decode_picture_file  # noqa: PLC0415

    clock = system_clock()
    exit_code = EXIT_OK
    for path in options.files:
        reading = decode_picture_file(path, clock.monotonic_ns)
        line: dict[str, object] = {
            "file": reading.file,
            "codes": [{"text": code.text, "decoder": code.decoder} for code in reading.codes],
            "ms": round(reading.milliseconds, 3),
        }
        if reading.problem is not None:
            line["error"] = reading.problem
            exit_code = EXIT_FAILED
        _print_line(line)
    return exit_code


def _inspect(options: argparse.Namespace) -> int:
    try:
        event = _read_event(options.event)
        at_ms = _read_time(options.at)
    except UsageError as error:
        return _complain(str(error))
    text = _read_text() if options.text == "-" else options.text
    _print_line(asdict(inspect_code(text, event, at_ms)))
    return EXIT_OK


def _read_event(path: Path) -> EventUnderInspection:
    try:
        return read_event_document(json.loads(path.read_bytes()))
    except OSError as error:
        message = f"{path} cannot be read: {error.strerror}"
        raise UsageError(message) from error
    except EventDocumentError as error:
        message = f"{path}: {error}"
        raise UsageError(message) from error
    except (ValueError, RecursionError) as error:
        message = f"{path} is not JSON: {error}"
        raise UsageError(message) from error


def _read_time(text: str) -> int:
    try:
        return parse_time_ms(text)
    except ValueError as error:
        message = f"--at takes a time like 2026-11-23T18:30:00Z, not {text!r}"
        raise UsageError(message) from error


def _read_text() -> str:
    """Read one line of input as a scanner would send it; its spaces belong to the code."""
    return sys.stdin.buffer.readline().decode(errors="replace").rstrip("\r\n")


def _print_line(line: dict[str, object]) -> None:
    # Escaped, so that no terminal's encoding can come in the way of a strange text or file name.
    print(json.dumps(line), flush=True)  # noqa: T201 - the command's output


def _complain(message: str) -> int:
    print(f"zeraket-gate: {message}", file=sys.stderr)  # noqa: T201 - the command's output
    return EXIT_USAGE
