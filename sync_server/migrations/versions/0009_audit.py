"""What was done and who looked: two logs that nobody can change, and the blocks that seal them."""

from typing import Final

from sync_server.migrations.roles import OWNER, PRINCIPALS, RESOLVER
from sync_server.migrations.support import (
    in_my_organizers,
    policy,
    protect,
    resolver_function,
    run,
)

revision: Final = "0009"
down_revision: Final = "0008"
branch_labels: Final = None
depends_on: Final = None

_LOGS: Final = ("admin_action_log", "access_audit_log")
_TABLES: Final = (*_LOGS, "audit_blocks")
_FUNCTIONS: Final = (
    "record_action(jsonb)",
    "record_access(jsonb)",
    "audit_organizer(uuid)",
    "audit_actor_id(uuid)",
    "audit_actor_kind()",
    "refuse_change()",
)


def upgrade() -> None:
    _log_tables()
    _block_table()
    _append_only()
    _who_records()
    _recorders()
    _policies()


def downgrade() -> None:
    run(f"DROP TABLE {', '.join(_TABLES)}")
    run(*(f"DROP FUNCTION private.{signature}" for signature in _FUNCTIONS))


def _log_tables() -> None:
    particulars = {
        "admin_action_log": "before jsonb, after jsonb, reason text"
        " CONSTRAINT ck_admin_action_log_reason CHECK (length(reason) <= 2000)",
        "access_audit_log": "outcome text NOT NULL CONSTRAINT ck_access_audit_log_outcome"
        " CHECK (outcome IN ('allowed', 'denied', 'failed')), detail text"
        " CONSTRAINT ck_access_audit_log_detail CHECK (length(detail) <= 200)",
    }
    for table, columns in particulars.items():
        run(
            f"""
            CREATE TABLE {table} (
                id uuid NOT NULL,
                xid bigint NOT NULL DEFAULT (pg_current_xact_id()::text::bigint),
                happened_at timestamptz NOT NULL,
                organizer_id uuid,
                actor_kind text NOT NULL CONSTRAINT ck_{table}_actor_kind
                    CHECK (actor_kind IN ('person', 'service', 'device', 'wallet', 'worker')),
                actor_id uuid,
                kind text NOT NULL CONSTRAINT ck_{table}_kind
                    CHECK (length(kind) BETWEEN 1 AND 60),
                object_kind text NOT NULL CONSTRAINT ck_{table}_object_kind
                    CHECK (length(object_kind) BETWEEN 1 AND 60),
                object_id text NOT NULL CONSTRAINT ck_{table}_object_id
                    CHECK (length(object_id) <= 500),
                request_id text,
                network_address text,
                {columns}
            )
            """,
            # Indexes and no keys: a row may belong to no organizer, so none can lead a key.
            f"CREATE UNIQUE INDEX ix_{table}_id ON {table} (id)",
            f"CREATE UNIQUE INDEX ix_{table}_xid_id ON {table} (xid, id)",
            f"CREATE INDEX ix_{table}_organizer_id_id ON {table} (organizer_id, id)",
        )


def _block_table() -> None:
    run(
        """
        CREATE TABLE audit_blocks (
            log text NOT NULL,
            number bigint NOT NULL CONSTRAINT ck_audit_blocks_number CHECK (number > 0),
            first_xid bigint NOT NULL,
            first_id uuid NOT NULL,
            last_xid bigint NOT NULL,
            last_id uuid NOT NULL,
            row_count bigint NOT NULL CONSTRAINT ck_audit_blocks_row_count CHECK (row_count > 0),
            root bytea NOT NULL,
            previous_hash bytea NOT NULL,
            sealed_at timestamptz NOT NULL,
            signature bytea NOT NULL,
            entries bytea NOT NULL,
            CONSTRAINT pk_audit_blocks PRIMARY KEY (log, number)
        )
        """,
        "CREATE INDEX ix_audit_blocks_log_last_xid_last_id"
        " ON audit_blocks (log, last_xid, last_id)",
    )


def _append_only() -> None:
    """The trigger is for those whom no missing right stops: the owner and superusers."""
    run(
        """
        CREATE FUNCTION private.refuse_change() RETURNS trigger
        LANGUAGE plpgsql SET search_path = ''
        AS $function$
        BEGIN
            RAISE EXCEPTION '% is append-only', TG_TABLE_NAME
                USING ERRCODE = 'insufficient_privilege';
        END
        $function$
        """,
        "REVOKE ALL ON FUNCTION private.refuse_change() FROM PUBLIC",
    )
    for table in _TABLES:
        run(
            f"CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}"
            " FOR EACH STATEMENT EXECUTE FUNCTION private.refuse_change()",
            f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER refuse_change",
        )


def _who_records() -> None:
    """Only the worker may name another: all others are who their token says."""
    resolver_function(
        "audit_actor_kind()",
        "text",
        """
        SELECT CASE current_setting('role')
            WHEN 'zeraket_app' THEN
                CASE WHEN private.my_service_account_id() IS NULL THEN 'person' ELSE 'service' END
            WHEN 'zeraket_device' THEN 'device'
            WHEN 'zeraket_wallet' THEN 'wallet'
            ELSE 'worker'
        END
        """,
    )
    resolver_function(
        "audit_actor_id(claimed uuid)",
        "uuid",
        """
        SELECT CASE current_setting('role')
            WHEN 'zeraket_app' THEN
                coalesce(private.my_user_id(), private.my_service_account_id())
            WHEN 'zeraket_device' THEN private.my_device_id()
            WHEN 'zeraket_worker' THEN claimed
        END
        """,
    )
    resolver_function(
        "audit_organizer(claimed uuid)",
        "uuid",
        """
        SELECT CASE current_setting('role')
            WHEN 'zeraket_app' THEN (
                SELECT claimed
                WHERE claimed = ANY(private.my_organizer_ids()) OR private.has_role('admin')
            )
            WHEN 'zeraket_device' THEN private.my_scanner_organizer_id()
            WHEN 'zeraket_worker' THEN claimed
        END
        """,
    )


def _recorders() -> None:
    """Each writes one row of its log; an action of nobody is refused, a look of nobody left out."""
    execute_by = ", ".join((OWNER, *PRINCIPALS))
    for name, table, columns, values in _RECORDERS:
        run(
            f"""
            CREATE FUNCTION private.{name}(entry jsonb) RETURNS void
            LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = ''
            AS $function$
            INSERT INTO public.{table} (id, happened_at, organizer_id, actor_kind, actor_id,
                kind, object_kind, object_id, request_id, network_address, {columns})
            SELECT (entry->>'id')::uuid, (entry->>'happened_at')::timestamptz,
                private.audit_organizer((entry->>'organizer_id')::uuid),
                private.audit_actor_kind(),
                private.audit_actor_id((entry->>'actor_id')::uuid),
                entry->>'kind', entry->>'object_kind', entry->>'object_id',
                entry->>'request_id', entry->>'network_address', {values}
            $function$
            """,
            f"ALTER FUNCTION private.{name}(jsonb) OWNER TO {RESOLVER}",
            f"REVOKE ALL ON FUNCTION private.{name}(jsonb) FROM PUBLIC",
            f"GRANT EXECUTE ON FUNCTION private.{name}(jsonb) TO {execute_by}",
        )


def _policies() -> None:
    protect(*_TABLES)
    for table in _LOGS:
        policy(table, RESOLVER, "INSERT", _OF_SOMEBODY)
        policy(table, "zeraket_app", "SELECT", in_my_organizers("members.manage"))
        policy(table, "zeraket_worker", "SELECT", "true")
    policy("audit_blocks", "zeraket_worker", "SELECT", "true")
    policy("audit_blocks", "zeraket_worker", "INSERT", "octet_length(signature) = 64")


_OF_SOMEBODY: Final = "actor_kind IN ('wallet', 'worker') OR actor_id IS NOT NULL"
_RECORDERS: Final = (
    (
        "record_action",
        "admin_action_log",
        "before, after, reason",
        "nullif(entry->'before', 'null'), nullif(entry->'after', 'null'), entry->>'reason'",
    ),
    (
        "record_access",
        "access_audit_log",
        "outcome, detail",
        """
        entry->>'outcome', entry->>'detail'
        WHERE current_setting('role') <> 'zeraket_app' OR private.audit_actor_id(NULL) IS NOT NULL
        """,
    ),
)
