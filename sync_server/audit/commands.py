"""What `zeraket-server audit` does: verify, prove, check a proof, show the public key."""

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import UUID

from sync_server.audit import service
from sync_server.audit.anchors import FileAnchors
from sync_server.audit.inspection import inspect
from sync_server.audit.proofs import proof_holds, prove
from sync_server.audit.rules import Access, AccessKind, Log, Subject
from sync_server.audit.sealing import Sealer, open_sealer
from sync_server.kit.claims import WORKER
from sync_server.kit.problems import ProblemError
from sync_server.kit.services import Services

CHECK: Final = "check"


@dataclass(frozen=True, slots=True)
class Report:
    """Lines for the person who asked, and whether all is well."""

    lines: tuple[str, ...]
    well: bool = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="verb", required=True)
    verify = verbs.add_parser("verify", help="compare rows, blocks and anchors, name what is wrong")
    verify.add_argument("--anchors", type=Path, help="another folder with anchor files")
    proof = verbs.add_parser("proof", help="print the proof that a row was sealed")
    proof.add_argument("log", type=Log, choices=list(Log), help="which log")
    proof.add_argument("id", type=UUID, help="the row's id")
    check = verbs.add_parser(CHECK, help="check a proof; needs no server and no database")
    check.add_argument("file", type=Path, help="the proof")
    check.add_argument(
        "--public-key", required=True, type=bytes.fromhex, help="the key you were given, in hex"
    )
    verbs.add_parser("key", help="print the public key that proofs are checked with")


async def run(services: Services, arguments: argparse.Namespace) -> Report:
    """Do what needs the server's data; `check` does not."""
    sealer = open_sealer(services)
    if arguments.verb == "verify":
        return await _verify(sealer, arguments.anchors)
    if arguments.verb == "proof":
        return await _prove(sealer, arguments.log, arguments.id)
    return Report((sealer.keys.audit_key.public_key().public_bytes_raw().hex(),))


async def _verify(sealer: Sealer, anchors: Path | None) -> Report:
    if anchors is not None:
        sealer = Sealer(sealer.services, sealer.keys, FileAnchors(anchors))
    inspected = [await inspect(sealer, log) for log in Log]
    summary = [str(one) for one in inspected]
    await _note_reading(sealer.services, *(Subject(log, "*") for log in Log))
    faults = [f"FAULT {finding}" for one in inspected for finding in one.findings]
    return Report((*summary, *faults), well=not faults)


async def _prove(sealer: Sealer, log: Log, row_id: UUID) -> Report:
    try:
        proof = await prove(sealer.services, sealer.keys, log, row_id)
    except ProblemError as problem:
        return Report((problem.title,), well=False)
    await _note_reading(sealer.services, Subject(log, str(row_id)))
    return Report((proof.model_dump_json(indent=2),))


async def _note_reading(services: Services, *subjects: Subject) -> None:
    """The operator's looks at the logs are looks too."""
    looks = [Access(AccessKind.READ, subject) for subject in subjects]
    await service.record_accesses_or_complain(services, WORKER, looks)


def check(arguments: argparse.Namespace) -> Report:
    """Check a proof with nothing but the file and the key."""
    try:
        proof = json.loads(arguments.file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return Report(("The file cannot be read as a proof.",), well=False)
    if not proof_holds(proof, arguments.public_key):
        return Report(("FAULT the proof does not hold under this key.",), well=False)
    return Report(("The proof holds: this row was sealed by the owner of this key.",))
