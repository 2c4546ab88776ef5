"""Rights that were wider than they need be: hashes and sealed keys that no caller reads, rights
that brought back what had ended, and an admin without a second factor.
"""

from typing import Final

from sync_server.migrations.roles import RESOLVER
from sync_server.migrations.support import hide_columns, policy, run, show_columns

revision: Final = "0016"
down_revision: Final = "0015"
branch_labels: Final = None
depends_on: Final = None

_HIDDEN: Final = (
    ("scanner_sessions", "token_hash", ("zeraket_app", "zeraket_device")),
    ("enrolment_codes", "code_hash", ("zeraket_app",)),
    ("tickets", "claim_token_hash", ("zeraket_app", "zeraket_device")),
    ("ticket_bindings", "claim_token_hash", ("zeraket_app",)),
    ("event_key_sets", "sealed_event_key", ("zeraket_app",)),
    ("issuer_keys", "sealed_private_key", ("zeraket_app",)),
    ("snapshots", "sealed_file_key", ("zeraket_app", "zeraket_device")),
)
_MANAGES: Final = "organizer_id = ANY ((SELECT private.my_organizer_ids('members.manage'))::uuid[])"
_PROVISIONS: Final = (
    "organizer_id = ANY ((SELECT private.my_organizer_ids('scanners.provision'))::uuid[])"
)
_ENDINGS: Final = (
    ("user_sessions", "user_id = (SELECT private.my_user_id())", "revoked_at"),
    ("service_accounts", _MANAGES, "revoked_at"),
    ("organizer_invitations", _MANAGES, "withdrawn_at"),
    ("scanner_sessions", _PROVISIONS, "ended_at"),
)
_TENANT_ROW: Final = "organizer_id IS NOT NULL"
_WORKER_WRITES: Final = (
    # What its organizer ended or refused stays so, whatever the server does in its own name.
    ("scanner_sessions", "update", _TENANT_ROW, "end_reason IS DISTINCT FROM 'revoked'"),
    ("devices", "update", _TENANT_ROW, "state NOT IN ('refused', 'revoked')"),
    # A code is used up and never new again.
    ("enrolment_codes", "update", _TENANT_ROW, "used_at IS NOT NULL"),
    ("event_freezes", "insert", _TENANT_ROW, "cursor_xid > 0"),
    ("event_freezes", "update", _TENANT_ROW, "cursor_xid > 0"),
    ("proof_uses", "insert", "expires_at IS NOT NULL", "octet_length(digest) = 32"),
)
_KEY_TABLES: Final = ("event_key_sets", "issuer_keys")
_MY_BINDING: Final = "claim_token_hash = (SELECT private.token_hash())"
_MY_TICKET: Final = """
    EXISTS (
        SELECT FROM tickets AS mine
        WHERE (mine.organizer_id, mine.event_id, mine.id)
            = (ticket_bindings.organizer_id, ticket_bindings.event_id, ticket_bindings.ticket_id)
    )
"""
_MY_TENANT: Final = "organizer_id = (SELECT private.my_scanner_organizer_id())"
_MY_EVENT: Final = "event_id = (SELECT private.my_scanner_event_id())"
_MY_DEPLOYMENT: Final = "deployment_id = (SELECT private.my_scanner_deployment_id())"
_DEVICE_READS: Final = (
    ("deployments", _MY_DEPLOYMENT.replace("deployment_id", "id", 1)),
    ("scanner_sessions", _MY_DEPLOYMENT),
    ("snapshots", _MY_DEPLOYMENT),
    ("tickets", _MY_EVENT),
    ("changes", _MY_EVENT),
    ("scans", _MY_EVENT),
    ("ticket_admissions", _MY_EVENT),
    ("conflicts", _MY_EVENT),
)
_DEVICE_CHANGES: Final = ("ticket_admissions", "conflicts")


def upgrade() -> None:
    _hide_secrets()
    _end_for_good()
    _keep_keys()
    _narrow_the_worker()
    _bind_own_tickets()
    _tell_twins_apart()
    _list_sessions_by_index("user_id, id")
    run(f"GRANT SELECT (second_factor_at) ON user_sessions TO {RESOLVER}")
    _replace_has_role(_HOLDER_WITH_SECOND_FACTOR)


def downgrade() -> None:
    _replace_has_role(_HOLDER)
    _list_sessions_by_index("user_id")
    _take_twins_for_one()
    run(
        f"REVOKE SELECT (second_factor_at) ON user_sessions FROM {RESOLVER}",  # noqa: S608 - names of ours
        f"ALTER POLICY ticket_bindings_wallet_insert ON ticket_bindings WITH CHECK ({_MY_BINDING})",
    )
    for table, command, before, _ in _WORKER_WRITES:
        run(f"ALTER POLICY {table}_worker_{command} ON {table} WITH CHECK ({before})")
    for table in _KEY_TABLES:
        manages = _MANAGES.replace("members.manage", "event.manage")
        policy(table, "zeraket_app", "UPDATE", manages)
    for table, condition, _ in _ENDINGS:
        run(f"ALTER POLICY {table}_app_update ON {table} WITH CHECK ({condition})")
    for table, _, roles in _HIDDEN:
        for role in roles:
            show_columns(table, role)


def _hide_secrets() -> None:
    """What a caller needs of these the server looks up in its own name."""
    for table, column, roles in _HIDDEN:
        for role in roles:
            hide_columns(table, role, column)


def _end_for_good() -> None:
    """A session, an invitation or a program's token may be ended by hand, and never revived."""
    for table, condition, ended in _ENDINGS:
        run(
            f"ALTER POLICY {table}_app_update ON {table}"
            f" WITH CHECK ({condition} AND {ended} IS NOT NULL)",
        )


def _keep_keys() -> None:
    """An event's keys are made with it; nobody who calls changes them."""
    for table in _KEY_TABLES:
        run(
            f"DROP POLICY {table}_app_update ON {table}",
            f"REVOKE UPDATE ON {table} FROM zeraket_app",
        )


def _narrow_the_worker() -> None:
    """These let the worker write any row there can be."""
    for table, command, _, after in _WORKER_WRITES:
        run(f"ALTER POLICY {table}_worker_{command} ON {table} WITH CHECK ({after})")


def _bind_own_tickets() -> None:
    """A wallet's own hash on a binding of somebody else's ticket would stand in that one's way."""
    run(
        "ALTER POLICY ticket_bindings_wallet_insert ON ticket_bindings"
        f" WITH CHECK ({_MY_BINDING} AND {_MY_TICKET})",
    )


def _tell_twins_apart() -> None:
    """An organizer chooses ids: one that gave its event or deployment another's id made kiosks
    that read the other's. Ids are given once, and a kiosk's rows are its organizer's.
    """
    run(
        "CREATE UNIQUE INDEX ix_events_id ON events (id)",
        "DROP INDEX ix_deployments_id",
        "CREATE UNIQUE INDEX ix_deployments_id ON deployments (id)",
        "DROP INDEX ix_devices_signing_key",
        "CREATE UNIQUE INDEX ix_devices_signing_key"
        " ON devices (organizer_id, event_id, deployment_id, signing_key)",
    )
    for table, condition in _DEVICE_READS:
        run(f"ALTER POLICY {table}_device_select ON {table} USING ({_MY_TENANT} AND {condition})")
    for table in _DEVICE_CHANGES:
        mine = f"{_MY_TENANT} AND {_MY_EVENT}"
        run(f"ALTER POLICY {table}_device_update ON {table} USING ({mine}) WITH CHECK ({mine})")
    run(f"GRANT SELECT (organizer_id) ON deployments TO {RESOLVER}")
    _replace_fold_rules("organizer_id = private.my_scanner_organizer_id() AND ")


def _take_twins_for_one() -> None:
    _replace_fold_rules("")
    run(f"REVOKE SELECT (organizer_id) ON deployments FROM {RESOLVER}")  # noqa: S608 - names of ours
    for table in _DEVICE_CHANGES:
        run(
            f"ALTER POLICY {table}_device_update ON {table}"
            f" USING ({_MY_EVENT}) WITH CHECK ({_MY_EVENT})",
        )
    for table, condition in _DEVICE_READS:
        run(f"ALTER POLICY {table}_device_select ON {table} USING ({condition})")
    run(
        "DROP INDEX ix_devices_signing_key",
        "CREATE UNIQUE INDEX ix_devices_signing_key ON devices (deployment_id, signing_key)",
        "DROP INDEX ix_deployments_id",
        "CREATE INDEX ix_deployments_id ON deployments (id)",
        "DROP INDEX ix_events_id",
    )


def _replace_fold_rules(tenant: str) -> None:
    run(
        f"""
        CREATE OR REPLACE FUNCTION private.my_event_fold_rules() RETURNS jsonb
        LANGUAGE sql STABLE SECURITY DEFINER PARALLEL SAFE SET search_path = ''
        AS $function$
            SELECT jsonb_agg(jsonb_build_object('rules', rules, 'travel_seconds', travel_seconds))
            FROM public.deployments
            WHERE {tenant}event_id = private.my_scanner_event_id()
        $function$
        """,  # noqa: S608 - a condition of ours
    )


def _list_sessions_by_index(columns: str) -> None:
    """In the order they are listed in: else a page of one person's walks through everybody's."""
    run(
        "DROP INDEX ix_user_sessions_user_id",
        f"CREATE INDEX ix_user_sessions_user_id ON user_sessions ({columns})",
    )


def _replace_has_role(query: str) -> None:
    run(
        f"""
        CREATE OR REPLACE FUNCTION private.has_role(wanted text) RETURNS boolean
        LANGUAGE sql STABLE SECURITY DEFINER PARALLEL SAFE SET search_path = ''
        AS $function$ {query} $function$
        """,
    )


_HOLDER_WITH_SECOND_FACTOR: Final = """
    SELECT EXISTS (
        SELECT FROM public.user_sessions AS session
        JOIN public.user_roles AS granted ON granted.user_id = session.user_id
        WHERE session.id = private.my_session_id()
          AND session.user_id = private.my_user_id()
          AND session.second_factor_at IS NOT NULL
          AND granted.role = wanted
    )
"""
_HOLDER: Final = """
    SELECT EXISTS (
        SELECT FROM public.user_roles
        WHERE user_id = private.my_user_id() AND role = wanted
    )
"""
