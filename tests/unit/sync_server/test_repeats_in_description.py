"""Whatever makes money, tickets or devices keeps its answer for repeats, or says why not."""

import re
from typing import Any

import pytest

from shared.wire import paths
from sync_server.app import create_app
from sync_server.composition import open_services
from sync_server.settings import Settings

HEADER = "Idempotency-Key"
MAKES = re.compile(
    r"/(tickets|transfers|bind|wallet|orders|payments|payouts|refunds|ledger|deployments|devices"
    r"|enrolment-codes|enrolments|scanner|service-accounts|invitations|snapshots)\b"
)
ORGANIZER = "/v1/organizers/{organizer_id}"
EVENT = f"{ORGANIZER}/events/{{event_id}}"
DEPLOYMENT = f"{EVENT}/deployments/{{deployment_id}}"
REQUIRED = {
    f"{EVENT}/tickets",
    f"{EVENT}/tickets/{{ticket_id}}/transfers",
    f"{DEPLOYMENT}/enrolment-codes",
    f"{EVENT}/orders",
    f"{ORGANIZER}/orders/{{order_id}}/refunds",
    "/v1/order/payments",
    "/v1/payments/{payment_id}/give-back",
    "/v1/refunds/{refund_id}/retry",
    "/v1/refunds/{refund_id}/settle-outside",
    "/v1/shop/{organizer_id}/events/{event_id}/orders",
    f"{ORGANIZER}/payouts",
}
OPTIONAL = {
    f"{ORGANIZER}/payout-destinations",
    f"{EVENT}/deployments",
    f"{ORGANIZER}/invitations",
    f"{ORGANIZER}/service-accounts",
    "/v1/wallet/tickets/bind",
}
EXEMPT = {
    "/v1/refunds/{refund_id}/decision": "a refund that is over stays as it is",
    "/api/public/payments/{provider}": "each is kept, and a hint that comes twice changes nothing",
    f"{EVENT}/tickets/{{ticket_id}}/status": "asked for the state it has, a ticket stays as it is",
    f"{DEPLOYMENT}/devices/{{device_id}}/confirm": "a device in this state stays in it",
    f"{DEPLOYMENT}/devices/{{device_id}}/refuse": "a device in this state stays in it",
    f"{DEPLOYMENT}/devices/{{device_id}}/revoke": "a device in this state stays in it",
    f"{DEPLOYMENT}/sessions/{{session_id}}/revoke": "a session ends once",
    f"{DEPLOYMENT}/conflicts/{{conflict_id}}/resolve": "the last word on a conflict counts",
    f"{DEPLOYMENT}/snapshots": "one more version of the same content changes nothing at a gate",
    f"{ORGANIZER}/payouts/{{payout_id}}/approve": "a payout is decided on once",
    f"{ORGANIZER}/payouts/{{payout_id}}/refuse": "a payout is decided on once",
    "/v1/invitations/accept": "an invitation's token works once",
    paths.ENROLMENTS: "the code and the kiosk's two keys are the key",
    paths.SESSIONS: "the newest session of a device is the one that counts",
    paths.SESSION_TOKENS: "a session may have any number of tokens, each short-lived",
    paths.SCANS: "an entry is known by device, number and hash",
    paths.HEARTBEATS: "the last state heard counts",
}


@pytest.fixture(scope="module")
def posts() -> dict[str, dict[str, Any]]:
    document = create_app(lambda: open_services(Settings())).openapi()
    return {
        path: operations["post"]
        for path, operations in document["paths"].items()
        if "post" in operations
    }


def _header(operation: dict[str, Any]) -> dict[str, Any] | None:
    found = [each for each in operation.get("parameters", []) if each["name"] == HEADER]
    return found[0] if found else None


def _with_header(posts: dict[str, dict[str, Any]], *, required: bool) -> set[str]:
    return {
        path
        for path, operation in posts.items()
        if (header := _header(operation)) is not None and header["required"] is required
    }


def test_whatever_makes_money_tickets_or_devices_keeps_its_answer_or_says_why_not(
    posts: dict[str, dict[str, Any]],
) -> None:
    makes = {path for path in posts if MAKES.search(path)}
    assert makes - REQUIRED - OPTIONAL - EXEMPT.keys() == set()


def test_the_table_speaks_of_what_there_is(posts: dict[str, dict[str, Any]]) -> None:
    assert (REQUIRED | OPTIONAL | EXEMPT.keys()) - posts.keys() == set()


def test_the_description_says_where_a_key_is_asked_for(posts: dict[str, dict[str, Any]]) -> None:
    assert _with_header(posts, required=True) == REQUIRED
    assert _with_header(posts, required=False) == OPTIONAL


@pytest.mark.parametrize("path", sorted(REQUIRED))
def test_a_missing_key_is_described(posts: dict[str, dict[str, Any]], path: str) -> None:
    assert "`idempotency_key_required`" in posts[path]["responses"]["400"]["description"]


@pytest.mark.parametrize("path", sorted(REQUIRED | OPTIONAL))
def test_a_key_used_twice_is_described(posts: dict[str, dict[str, Any]], path: str) -> None:
    assert "`idempotency_key_reused`" in posts[path]["responses"]["422"]["description"]
