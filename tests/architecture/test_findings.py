"""The rules of findings.py, each shown what it must find and what it must leave alone."""

import ast
from collections.abc import Callable, Iterator

import pytest

from tests.architecture import findings
from tests.architecture.tree import Source

SourceRule = Callable[[Source], Iterator[str]]
TextRule = Callable[[str, str], Iterator[str]]

LONG_BODY = "\n".join(f"    x{number} = {number}" for number in range(findings.FUNCTION_LINES_MAX))


def source_of(text: str, path: str = "shared/example.py") -> Source:
    return Source(path, text, ast.parse(text))


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (findings.module_docstring_findings, "x = 1\n"),
        (findings.file_length_findings, "x = 1\n" * (findings.FILE_LINES_MAX + 1)),
        (findings.function_length_findings, f"def long():\n{LONG_BODY}\n"),
        (findings.inexact_number_findings, "rate = 0.5\n"),
        (findings.inexact_number_findings, "def f(amount: float) -> None: ...\n"),
        (findings.inexact_number_findings, "share = total / 3\n"),
        (findings.inexact_number_findings, "share /= 3\n"),
        (findings.clock_and_dice_findings, "import time as t\nt.time_ns()\n"),
        (findings.clock_and_dice_findings, "from datetime import datetime as d\nd.now()\n"),
        (findings.clock_and_dice_findings, "import datetime\ndatetime.date.today()\n"),
        (findings.clock_and_dice_findings, "from random import choice as pick\npick('ab')\n"),
        (findings.clock_and_dice_findings, "import uuid\nuuid.uuid4()\n"),
        (findings.qt_findings, "from PySide6.QtCore import QObject\n"),
        (findings.patching_findings, "from unittest import mock\nimport unittest.mock\n"),
        (findings.patching_findings, "from unittest.mock import patch\n"),
        (
            findings.patching_findings,
            "def test_a(monkeypatch): monkeypatch." + "setattr(a, 1)\n",
        ),
        (findings.patching_findings, "def test_a(mocker): ...\n"),
        (findings.patching_findings, "from pytest_mock import MockerFixture\n"),
        (findings.branching_test_findings, "def test_a():\n    if x:\n        assert x\n"),
        (findings.assertionless_test_findings, "def test_a(): run()\n"),
        (findings.assertionless_test_findings, "def f(): f()\ndef test_a(): f()\n"),
    ],
)
def test_a_breach_is_found(rule: SourceRule, text: str) -> None:
    assert list(rule(source_of(text)))


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (findings.module_docstring_findings, ""),
        (findings.module_docstring_findings, '"""What it does."""\nx = 1\n'),
        (findings.file_length_findings, "x = 1\n" * findings.FILE_LINES_MAX),
        (findings.inexact_number_findings, "share, rest = divmod(total, 3)\nhalf = total // 2\n"),
        (findings.clock_and_dice_findings, "def f(time): return time.time\n"),
        (
            findings.clock_and_dice_findings,
            "from datetime import datetime as d\nd(1, 1, 1)\n",
        ),
        (findings.patching_findings, "def test_a(monkeypatch): monkeypatch.setenv('A', 'b')\n"),
        (findings.patching_findings, "import oidc_provider_mock\n"),
        (findings.branching_test_findings, "def helper():\n    if x:\n        return 1\n"),
        (findings.assertionless_test_findings, "def test_a(): assert run()\n"),
        (findings.assertionless_test_findings, "def f():\n    assert x\ndef test_a(): f()\n"),
        (findings.assertionless_test_findings, "def test_a():\n    with pytest.raises(E): run()\n"),
    ],
)
def test_what_is_allowed_is_left_alone(rule: SourceRule, text: str) -> None:
    assert list(rule(source_of(text))) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", False),
        ('"""What the package is."""\n', False),
        ("from shared.errors import ZeraketError\n__all__ = ['ZeraketError']\n", False),
        ("LIMIT = 3\n", True),
        ("def helper(): ...\n", True),
    ],
)
def test_a_package_file_is_empty_or_passes_names_on(text: str, found: bool) -> None:
    source = source_of(text, "shared/wire/__init__.py")
    assert bool(list(findings.package_file_findings(source))) is found


@pytest.mark.parametrize(
    ("file", "text", "found"),
    [
        ("service.py", "from sqlalchemy import select\n", True),
        ("service.py", "from sqlalchemy.exc import IntegrityError\n", False),
        ("service.py", "from fastapi import HTTPException\n", True),
        ("repository.py", "from sqlalchemy import select\n", False),
        ("repository.py", "from starlette.requests import Request\n", True),
        ("endpoints.py", "from fastapi import APIRouter\n", False),
    ],
)
def test_one_file_of_a_domain_speaks_sql_and_one_http(file: str, text: str, found: bool) -> None:
    source = source_of(text, f"sync_server/ledger/{file}")
    assert bool(list(findings.domain_border_findings(source))) is found


@pytest.mark.parametrize(
    ("rule", "text", "found"),
    [
        (findings.unfinished_findings, "# TO" + "DO: later", True),
        (findings.unfinished_findings, "raise NotImplemented" + "Error", True),
        (findings.unfinished_findings, "return NotImplemented", False),
        (findings.machine_path_findings, "open('/ho" + "me/ada/x')", True),
        (findings.machine_path_findings, "see /wo" + "rk/notes", True),
        (findings.machine_path_findings, "a framework/library, docs/wo" + "rk/", False),
        (findings.registry_findings, "https://py" + "pi.org/simple", True),
        (findings.registry_findings, "https://example.org", False),
    ],
)
def test_words_are_found_wherever_they_stand(rule: TextRule, text: str, found: bool) -> None:
    assert bool(list(rule("notes.md", text))) is found
