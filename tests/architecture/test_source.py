"""The whole tree, held against the rules of findings.py."""

import importlib.util
import re
from collections.abc import Callable, Iterator

import pytest

from tests.architecture import findings
from tests.architecture.tree import PACKAGES, ROOT, Source, python_sources, text_files

# What may still break a length rule, and how long it was when it was let in. The list only
# shrinks: an entry that is no longer needed, or has grown, fails.
LONG_FILES: dict[str, int] = {}
LONG_FUNCTIONS: dict[str, int] = {}

MONEY_FOLDERS = tuple(f"sync_server/{name}" for name in ("ledger", "orders", "payments", "payouts"))
CLOCK_READERS = ("shared/clock.py", "tests/bench/")


def everywhere(rule: Callable[[Source], Iterator[str]], *folders: str) -> list[str]:
    return [finding for source in python_sources(*folders) for finding in rule(source)]


def in_every_text(rule: Callable[[str, str], Iterator[str]]) -> list[str]:
    return [finding for path, text in text_files() for finding in rule(path, text)]


@pytest.mark.parametrize(
    ("rule", "folders"),
    [
        (findings.module_docstring_findings, (*PACKAGES, "packaging")),
        (findings.package_file_findings, (*PACKAGES, "tests")),
        (findings.inexact_number_findings, MONEY_FOLDERS),
        (findings.domain_border_findings, ("sync_server",)),
        (findings.qt_findings, PACKAGES),
        (findings.patching_findings, ("tests",)),
        (findings.branching_test_findings, ("tests",)),
        (findings.assertionless_test_findings, ("tests",)),
    ],
)
def test_no_file_breaks_a_rule(
    rule: Callable[[Source], Iterator[str]], folders: tuple[str, ...]
) -> None:
    assert everywhere(rule, *folders) == []


def test_shared_money_is_exact() -> None:
    money = [source for source in python_sources("shared") if source.path == "shared/money.py"]
    assert [
        finding for source in money for finding in findings.inexact_number_findings(source)
    ] == []


def test_only_the_clock_reads_the_clock_and_nobody_throws_dice() -> None:
    found = everywhere(findings.clock_and_dice_findings, *PACKAGES, "packaging", "tests")
    assert [finding for finding in found if not finding.startswith(CLOCK_READERS)] == []


@pytest.mark.parametrize(
    "rule",
    [
        findings.unfinished_findings,
        findings.machine_path_findings,
        findings.registry_findings,
    ],
)
def test_no_text_says_what_it_should_not(rule: Callable[[str, str], Iterator[str]]) -> None:
    assert in_every_text(rule) == []


@pytest.mark.parametrize(
    ("rule", "exceptions"),
    [
        (findings.file_length_findings, LONG_FILES),
        (findings.function_length_findings, LONG_FUNCTIONS),
    ],
)
def test_files_and_functions_stay_short(
    rule: Callable[[Source], Iterator[str]], exceptions: dict[str, int]
) -> None:
    found = everywhere(rule, *PACKAGES, "packaging", "tests")
    by_place = {finding.split(": ")[0].rpartition(":")[0]: finding for finding in found}
    lengths = {
        place: max(int(number) for number in re.findall(r"\b(\d+) lines", finding))
        for place, finding in by_place.items()
    }
    assert lengths == exceptions, "\n".join(found)


def test_packaging_holds_recipes_and_hides_no_library() -> None:
    library = importlib.util.find_spec("packaging")
    assert list(ROOT.glob("packaging/**/__init__.py")) == []
    assert library is not None
    assert "site-packages" in str(library.origin)


def test_every_exception_from_a_rule_of_style_has_its_reason() -> None:
    settings = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    lint = settings.partition("[tool.ruff.lint]")[2].partition("[tool.mypy]")[0]
    ignored = re.findall(r'^  "[A-Z]+\d+",.*$', lint, flags=re.MULTILINE)
    assert ignored
    assert [line for line in ignored if not re.search(r'", +# \w', line)] == []
