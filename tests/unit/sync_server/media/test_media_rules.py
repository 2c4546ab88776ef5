import re
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync_server.media.rules import (
    BUCKETS,
    NAME_CHARACTERS_MAX,
    PICTURES,
    TAIL_BYTES,
    Bucket,
    Kind,
    attachment,
    is_whole_pdf,
    kept_name,
    kind_of,
)
from sync_server.organizers.rules import Capability
from tests.factories.files import a_pdf


def test_every_bucket_has_rules_and_one_is_public() -> None:
    assert set(BUCKETS) == set(Bucket)
    assert [bucket for bucket, rules in BUCKETS.items() if rules.public] == ["marketing-media"]


def test_documents_are_taken_by_private_buckets_alone() -> None:
    assert [rules.public for rules in BUCKETS.values() if rules.kinds - PICTURES] == [False, False]


def test_who_reads_and_writes_each_bucket() -> None:
    assert {bucket: (rules.read, rules.write) for bucket, rules in BUCKETS.items()} == {
        Bucket.MARKETING_MEDIA: (None, Capability.EVENT_MANAGE),
        Bucket.ORGANIZER_DOCUMENTS: (Capability.MEMBERS_MANAGE, Capability.MEMBERS_MANAGE),
        Bucket.STATEMENTS: (Capability.FINANCE_VIEW, None),
    }


@pytest.mark.parametrize("kind", Kind)
def test_a_kind_is_found_by_its_media_type(kind: Kind) -> None:
    assert kind_of(kind.media_type) is kind


@pytest.mark.parametrize(
    ("given_name", "kind", "name"),
    [
        ("poster.jpg", Kind.JPEG, "poster.jpg"),
        ("Poster.JPEG", Kind.JPEG, "Poster.JPEG"),
        ("poster", Kind.PNG, "poster.png"),
        ("poster.gif", Kind.PNG, "poster.gif.png"),
        ("terms.html", Kind.PDF, "terms.html.pdf"),
        ("", Kind.PDF, "file.pdf"),
        (".pdf", Kind.PDF, "pdf.pdf"),
        ("..", Kind.PDF, "file.pdf"),
        ("../../etc/passwd", Kind.PDF, "passwd.pdf"),
        ("C:\\fakepath\\scan.pdf", Kind.PDF, "scan.pdf"),
        ("a\r\nSet-Cookie: b.pdf", Kind.PDF, "aSet-Cookie_ b.pdf"),
        ("nul\0l.pdf", Kind.PDF, "null.pdf"),
        ("invoice\u202efdp.exe", Kind.PDF, "invoicefdp.exe.pdf"),
        ("sherehe ya Mwaka.pdf", Kind.PDF, "sherehe ya Mwaka.pdf"),
        ("የዓመት ሪፖርት.pdf", Kind.PDF, "የዓመት ሪፖርት.pdf"),
        ("what?*.pdf", Kind.PDF, "what__.pdf"),
    ],
)
def test_a_name_is_kept_where_it_is_safe(given_name: str, kind: Kind, name: str) -> None:
    assert kept_name(given_name, kind) == name


@given(name=st.text(max_size=400), kind=st.sampled_from(Kind))
def test_a_kept_name_is_short_visible_and_ends_as_its_kind_does(name: str, kind: Kind) -> None:
    kept = kept_name(name, kind)
    assert 1 < len(kept) <= NAME_CHARACTERS_MAX
    assert not re.search(r'[\x00-\x1f\x7f/\\<>:"|?*]', kept)
    assert not kept.startswith(".")
    assert kept.lower().endswith(kind.endings)
    kept.encode()


@given(st.text(max_size=400), st.sampled_from(Kind))
def test_a_kept_name_stays_as_it_is(name: str, kind: Kind) -> None:
    kept = kept_name(name, kind)
    assert kept_name(kept, kind) == kept


@pytest.mark.parametrize(
    ("name", "plain", "extended"),
    [
        ("terms.pdf", "terms.pdf", "terms.pdf"),
        ("€ rates.pdf", "rates.pdf", "%E2%82%AC%20rates.pdf"),
        ("ሪፖ.pdf", "file.pdf", "%E1%88%AA%E1%8D%96.pdf"),
        ("100%.pdf", "100_.pdf", "100%25.pdf"),
    ],
)
def test_a_download_is_named_for_old_and_new_readers(name: str, plain: str, extended: str) -> None:
    header = f"attachment; filename=\"{plain}\"; filename*=UTF-8''{extended}"
    assert attachment(name) == header


@given(st.text(max_size=400), st.sampled_from(Kind))
def test_a_header_holds_any_name_and_nothing_more(name: str, kind: Kind) -> None:
    kept = kept_name(name, kind)
    found = re.fullmatch(
        r"attachment; filename=\"([ !#$&-\[\]-~]+)\"; filename\*=UTF-8''([\w!#$&+.^`|~%-]+)",
        attachment(kept),
        flags=re.ASCII,
    )
    assert found is not None
    assert unquote(found[2]) == kept


@pytest.mark.parametrize(
    ("document", "whole"),
    [
        (a_pdf(), True),
        (a_pdf() + b"\r\n\0\0", True),
        (a_pdf().replace(b"%PDF-1.7", b"%PDF-2.0"), True),
        (b"\n" + a_pdf(), False),
        (a_pdf().replace(b"%PDF-1.7", b"%PDF-9.7"), False),
        (a_pdf()[:-8], False),
        (a_pdf() + b"PK\x05\x06" + bytes(18), False),
        (a_pdf() + b"<script>alert(1)</script>", False),
        (b"%PDF-1.7 %%EOF", False),
    ],
)
def test_a_pdf_begins_and_ends_as_one(document: bytes, whole: bool) -> None:
    assert is_whole_pdf(document[:64], document[-TAIL_BYTES:]) is whole
