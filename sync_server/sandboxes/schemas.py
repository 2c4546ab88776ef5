"""The schemas that ISO 20022 publishes, as two packages carry them, and what a file has against
them. Needs the extra `sandboxes`; the code of those packages is not run.
"""

from functools import cache
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Final

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import ParseError, fromstring
from xmlschema import XMLSchema

_FAULTS_TOLD: Final = 5
_FILES: Final = {
    "pain.001.001.09": ("pain001", "templates/pain.001.001.09/pain.001.001.09.xsd"),
    "pain.002.001.12": ("pain001", "pain002/schemas/pain.002.001.12.xsd"),
    "camt.053.001.08": ("camt053", "xsd/camt.053.001.08.xsd"),
    "camt.054.001.08": ("camt053", "xsd/camt.054.001.08.xsd"),
}


def schema_faults(content: bytes) -> tuple[str, ...]:
    """Say where a file breaks the schema that it names; empty where it keeps to it."""
    try:
        root = fromstring(content, forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError) as error:
        return (type(error).__name__,)
    version = root.tag.partition("}")[0].rpartition(":")[2]
    if version not in _FILES:
        return (f"no schema for {version}",)
    errors = _schema(version).iter_errors(root)
    return tuple(f"{each.path}: {each.reason}" for each in islice(errors, _FAULTS_TOLD))


@cache
def _schema(version: str) -> XMLSchema:
    package, path = _FILES[version]
    found = find_spec(package)
    places = (found.submodule_search_locations if found else None) or []
    return XMLSchema(str(Path(places[0]) / path), allow="local", defuse="always")
