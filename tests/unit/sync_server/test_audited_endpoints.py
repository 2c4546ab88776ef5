"""Every endpoint is one of three: it records an action, it notes an access, or it does neither and
the table says why. A new endpoint is in none, and the first test fails until somebody decides.
"""

import ast
import re
from collections.abc import Iterator
from typing import Any

from starlette.routing import BaseRoute

from shared.wire import paths
from sync_server.app import create_app
from sync_server.audit.rules import AccessKind, Log
from sync_server.composition import open_services
from sync_server.settings import Settings
from tests.architecture.tree import ROOT, python_sources

ORGANIZER = "/v1/organizers/{organizer_id}"
EVENT = f"{ORGANIZER}/events/{{event_id}}"
DEPLOYMENT = f"{EVENT}/deployments/{{deployment_id}}"
TICKET = f"{EVENT}/tickets/{{ticket_id}}"
SHOP = "/v1/shop/{organizer_id}/events/{event_id}"
DEVICE = f"{DEPLOYMENT}/devices/{{device_id}}"
_OWN = "people read of themselves"
_EVENTS = "an event and what it is made of name nobody"
_KIOSKS = "kiosks and what they do name nobody"
_LETTER = "nothing changes before the letter's link comes back; letters are counted"

RECORDS_AN_ACTION = {
    "POST /v1/sign-ups/confirm": "person.sign_up",
    "POST /v1/password-resets/confirm": "password.reset",
    "PUT /v1/me/password": "password.change",
    "DELETE /v1/me/sessions": "session.end_all",
    "DELETE /v1/me/sessions/current": "session.sign_out",
    "DELETE /v1/me/sessions/{session_id}": "session.end",
    "POST /v1/me/second-factor/confirm": "second_factor.set",
    "POST /v1/me/second-factor/remove": "second_factor.remove",
    "PUT /v1/admins/{user_id}": "role.grant",
    "DELETE /v1/admins/{user_id}": "role.revoke",
    "POST /v1/organizers": "organizer.create",
    f"POST {ORGANIZER}/members": "member.add",
    f"PUT {ORGANIZER}/members/{{user_id}}": "member.change",
    f"DELETE {ORGANIZER}/members/{{user_id}}": "member.remove",
    f"POST {ORGANIZER}/invitations": "invitation.create",
    f"DELETE {ORGANIZER}/invitations/{{invitation_id}}": "invitation.withdraw",
    "POST /v1/invitations/accept": "invitation.accept",
    f"POST {ORGANIZER}/service-accounts": "service_account.create",
    f"DELETE {ORGANIZER}/service-accounts/{{account_id}}": "service_account.revoke",
    f"POST {ORGANIZER}/events": "event.create",
    f"POST {EVENT}/gates": "gate.create",
    f"POST {EVENT}/zones": "zone.create",
    f"POST {EVENT}/ticket-types": "ticket_type.create",
    f"PUT {EVENT}/offers/{{ticket_type_id}}": "ticket_offer.change",
    f"POST {EVENT}/promo-codes": "promo_code.create",
    f"DELETE {EVENT}/promo-codes/{{promo_code_id}}": "promo_code.withdraw",
    f"POST {EVENT}/orders": "order.sell",
    f"POST {ORGANIZER}/orders/{{order_id}}/refunds": "refund.request",
    "POST /v1/fee-rules": "fee_rule.add",
    "POST /v1/refunds/{refund_id}/decision": "refund.decide",
    "POST /v1/refunds/{refund_id}/retry": "refund.retry",
    "POST /v1/refunds/{refund_id}/settle-outside": "refund.settle_outside",
    "POST /v1/payments/{payment_id}/give-back": "payment.give_back",
    "POST /v1/order/refund-account": "refund_account.name",
    f"POST {EVENT}/tickets": "tickets.issue",
    f"POST {TICKET}/status": "ticket.status",
    f"POST {TICKET}/transfers": "ticket.transfer",
    "POST /v1/wallet/tickets/bind": "ticket.bind",
    f"POST {EVENT}/deployments": "deployment.create",
    f"PUT {DEPLOYMENT}/rules": "deployment.rules",
    f"POST {DEPLOYMENT}/enrolment-codes": "enrolment_code.create",
    f"POST {DEVICE}/confirm": "device.state",
    f"POST {DEVICE}/refuse": "device.state",
    f"POST {DEVICE}/revoke": "device.state",
    f"POST {DEPLOYMENT}/sessions/{{session_id}}/revoke": "scanner_session.revoke",
    f"POST {DEPLOYMENT}/snapshots": "snapshot.rebuild",
    f"POST {DEPLOYMENT}/conflicts/{{conflict_id}}/resolve": "conflict.resolve",
    f"POST {paths.ENROLMENTS}": "device.enrol",
    "POST /v1/me/identities/{provider}": "openid.link",
    "DELETE /v1/me/identities/{identity_id}": "openid.unlink",
    "POST /v1/me/passkeys": "passkey.add",
    "DELETE /v1/me/passkeys/{passkey_id}": "passkey.remove",
    f"POST {ORGANIZER}/media/{{bucket}}": "media.add",
    f"DELETE {ORGANIZER}/media/{{bucket}}/{{object_id}}": "media.remove",
    f"PUT {ORGANIZER}/payout-hold-rule": "payout_hold_rule.set",
    f"POST {ORGANIZER}/payout-destinations": "payout_destination.add",
    f"POST {ORGANIZER}/payout-destinations/{{destination_id}}/confirm": (
        "payout_destination.confirm"
    ),
    f"POST {ORGANIZER}/payout-destinations/{{destination_id}}/withdraw": (
        "payout_destination.withdraw"
    ),
    f"POST {ORGANIZER}/payouts": "payout.request",
    f"POST {ORGANIZER}/payouts/{{payout_id}}/approve": "payout.approve",
    f"POST {ORGANIZER}/payouts/{{payout_id}}/refuse": "payout.refuse",
    "POST /v1/alarms/{alarm_id}/acknowledge": "alarm.acknowledge",
    "POST /v1/jobs/dead/{job_id}/retry": "job.retry",
    "POST /v1/jobs/dead/{job_id}/discard": "job.discard",
    "DELETE /web/session": "session.sign_out",
}
NOTES_AN_ACCESS = {
    "POST /v1/sessions": "sign_in",
    "POST /v1/openid/{provider}/sessions": "sign_in",
    "POST /v1/passkeys/sessions": "sign_in",
    "GET /v1/admins": "admins",
    "GET /v1/jobs/dead": "job",
    f"GET {ORGANIZER}/media/{{bucket}}/{{object_id}}": "stored_object",
    f"GET {ORGANIZER}/payout-destinations/{{destination_id}}": "payout_destination",
    f"GET {ORGANIZER}/members": "members_of_organizer",
    f"GET {ORGANIZER}/invitations": "invitations_of_organizer",
    f"GET {EVENT}/tickets": "tickets_of_event",
    f"GET {TICKET}": "ticket",
    f"GET {DEPLOYMENT}/scans": "scans_of_deployment",
    f"GET {DEPLOYMENT}/conflicts": "conflicts_of_deployment",
    f"GET {paths.SNAPSHOT}": "snapshot",
    f"GET {ORGANIZER}/audit/actions": Log.ACTIONS.value,
    f"GET {ORGANIZER}/audit/accesses": Log.ACCESSES.value,
    f"GET {ORGANIZER}/audit/actions/{{action_id}}/proof": Log.ACTIONS.value,
    "GET /v1/audit/actions": Log.ACTIONS.value,
    "GET /v1/audit/accesses": Log.ACCESSES.value,
}
NEITHER_BECAUSE = {
    "GET /health": "it says that the process answers",
    "GET /ready": "it says that the database answers",
    "GET /metrics": "numbers name nobody",
    "GET /openapi.json": "the description is public",
    **dict.fromkeys(
        (
            "GET /",
            "GET /account",
            "GET /assets/{digest}/{name}",
            "GET /invitation",
            "GET /order",
            "GET /shop/{organizer_id:uuid}/{event_id:uuid}",
            "GET /password-reset",
            "GET /sign-in",
            "GET /sign-in/google",
            "GET /sign-up",
        ),
        "a page holds nothing; what it shows it asks for",
    ),
    "POST /web/session": "the session that the cookie carries was recorded when it began",
    "POST /web/qr-codes": "what is drawn is kept nowhere",
    "GET /v1/openid/providers": "who can be signed in with is public",
    "POST /v1/openid/{provider}/requests": "nothing is known of anybody yet",
    "POST /v1/passkeys/challenges": "nothing is known of anybody yet",
    "POST /v1/me/passkeys/registrations": "a challenge counts for nothing before its answer",
    "POST /v1/me/passkeys/proofs": "the session keeps that and when it was proved",
    "POST /v1/me/second-factor/prove": "the session keeps that and when it was proved",
    "PATCH /v1/me/passkeys/{passkey_id}": "a passkey's name is its owner's own",
    "GET /v1/me/passkeys": _OWN,
    "GET /v1/me/security": _OWN,
    "GET /v1/me/identities": _OWN,
    f"GET {ORGANIZER}/media/{{bucket}}": "a list of files holds no file",
    "GET /media/{sha256}.{ending}": "public pictures are for everybody",
    "GET /files/{organizer_id}/{object_id}": "giving out the signed address was noted",
    f"GET {EVENT}/offers": "what is on sale is public",
    f"GET {EVENT}/promo-codes": "a code names nobody",
    f"GET {EVENT}/orders": "who bought is in no order that is shown to others",
    f"GET {ORGANIZER}/orders/{{order_id}}": "who bought is in no order that is shown to others",
    f"GET {EVENT}/fee-rules": "rules of fees name nobody",
    "GET /v1/fee-rules": "rules of fees name nobody",
    f"GET {SHOP}/offers": "what is on sale is public",
    f"POST {SHOP}/quotes": "nothing is held or kept",
    f"POST {SHOP}/orders": "the order stays as a row of its own, with who sold what by which rules",
    "GET /v1/order": "a buyer reads their own order",
    "GET /v1/payments/mismatched": "sums that wait for a person name nobody",
    "GET /v1/refunds/refused": "sums that wait for a person name nobody",
    "POST /v1/order/payments": "the payment stays as a row of its own, with every reading of it",
    "POST /v1/order/cancel": "the order keeps its state and when it got it",
    **dict.fromkeys(
        (f"{method} /api/public/payments/{{provider}}" for method in ("GET", "POST", "PUT")),
        "the callback stays as a sealed row of its own",
    ),
    f"GET {ORGANIZER}/ledger/balances": "sums of money name nobody",
    f"GET {ORGANIZER}/ledger/transactions": "postings carry ids and name nobody",
    f"GET {ORGANIZER}/payout-balances": "sums of money name nobody",
    f"GET {ORGANIZER}/reports/{{kind}}.{{form}}": "sums of money name nobody",
    f"GET {ORGANIZER}/payout-hold-rule": "a number of days names nobody",
    f"GET {ORGANIZER}/payout-destinations": "a list shows neither names nor numbers",
    f"GET {ORGANIZER}/payouts": "payouts carry ids and sums and name nobody",
    f"GET {ORGANIZER}/payouts/{{payout_id}}": "payouts carry ids and sums and name nobody",
    "GET /v1/alarms": "alarms name nobody",
    "GET /v1/reconciliation/runs": "runs name nobody",
    "GET /v1/reconciliation/runs/{run_id}/items": "items carry ids and sums and name nobody",
    "GET /v1/jobs": "counts of jobs name nobody",
    "GET /v1/realtime": "events carry ids; what they lead to is asked for",
    "POST /api/public/cron/{name}": "the tick stays as a row of its own",
    "POST /api/public/webhooks/{source}": "the delivery stays as a sealed row of its own",
    "POST /v1/sign-ups": _LETTER,
    "POST /v1/password-resets": _LETTER,
    "POST /v1/me/second-factor": "a secret counts for nothing before its first code",
    "GET /v1/me": _OWN,
    "GET /v1/me/sessions": _OWN,
    "GET /v1/organizers": _OWN,
    f"GET {ORGANIZER}": "an organizer's name names nobody",
    f"GET {ORGANIZER}/service-accounts": "a program is nobody",
    f"GET {ORGANIZER}/events": _EVENTS,
    f"GET {EVENT}": _EVENTS,
    f"GET {EVENT}/gates": _EVENTS,
    f"GET {EVENT}/zones": _EVENTS,
    f"GET {EVENT}/ticket-types": _EVENTS,
    f"GET {EVENT}/deployments": _EVENTS,
    f"GET {DEPLOYMENT}": _EVENTS,
    f"GET {DEPLOYMENT}/devices": _KIOSKS,
    f"GET {DEPLOYMENT}/sessions": _KIOSKS,
    f"GET {DEPLOYMENT}/heartbeats": _KIOSKS,
    "GET /v1/wallet/ticket": "a wallet reads its own ticket",
    f"GET {paths.ENROLMENT}": "a kiosk reads what became of itself",
    f"POST {paths.SESSIONS}": "each session stays as a row, with its begin, end and reason",
    f"POST {paths.SESSION_TOKENS}": "a session goes on",
    f"GET {paths.MANIFEST}": "what it leads to, the snapshot, is noted",
    f"GET {paths.CHANGES}": "it goes on from the snapshot, which is noted",
    f"GET {paths.CHANGES_STREAM}": "it says that there is something, and not what",
    f"POST {paths.SCANS}": "a scan is itself a signed row in a chain that nobody can change",
    f"POST {paths.HEARTBEATS}": "the last state heard counts",
}
# What no endpoint does: the operator's commands, the server's own jobs, what goes with another.
BY_THEMSELVES = {
    "passkey.counter_went_back",
    "person.create",
    "event_keys.create",
    "float.top_up",
    "scanner_session.stale",
    "settlement.book",
    "server.start",
    "server.stop",
    "transfer.take_back",
}
# Kinds that are put together, or handed through a parameter.
COMPOSED = {
    "job.discard",
    "job.retry",
    "gate.create",
    "zone.create",
    "ticket_type.create",
    "session.end",
    "session.sign_out",
    "server.start",
    "server.stop",
}


def _endpoints(routes: list[BaseRoute]) -> Iterator[str]:
    """Name what the application answers to, through the routers it includes."""
    for route in routes:
        included: Any = getattr(route, "original_router", None)
        if included is not None:
            yield from _endpoints(included.routes)
            continue
        methods: set[str] = getattr(route, "methods", None) or {"GET"}
        path: str = getattr(route, "path", "")
        yield from (f"{method} {path}" for method in sorted(methods - {"HEAD"}))


def _every_endpoint() -> set[str]:
    return set(_endpoints(create_app(lambda: open_services(Settings())).routes))


def _guide() -> str:
    return (ROOT / "docs/guides/auditors.md").read_text(encoding="utf-8")


def _documented_kinds() -> set[str]:
    table = _guide().partition("| recorded as an action |")[2].partition("\n\n")[0]
    rows = [row.partition("|")[2].partition("|")[0] for row in table.splitlines()[2:]]
    return {kind for row in rows for kind in re.findall(r"`([a-z_]+\.[a-z_]+)`", row)}


def _recorded_kinds() -> set[str]:
    """Find the kinds that stand in the server's code where actions are made."""
    calls = [
        node
        for source in python_sources("sync_server")
        for node in ast.walk(source.syntax)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute)
    ]
    found = [_kind_of(call) for call in calls]
    return {kind for kind in found if kind is not None}


def _kind_of(call: ast.Call) -> str | None:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    place = {"Action": 0, "record_of_person": 2}.get(name)
    if place is None or len(call.args) <= place:
        return None
    given = call.args[place]
    return given.value if isinstance(given, ast.Constant) and isinstance(given.value, str) else None


def test_every_endpoint_is_one_of_three() -> None:
    endpoints = _every_endpoint()
    classified = [*RECORDS_AN_ACTION, *NOTES_AN_ACCESS, *NEITHER_BECAUSE]
    assert endpoints - set(classified) == set()
    assert sorted(classified) == sorted(set(classified))


def test_the_table_speaks_of_what_there_is() -> None:
    assert {*RECORDS_AN_ACTION, *NOTES_AN_ACCESS, *NEITHER_BECAUSE} - _every_endpoint() == set()


def test_whatever_changes_something_records_it_or_says_why_not() -> None:
    """To change something without a word takes a reason of its own."""
    reading = {endpoint for endpoint in NEITHER_BECAUSE if endpoint.startswith("GET ")}
    writing = NEITHER_BECAUSE.keys() - reading
    assert [endpoint for endpoint in writing if len(NEITHER_BECAUSE[endpoint]) < 10] == []
    assert len(writing) < len(RECORDS_AN_ACTION)


def test_the_guide_lists_every_kind_of_action_there_is() -> None:
    kinds = {*RECORDS_AN_ACTION.values(), *BY_THEMSELVES}
    assert _documented_kinds() == kinds


def test_every_kind_in_the_code_is_in_the_table_and_the_other_way_round() -> None:
    kinds = {*RECORDS_AN_ACTION.values(), *BY_THEMSELVES}
    assert _recorded_kinds() | COMPOSED == kinds


def test_the_guide_lists_every_kind_of_access_and_what_is_read() -> None:
    read = {*NOTES_AN_ACCESS.values()} | {kind.value for kind in AccessKind}
    assert [each for each in sorted(read) if f"`{each}`" not in _guide()] == []
