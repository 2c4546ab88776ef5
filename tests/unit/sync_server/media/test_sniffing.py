import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync_server.media.errors import DocumentBrokenError, MediaTypeRefusedError
from sync_server.media.rules import BUCKETS, Bucket, Kind
from sync_server.media.sniffing import require_kind
from tests.factories.files import a_pdf, a_photo

MARKETING = BUCKETS[Bucket.MARKETING_MEDIA]
DOCUMENTS = BUCKETS[Bucket.ORGANIZER_DOCUMENTS]
STATEMENTS = BUCKETS[Bucket.STATEMENTS]
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
TABLE = "date,amount\n2026-01-01,1000\n"


@pytest.mark.parametrize("kind", [Kind.JPEG, Kind.PNG, Kind.WEBP, Kind.GIF])
def test_a_picture_is_known_by_its_content(kind: Kind) -> None:
    assert require_kind(io.BytesIO(a_photo(kind=kind.name)), MARKETING) is kind


def test_a_document_is_known_by_its_content() -> None:
    assert require_kind(io.BytesIO(a_pdf()), DOCUMENTS) is Kind.PDF
    assert require_kind(io.BytesIO(a_pdf()), STATEMENTS) is Kind.PDF


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (SVG, "image/svg+xml"),
        (b'<?xml version="1.0"?>' + SVG, None),
        (b"<!DOCTYPE html><script>alert(1)</script>", "text/html"),
        (b"\n <html><script>alert(1)</script>", None),
        (b"<script>alert(1)</script>", None),
        (b"MZ\x90\0", None),
        (b"PK\x03\x04" + bytes(30), None),
        (b"#!/bin/sh\n", None),
        (b"just text", None),
        (b"BM" + bytes(60), None),
        (TABLE.encode(), None),
    ],
)
@pytest.mark.parametrize("rules", [MARKETING, DOCUMENTS], ids=["marketing", "documents"])
def test_what_a_bucket_does_not_take_is_refused(
    content: bytes, found: str | None, rules: object
) -> None:
    with pytest.raises(MediaTypeRefusedError) as refused:
        require_kind(io.BytesIO(content), rules)  # type: ignore[arg-type] # both are rules
    assert found is None or refused.value.extra["found"] == found


def test_a_public_bucket_takes_no_document() -> None:
    with pytest.raises(MediaTypeRefusedError) as refused:
        require_kind(io.BytesIO(a_pdf()), MARKETING)
    assert refused.value.extra == {
        "found": "application/pdf",
        "allowed": ["image/gif", "image/jpeg", "image/png", "image/webp"],
    }


@pytest.mark.parametrize("content", [a_pdf()[:-10], a_pdf() + b"PK\x05\x06" + bytes(18)])
def test_a_document_that_is_more_or_less_than_one_is_refused(content: bytes) -> None:
    with pytest.raises(DocumentBrokenError):
        require_kind(io.BytesIO(content), DOCUMENTS)


@pytest.mark.parametrize("content", [TABLE, "\ufeff" + TABLE, "größe;menge\r\n1;2\r\n", "ዓመት\t1\n"])
def test_a_table_is_text(content: str) -> None:
    assert require_kind(io.BytesIO(content.encode()), STATEMENTS) is Kind.CSV


@pytest.mark.parametrize(
    "content",
    [
        b"a,b\0",
        b"a,\x1b[31mb",
        b"\xff\xfea\0",
        b"a,b\n\xc3",
        b"  <html>",
        b"\xef\xbb\xbf<svg/>",
        bytes(100),
        b"a" * (1 << 20) + b"\0",
    ],
)
def test_other_text_is_no_table(content: bytes) -> None:
    with pytest.raises(MediaTypeRefusedError):
        require_kind(io.BytesIO(content), STATEMENTS)


@given(st.binary(min_size=1, max_size=200))
def test_any_file_is_known_or_refused(content: bytes) -> None:
    try:
        kind = require_kind(io.BytesIO(content), STATEMENTS)
    except (MediaTypeRefusedError, DocumentBrokenError):
        kind = None
    assert kind in {None, Kind.CSV, Kind.PDF}
