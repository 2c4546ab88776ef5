"""Documents that would lie after a change: notices, settings, refusals, paths and codes."""

import json
import re
import tomllib
from typing import Any

from shared.admission.verdict import SUPERVISOR_MAY_OVERRIDE, Outcome, Refusal
from shared.wire import paths
from shared.wire.problems import ScannerProblem
from sync_server.settings import Settings
from tests.architecture.tree import ROOT


def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def declared_packages() -> set[str]:
    """Name every direct dependency, without version and extras."""
    table = project()
    requirements = [
        *table["project"]["dependencies"],
        *(name for names in table["project"]["optional-dependencies"].values() for name in names),
        *(name for names in table["dependency-groups"].values() for name in names),
    ]
    return {re.split(r"[\[<>=!~ ]", requirement, maxsplit=1)[0] for requirement in requirements}


def noticed_packages() -> set[str]:
    notices = (ROOT / "docs/third-party-notices.md").read_text(encoding="utf-8")
    ours = notices.partition("## System libraries")[0]
    cells = re.findall(r"^\| ([^|]+) \| [^|]+ \| [^|]+ \|$", ours, flags=re.MULTILINE)
    return {name for cell in cells for name in cell.split(", ")} - {"package"}


def test_every_dependency_has_its_notice() -> None:
    assert declared_packages() - noticed_packages() == set()


def test_no_notice_speaks_of_what_is_not_used() -> None:
    of_pyside = {"shiboken6"}
    assert noticed_packages() - declared_packages() - of_pyside == set()


def test_every_setting_of_the_server_is_documented() -> None:
    example = (ROOT / "packaging/server/server.env.example").read_text(encoding="utf-8")
    documented = set(re.findall(r"^#?(ZERAKET_[A-Z_]+)=", example, flags=re.MULTILINE))
    assert documented == {f"ZERAKET_{name.upper()}" for name in Settings.model_fields}


def test_the_licence_is_whole() -> None:
    licence = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert project()["project"]["license"] == "Apache-2.0"
    assert "END OF TERMS AND CONDITIONS" in licence


def protocol() -> str:
    return (ROOT / "docs/protocol.md").read_text(encoding="utf-8")


def test_the_protocol_lists_every_refusal_in_order_of_precedence() -> None:
    rows = re.findall(r"^\| \d+ \| ([A-Z_]+) \|", protocol(), flags=re.MULTILINE)
    assert rows == list(Refusal)


def test_the_protocol_says_which_refusals_a_supervisor_may_override() -> None:
    rows = re.findall(r"^\| \d+ \| ([A-Z_]+) \|.*\| yes \|$", protocol(), flags=re.MULTILINE)
    assert set(rows) == SUPERVISOR_MAY_OVERRIDE


def test_the_protocol_lists_every_admission() -> None:
    assert [code for code in Outcome if f"| {code} |" not in protocol()] == []


def test_the_protocol_lists_every_path_of_the_scanner_contract() -> None:
    found = [value for value in vars(paths).values() if str(value).startswith("/v1/")]
    assert [path for path in found if f"`{path}`" not in protocol()] == []


def test_the_protocol_lists_every_problem_a_kiosk_acts_on() -> None:
    assert [code for code in ScannerProblem if f"`{code}`" not in protocol()] == []


def test_the_admins_guide_lists_every_setting_of_the_server() -> None:
    guide = (ROOT / "docs/guides/admins.md").read_text(encoding="utf-8")
    documented = set(re.findall(r"^\| `(ZERAKET_(?!GATE_)[A-Z_]+)` \|", guide, flags=re.MULTILINE))
    assert documented == {f"ZERAKET_{name.upper()}" for name in Settings.model_fields}


def test_every_link_between_documents_leads_somewhere() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    links = [
        (page, target)
        for page in pages
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    ]
    assert [f"{page}: {link}" for page, link in links if not (page.parent / link).exists()] == []


def test_the_guide_for_gate_staff_explains_every_headline() -> None:
    guide = (ROOT / "docs/guides/gate-staff.md").read_text(encoding="utf-8")
    file = ROOT / "scanner_app/ui/texts/en.json"
    texts = json.loads(file.read_text(encoding="utf-8"))
    words = [text for key, text in texts.items() if re.fullmatch(r"verdict\.[A-Z_]+\.word", key)]
    assert words
    assert [word for word in words if word not in guide] == []
