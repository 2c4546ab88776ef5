import base64
import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync_server.webhooks.rules import Delivery, StandardWebhooks
from sync_server.webhooks.sources import WebhookSource, source_faults

NOW_MS = 1_614_265_330_000
# The example of the specification's reference implementation.
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
BODY = b'{"test": 2432232314}'
HEADERS = {
    "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "webhook-timestamp": "1614265330",
    "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
}
VERIFIER = StandardWebhooks()


def verified(
    headers: dict[str, str], secrets: tuple[str, ...] = (SECRET,), body: bytes = BODY
) -> str | None:
    return VERIFIER.verify(Delivery(headers, body), secrets, NOW_MS)


def test_the_specifications_example_is_verified() -> None:
    assert verified(HEADERS) == HEADERS["webhook-id"]


def test_any_of_several_secrets_and_signatures_is_enough() -> None:
    other = "whsec_" + base64.b64encode(bytes(24)).decode()
    several = f"v1a,AAAA v1,AAAA {HEADERS['webhook-signature']} nonsense"
    headers = {**HEADERS, "webhook-signature": several}
    assert verified(headers, (other, SECRET)) == HEADERS["webhook-id"]
    assert verified(headers, (other,)) is None
    assert verified(headers, ()) is None


@pytest.mark.parametrize(("seconds", "accepted"), [(300, True), (301, False)])
@pytest.mark.parametrize("sign", [-1, 1])
def test_a_delivery_is_of_these_five_minutes(seconds: int, sign: int, accepted: bool) -> None:
    at = NOW_MS + sign * seconds * 1_000
    assert (VERIFIER.verify(Delivery(HEADERS, BODY), (SECRET,), at) is not None) is accepted


@given(st.binary(max_size=200), st.binary(min_size=24, max_size=64), st.text("ab_1", min_size=1))
def test_what_a_secret_signed_is_verified_and_one_bit_more_is_not(
    body: bytes, key: bytes, event_id: str
) -> None:
    timestamp = str(NOW_MS // 1_000)
    message = f"{event_id}.{timestamp}.".encode() + body
    signature = base64.b64encode(hmac.new(key, message, hashlib.sha256).digest()).decode()
    secret = "whsec_" + base64.b64encode(key).decode()
    headers = {
        "webhook-id": event_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": f"v1,{signature}",
    }
    assert verified(headers, (secret,), body) == event_id
    assert verified(headers, (secret,), body + b"\0") is None


@given(st.dictionaries(st.sampled_from(sorted(HEADERS)), st.text(max_size=80)))
def test_no_header_is_more_than_wrong(changes: dict[str, str]) -> None:
    headers = {**HEADERS, **changes}
    assert verified(headers, body=b"another") is None


@pytest.mark.parametrize(
    ("secrets", "is_faulty"),
    [
        ((SECRET,), False),
        ((), True),
        (("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",), True),
        (("whsec_c2hvcnQ=",), True),
        (("whsec_%%",), True),
    ],
)
def test_secrets_that_cannot_verify_are_found(secrets: tuple[str, ...], is_faulty: bool) -> None:
    fault = VERIFIER.fault(secrets)
    assert (fault is not None) is is_faulty
    assert not any(secret in (fault or "") for secret in secrets)


def test_sources_nobody_knows_are_found_before_the_first_delivery() -> None:
    async def handle(*_: object) -> None:
        """Do nothing."""

    sources = {"pay": WebhookSource(VERIFIER, handle)}
    assert source_faults(sources, {}) == []
    assert source_faults(sources, {"pai": (), "pay": ()}) == [
        "this program knows no source 'pai'",
        "pay: give at least one secret",
    ]
