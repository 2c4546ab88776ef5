import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync_server.operations.jobs_signature import SignedCall, is_signed, signature_of

SECRET = b"0123456789abcdef0123456789abcdef"
NOW = 1_700_000_000
CALL = SignedCall(str(NOW), "POST", "/api/public/cron/jobs.prune", b"")


def test_the_signature_is_what_the_guide_says() -> None:
    empty = hashlib.sha256(b"").hexdigest()
    message = f"{NOW}.POST./api/public/cron/jobs.prune.{empty}".encode()
    expected = "v1=" + hmac.new(SECRET, message, hashlib.sha256).hexdigest()
    assert signature_of(CALL, SECRET) == expected
    assert is_signed(CALL, expected, SECRET, NOW)


@pytest.mark.parametrize(("age", "accepted"), [(0, True), (300, True), (-300, True), (301, False)])
def test_a_signature_lasts_five_minutes(age: int, accepted: bool) -> None:
    assert is_signed(CALL, signature_of(CALL, SECRET), SECRET, NOW + age) is accepted


@given(st.text(max_size=100))
def test_no_other_text_is_the_signature(text: str) -> None:
    assert not is_signed(CALL, text, SECRET, NOW)


@pytest.mark.parametrize(
    "timestamp", ["", "now", "-1", "1e9", "\N{ARABIC-INDIC DIGIT ONE}", "9" * 13]
)
def test_a_timestamp_is_digits(timestamp: str) -> None:
    call = SignedCall(timestamp, CALL.method, CALL.path, CALL.body)
    assert not is_signed(call, signature_of(call, SECRET), SECRET, NOW)
