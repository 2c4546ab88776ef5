"""The `zeraket-gate` command: arguments in, exit code out; each subcommand works elsewhere."""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

from scanner_app.gate.inspection import (
    EventDocumentError,
    inspect_code,
    parse_time_ms,
    read_event_document,
)
from shared.clock import system_clock

EXIT_OK: Final = 0
EXIT_FAILED: Final = 1
EXIT_USAGE: Final = 2


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
    inspect.add_argument("text", metavar="TEXT", help="the code's text, or - to read it from input")
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
    if not (width.isdecimal() and height.isdecimal()):
        message = f"a window's size is like 1280x800, not {text!r}"
        raise argparse.ArgumentTypeError(message)
    return int(width), int(height)


def _run(options: argparse.Namespace) -> int:
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
        document = json.loads(options.event.read_bytes())
        event = read_event_document(document)
        at_ms = parse_time_ms(options.at)
    except OSError as error:
        return _complain(f"{options.event} cannot be read: {error.strerror}")
    except json.JSONDecodeError as error:
        return _complain(f"{options.event} is not JSON: {error}")
    except EventDocumentError as error:
        return _complain(f"{options.event}: {error}")
    except ValueError:
        return _complain(f"--at takes a time like 2026-11-23T18:30:00Z, not {options.at!r}")
    text = sys.stdin.readline().rstrip("\r\n") if options.text == "-" else options.text
    inspection = asdict(inspect_code(text, event, at_ms))
    _print_line(inspection)
    return EXIT_OK


def _print_line(line: dict[str, object]) -> None:
    print(json.dumps(line, ensure_ascii=False), flush=True)  # noqa: T201 - the command's output


def _complain(message: str) -> int:
    print(f"zeraket-gate: {message}", file=sys.stderr)  # noqa: T201 - the command's output
    return EXIT_USAGE
