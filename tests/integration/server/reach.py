"""Which rows of which table a principal may reach: said here once more, by what the rows are, so
that policies can be held against it.

A table that has none of the names below belongs to the organizer in its `organizer_id`, or to the
person in its `user_id`.
"""

from dataclasses import dataclass
from typing import Any, Final

from sync_server.kit.claims import Claims
from sync_server.organizers.rules import Capability

APP, DEVICE, WALLET, WORKER = "zeraket_app", "zeraket_device", "zeraket_wallet", "zeraket_worker"
RESOLVER, OWNER = "zeraket_resolver", "zeraket_owner"
LEDGER, QUEUE = "zeraket_ledger", "zeraket_jobs"
NOTHING: Final = "false"
EVERYTHING: Final = "true"
_TENANT: Final = "organizer_id = :organizer"
_PERSON: Final = "user_id = :user"
_EVENT: Final = "organizer_id = :organizer AND event_id = :event"
_DEPLOYMENT: Final = "organizer_id = :organizer AND deployment_id = :deployment"
_DEVICE: Final = "device_id = :device"


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody with a database role; without claims it is one that nobody logs in as."""

    name: str
    role: str
    claims: Claims | None
    values: dict[str, Any]
    capabilities: frozenset[Capability] = frozenset()


@dataclass(frozen=True, slots=True)
class Command:
    """One way to reach a table, as one role."""

    role: str
    table: str
    name: str


_RESOLVED: Final = (
    "deployments",
    "organizer_members",
    "organizers",
    "content_removals",
    "scanner_sessions",
    "service_accounts",
    "stored_object_variants",
    "stored_objects",
    "tickets",
    "user_openid_identities",
    "user_passkeys",
    "user_passwords",
    "user_roles",
    "user_sessions",
    "user_totp",
    "users",
)
_WRITTEN_FOR_OTHERS: Final = ("access_audit_log", "admin_action_log", "outbox")
_BOOKS: Final = ("finance_entries", "finance_guarded_balances", "finance_txns")
_READ_FOR_THE_BOOKS: Final = (
    *_BOOKS,
    "payments",
    "payout_destinations",
    "refunds",
    "returned_receipts",
)
_OF_THE_SERVER: Final = "(bucket = 'statements' AND created_by IS NULL OR stored_at IS NULL)"
_MADE_HERE: Final = "numbering <> 'elsewhere'"
# What is not said for a command is said for the table.
_ROWS: Final[dict[str, dict[str, str]]] = {
    APP: {
        "organizers": "id = :organizer",
        "organizers INSERT": "created_by = :user",
        "finance_checkpoints": f"{_TENANT} AND {_MADE_HERE}",
        "idempotent_answers": "organizer_id = :organizer AND principal = :principal",
        "stored_objects SELECT": "organizer_id = :organizer"
        " AND (bucket = 'marketing-media' OR CAST(:manages AS boolean))",
        "stored_objects UPDATE": "organizer_id = :organizer AND bucket <> 'statements'",
        "users": "id = :user",
        "payout_destinations INSERT": f"{_TENANT} AND added_by = :user AND confirmed_by IS NULL",
        "payout_destinations UPDATE": f"{_TENANT} AND withdrawn_at IS NULL",
        "payouts INSERT": f"{_TENANT} AND requested_by = :user AND state = 'requested'",
        "payouts UPDATE": f"{_TENANT} AND requested_by <> :user"
        " AND (state = 'requested' OR state = 'approved' AND attempts = 0)",
        "alembic_version": EVERYTHING,
    },
    DEVICE: {
        "deployments": "organizer_id = :organizer AND id = :deployment",
        "devices": "id = :device",
        "scanner_sessions": _DEPLOYMENT,
        "scanner_sessions UPDATE": "id = :session",
        "snapshots": _DEPLOYMENT,
        "tickets": _EVENT,
        "changes": _EVENT,
        "conflicts": _EVENT,
        "scans": _EVENT,
        "scans INSERT": _DEVICE,
        "ticket_admissions": _EVENT,
        "quarantined_entries": _DEVICE,
        "device_chains": _DEVICE,
        "device_heartbeats": _DEVICE,
        "alembic_version": EVERYTHING,
    },
    WALLET: {
        "idempotent_answers": "organizer_id = :organizer AND principal = encode(:claim, 'hex')",
        "tickets": "claim_token_hash = :claim",
        "ticket_bindings": "claim_token_hash = :claim",
        "alembic_version": EVERYTHING,
    },
    WORKER: {
        "alarms UPDATE": "last_seen_at >= raised_at",
        "attempt_counters UPDATE": "attempts > 0",
        "attempt_counters DELETE": "attempts > 0",
        "content_removals DELETE": "began_at <> 'infinity'",
        "cron_ticks DELETE": "ticked_at = '-infinity'",
        "email_tokens UPDATE": "expires_at = 'infinity'",
        "finance_checkpoints": _MADE_HERE,
        "openid_flows UPDATE": "expires_at = 'infinity'",
        "openid_flows DELETE": "expires_at = 'infinity'",
        "organizer_invitations UPDATE": "accepted_by IS NULL OR accepted_at IS NOT NULL",
        "organizer_members INSERT": "user_id IN (SELECT accepted_by FROM organizer_invitations"
        " WHERE accepted_at IS NOT NULL)",
        "idempotent_answers DELETE": "key = 'old'",
        "outbox DELETE": "kind = 'old'",
        "outbox UPDATE": "kind = 'restored'",
        "outbox_readers UPDATE": "xid >= 0 AND id >= 0",
        "payments UPDATE": "refunded_amount <= amount",
        "payout_destinations UPDATE": "withdrawn_at IS NULL",
        "payouts UPDATE": "state <> 'requested'",
        "pgqueuer UPDATE": "status = 'failed'",
        "pgqueuer DELETE": "status = 'failed'",
        "pgqueuer_log DELETE": "created = '-infinity'",
        "passkey_challenges UPDATE": "expires_at = 'infinity'",
        "passkey_challenges DELETE": "expires_at = 'infinity'",
        "proof_uses DELETE": "expires_at = '-infinity'",
        "refunds UPDATE": "attempts >= 0",
        "stored_objects UPDATE": _OF_THE_SERVER,
        "user_devices UPDATE": "expires_at = 'infinity'",
        "user_openid_identities UPDATE": "address = lower(address)",
        "user_openid_identities DELETE": "address = lower(address)",
        "user_passkeys UPDATE": "sign_count >= 0",
        "user_passkeys DELETE": "sign_count >= 0",
        "user_passwords UPDATE": "password_hash <> 'in the open'",
        "user_roles DELETE": "role = 'admin'",
        "user_totp UPDATE": "last_step >= 0",
        "user_totp DELETE": "last_step >= 0",
        "webhook_inbox UPDATE": "NOT conflicting AND processed_at IS NULL",
        "webhook_inbox DELETE": "received_at = '-infinity'",
    },
    RESOLVER: {},
    LEDGER: {"finance_guarded_balances UPDATE": "account <> 'bank'"},
    QUEUE: {
        "pgqueuer UPDATE": "status IN ('queued', 'picked')",
        "pgqueuer DELETE": "status = 'picked'",
    },
    # A member of the resolver and of the ledger, so it reads and adds what they do.
    OWNER: {
        **dict.fromkeys((f"{table} SELECT" for table in _READ_FOR_THE_BOOKS), EVERYTHING),
        **dict.fromkeys((f"{table} INSERT" for table in _BOOKS), EVERYTHING),
        "finance_guarded_balances UPDATE": "account <> 'bank'",
        **dict.fromkeys((f"{table} SELECT" for table in _RESOLVED), EVERYTHING),
        **dict.fromkeys((f"{table} INSERT" for table in _WRITTEN_FOR_OTHERS), EVERYTHING),
        "changes INSERT": EVERYTHING,
        "alembic_version": EVERYTHING,
    },
}
_ELSEWHERE: Final = {
    **dict.fromkeys((WORKER, RESOLVER, LEDGER, QUEUE), EVERYTHING),
    OWNER: NOTHING,
}

_FINANCE: Final = (
    "finance_checkpoints",
    "finance_entries",
    "finance_guarded_balances",
    "finance_txns",
    "order_lines",
    "orders",
    "payment_readings",
    "payments",
    "payout_attempts",
    "payout_destinations",
    "payout_hold_rules",
    "payouts",
    "refunds",
)
# Reading asks for no capability, and writing for one that only managers have, but for these.
_CAPABILITIES: Final = {
    **dict.fromkeys(
        ("tickets", "ticket_bindings", "event_key_sets", "issuer_keys"), Capability.TICKETS_ISSUE
    ),
    "enrolment_codes": Capability.SCANNERS_PROVISION,
    "promo_codes": Capability.EVENT_MANAGE,
    **dict.fromkeys(_FINANCE, Capability.FINANCE_VIEW),
    **dict.fromkeys(
        ("changes", "scans", "quarantined_entries", "ticket_admissions", "conflicts"),
        Capability.SCANS_VIEW,
    ),
    **dict.fromkeys(
        ("organizer_invitations", "service_accounts", "admin_action_log", "access_audit_log"),
        Capability.MEMBERS_MANAGE,
    ),
}
_OF_EVERY_PERSON: Final = frozenset(
    (
        "user_sessions UPDATE",
        "user_passkeys UPDATE",
        "organizers INSERT",
        "idempotent_answers INSERT",
        "idempotent_answers UPDATE",
    )
)

CHANGED: Final = {
    f"{APP} user_sessions": "revoked_at = now()",
    f"{APP} service_accounts": "revoked_at = now()",
    f"{APP} organizer_invitations": "withdrawn_at = now()",
    f"{APP} scanner_sessions": "ended_at = now(), end_reason = 'revoked'",
    f"{APP} payout_destinations": "withdrawn_by = private.my_user_id(), withdrawn_at = now()",
    f"{APP} payouts": "state = 'approved', decided_by = private.my_user_id(), decided_at = now(),"
    " state_changed_at = now(), next_read_at = now()",
    f"{WORKER} scanner_sessions": "ended_at = now(), end_reason = 'stale'",
    f"{WORKER} enrolment_codes": "used_at = now()",
    f"{WORKER} outbox": "xid = pg_current_xact_id()::text::bigint",
    f"{WORKER} organizer_invitations": "accepted_by = NULL, accepted_at = NULL",
    f"{WORKER} pgqueuer": "status = 'queued'",
    f"{WORKER} webhook_inbox": "processed_at = now()",
}
"""What an UPDATE sets where a row's own value will not do."""

REFUSED_CHANGES: Final = {
    **{
        f"{APP} {table}": "organizer_id = :foreign"
        for table in (
            "events",
            "gates",
            "zones",
            "ticket_types",
            "tickets",
            "deployments",
        )
    },
    f"{APP} user_sessions": "revoked_at = NULL",
    f"{APP} service_accounts": "revoked_at = NULL",
    f"{APP} organizer_invitations": "withdrawn_at = NULL",
    f"{APP} scanner_sessions": "ended_at = NULL, end_reason = NULL",
    f"{APP} payout_destinations": "confirmed_by = NULL, confirmed_at = NULL",
    f"{APP} payouts": "state = 'approved', decided_by = gen_random_uuid()",
    f"{DEVICE} conflicts": "event_id = :elsewhere",
    f"{DEVICE} ticket_admissions": "event_id = :elsewhere",
    f"{DEVICE} device_chains": "device_id = :elsewhere",
    f"{DEVICE} device_heartbeats": "device_id = :elsewhere",
    f"{LEDGER} finance_guarded_balances": "account = 'bank'",
    f"{OWNER} finance_guarded_balances": "account = 'bank'",
    f"{QUEUE} pgqueuer": "status = 'successful'",
    f"{WORKER} alarms": "last_seen_at = '-infinity'",
    f"{WORKER} devices": "state = 'revoked'",
    f"{WORKER} enrolment_codes": "used_at = NULL",
    f"{WORKER} event_freezes": "cursor_xid = 0",
    f"{WORKER} organizer_invitations": "accepted_at = now(), accepted_by = NULL",
    f"{WORKER} outbox": "xid = 1",
    f"{WORKER} outbox_readers": "xid = -1",
    f"{WORKER} payments": "refunded_amount = amount + 1",
    f"{WORKER} pgqueuer": "status = 'picked'",
    f"{WORKER} refunds": "attempts = -1",
    f"{WORKER} scanner_sessions": "ended_at = now(), end_reason = 'revoked'",
    f"{WORKER} order_lines": "ticket_id = 1",
    f"{WORKER} orders": "hold_expires_at = '-infinity'",
    f"{WORKER} promo_codes": "uses = -1",
    f"{WORKER} ticket_offers": "taken = -1",
    f"{WORKER} tickets": "status = 'transferred'",
    f"{WORKER} stored_objects": "stored_at = now()",
    f"{WORKER} user_openid_identities": "address = 'Grace@example.org'",
    f"{WORKER} user_passkeys": "sign_count = -1",
    f"{WORKER} webhook_inbox": "processed_at = NULL",
    f"{WORKER} user_passwords": "password_hash = 'in the open'",
    f"{WORKER} user_sessions": "expires_at = 'infinity'",
}
"""What a policy refuses to make of rows that may be changed."""

ADDED: Final[dict[str, dict[str, Any]]] = {
    f"{APP} changes": {"kind": "rules"},
    f"{APP} organizer_members": {},
    f"{APP} payout_destinations": {"withdrawn_by": None, "withdrawn_at": None},
    f"{DEVICE} changes": {"kind": "passage"},
    f"{OWNER} changes": {"kind": "ticket"},
    f"{WORKER} tickets": {"generation": 1, "status": "valid"},
    f"{LEDGER} finance_guarded_balances": {"account": "organizer_available"},
    f"{OWNER} finance_guarded_balances": {"account": "organizer_available"},
    f"{WORKER} content_removals": {"began_at": "now"},
    f"{WORKER} pgqueuer": {"status": "queued", "queue_manager_id": None},
    f"{WORKER} pgqueuer_log": {"status": "queued"},
    f"{WORKER} stored_objects": {"bucket": "statements", "created_by": None},
}
"""What a row that may be added differs in from the one it is made after."""

REFUSED_ADDITIONS: Final[dict[str, dict[str, Any]]] = {
    **{
        f"{role} {table}": bad
        for role in (LEDGER, OWNER)
        for table, bad in (
            ("finance_entries", {"xid": 0}),
            ("finance_guarded_balances", {"account": "bank"}),
            ("finance_txns", {"xid": 0}),
        )
    },
    f"{QUEUE} pgqueuer_log": {"status": "deleted"},
    f"{WORKER} alarms": {"cleared_at": "2026-12-01"},
    f"{WORKER} attempt_counters": {"attempts": 0},
    f"{WORKER} audit_blocks": {"signature": "\\x00"},
    f"{WORKER} bank_balances": {"key": "\\x00"},
    f"{WORKER} bank_movements": {"key": "\\x00"},
    f"{WORKER} bank_transfer_statuses": {"key": "\\x00"},
    f"{WORKER} content_removals": {"began_at": "-infinity"},
    f"{WORKER} cron_ticks": {"due_at": "infinity"},
    f"{WORKER} devices": {"state": "revoked"},
    f"{WORKER} finance_checkpoints": {"entries": 0},
    f"{WORKER} outbox_readers": {"xid": -1},
    f"{WORKER} payment_readings": {"milliseconds": -1},
    f"{WORKER} payments": {"state": "succeeded"},
    f"{WORKER} payout_attempts": {"milliseconds": -1},
    f"{WORKER} payout_hold_rules": {"version": 0},
    f"{WORKER} pgqueuer": {"status": "picked"},
    f"{WORKER} pgqueuer_log": {"status": "picked"},
    f"{WORKER} recon_items": {"item_no": 0},
    f"{WORKER} recon_runs": {"ended_at": "-infinity"},
    f"{WORKER} refund_accounts": {"number": 0},
    f"{WORKER} refunds": {"state": "succeeded"},
    f"{WORKER} returned_receipts": {"paid_from": "a pocket"},
    f"{WORKER} statement_files": {"lines": -1},
    f"{WORKER} statement_lines": {"fee": -1},
    f"{WORKER} stored_objects": {"bucket": "marketing-media"},
    f"{WORKER} webhook_inbox": {"processed_at": "2026-12-01"},
    f"{WORKER} email_tokens": {"expires_at": "-infinity"},
    f"{WORKER} event_freezes": {"cursor_xid": 0},
    f"{WORKER} openid_flows": {"expires_at": "-infinity"},
    f"{WORKER} passkey_challenges": {"expires_at": "-infinity"},
    f"{WORKER} proof_uses": {"digest": "\\x00"},
    f"{WORKER} scanner_sessions": {"ended_at": "2026-12-01", "end_reason": "stale"},
    f"{WORKER} snapshots": {"version": 0},
    f"{WORKER} fee_rules": {"version": 0},
    f"{WORKER} order_lines": {"amount": -1},
    f"{WORKER} orders": {"state": "paid"},
    f"{WORKER} tickets": {"status": "unpaid"},
    f"{WORKER} user_devices": {"expires_at": "-infinity"},
    f"{WORKER} user_emails": {"address": "Grace@example.org"},
    f"{WORKER} user_openid_identities": {"address": "Grace@example.org"},
    f"{WORKER} user_passkeys": {"sign_count": -1},
    f"{WORKER} user_passwords": {"password_hash": "in the open"},
    f"{WORKER} user_roles": {"granted_by": "00000000-0000-7000-8000-000000000000"},
    f"{WORKER} user_sessions": {"revoked_at": "2026-12-01"},
    f"{WORKER} user_totp": {"last_step": -1},
    f"{WORKER} users": {"disabled_at": "2026-12-01"},
    f"{RESOLVER} access_audit_log": {"actor_kind": "person", "actor_id": None},
    f"{RESOLVER} admin_action_log": {"actor_kind": "person", "actor_id": None},
    f"{RESOLVER} outbox": {"channels": ["too many"] * 101},
    f"{OWNER} changes": {"kind": "rules"},
    f"{DEVICE} changes": {"kind": "rules"},
}
"""The same for rows that may not: for whoever reaches every row, it is what makes one bad."""


def rows_of(command: Command, columns: frozenset[str]) -> str:
    """Give the condition on the rows that are a principal's own, whatever it may do with them."""
    said = _ROWS[command.role]
    found = said.get(f"{command.table} {command.name}") or said.get(command.table)
    if found is not None:
        return found
    if command.role in _ELSEWHERE:
        return _ELSEWHERE[command.role]
    if command.role == APP and "organizer_id" in columns:
        return _TENANT
    if command.role == APP and "user_id" in columns:
        return _PERSON
    message = f"say in reach.py which rows of {command.table} {command.role} reaches"
    raise LookupError(message)


def may(principal: Principal, command: Command) -> bool:
    """Say whether a principal may do this to rows of its own."""
    if command.role != APP or f"{command.table} {command.name}" in _OF_EVERY_PERSON:
        return True
    needed = _CAPABILITIES.get(command.table)
    if command.name == "SELECT":
        return needed is None or needed in principal.capabilities
    return Capability.MEMBERS_MANAGE in principal.capabilities
