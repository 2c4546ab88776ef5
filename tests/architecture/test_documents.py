"""Documents that would lie after a change: third-party notices and the server's settings."""

import re
import tomllib
from typing import Any

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
