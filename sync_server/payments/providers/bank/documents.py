"""XML of ISO 20022 as it comes from outside and goes there: read without a document type, entities
or anything fetched, whatever version its namespace names; written the same way each time.
"""

import re
import unicodedata
from dataclasses import dataclass
from typing import Final
from xml.etree.ElementTree import Element, ParseError, SubElement, tostring

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

FILE_BYTES_MAX: Final = 32 << 20
_NAMESPACE: Final = "urn:iso:std:iso:20022:tech:xsd:"
_ROOT: Final = re.compile(
    r"\{" + re.escape(_NAMESPACE) + r"([a-z]{4}\.\d{3})\.\d{3}\.\d{2}\}Document"
)
_KEPT: Final = frozenset("/-?:().,'+ ")


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A file that is none we know; `cause` says nothing of what stands in it."""

    cause: str


class MalformedError(Exception):
    """A file lacks what its kind always has."""


@dataclass(frozen=True, slots=True)
class Document:
    """A message: its kind without a version (`camt.053`), and the element below the root."""

    kind: str
    message: Element


def read_document(content: bytes) -> Document | Unreadable:
    if len(content) > FILE_BYTES_MAX:
        return Unreadable("too large")
    try:
        root: Element = fromstring(content, forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError, LookupError) as error:
        return Unreadable(type(error).__name__)
    named = _ROOT.fullmatch(root.tag)
    if named is None or len(root) == 0:
        return Unreadable("no message of ISO 20022")
    return Document(named[1], root[0])


def find(element: Element, path: str) -> Element | None:
    """Follow a path of local names, as `Acct/Id`."""
    return element.find(_anywhere(path))


def find_all(element: Element, path: str) -> list[Element]:
    return element.findall(_anywhere(path))


def text_of(element: Element, *paths: str) -> str:
    """Give the first text that is there; empty where none is."""
    for path in paths:
        found = find(element, path)
        if found is not None and found.text and found.text.strip():
            return found.text.strip()
    return ""


def demanded(element: Element, path: str) -> Element:
    found = find(element, path)
    if found is None:
        message = f"no {path}"
        raise MalformedError(message)
    return found


def local_name(element: Element) -> str:
    return element.tag.rpartition("}")[2]


def _anywhere(path: str) -> str:
    return "/".join(f"{{*}}{name}" for name in path.split("/"))


def new_document(version: str, message: str) -> tuple[Element, Element]:
    """Begin a document (`pain.001.001.09`); give it and the element of its message."""
    root = Element("Document", {"xmlns": _NAMESPACE + version})
    return root, SubElement(root, message)


def put(parent: Element, path: str, text: str = "", **attributes: str) -> Element:
    """Put new elements below one another, and a text into the last."""
    element = parent
    for name in path.split("/"):
        element = SubElement(element, name)
    element.text = text or None
    element.attrib.update(attributes)
    return element


def written(root: Element) -> bytes:
    content: bytes = tostring(root, encoding="utf-8", xml_declaration=True)
    return content


def latin(text: str, characters_max: int) -> str:
    """Write a text in the letters that banks pass on (SWIFT's set X); never empty."""
    decomposed = unicodedata.normalize("NFKD", text)
    plain = "".join(
        letter if letter.isascii() and (letter.isalnum() or letter in _KEPT) else " "
        for letter in decomposed
        if not unicodedata.combining(letter)
    )
    single = re.sub(r"/{2,}", "/", " ".join(plain.split()))
    return single[:characters_max].strip("/ ") or "NOTPROVIDED"
