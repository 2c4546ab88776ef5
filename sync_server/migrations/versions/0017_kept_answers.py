"""Answers kept for repeats belong to whoever asked, are forgotten after a week, and serve wallets
too; what a wallet does stands in its organizer's log.
"""

from typing import Final

from sync_server.migrations.roles import RESOLVER
from sync_server.migrations.support import in_my_organizers, policy, protect, resolver_function, run

revision: Final = "0017"
down_revision: Final = "0016"
branch_labels: Final = None
depends_on: Final = None

_MINE: Final = "principal = (SELECT private.my_principal())"
_OF_MY_TICKET: Final = "organizer_id = (SELECT private.my_ticket_organizer_id())"


def upgrade() -> None:
    _callers()
    # Nobody knows whose the answers of the old table were, so it could answer nobody.
    run("DROP TABLE idempotent_answers")
    _table()
    _policies()
    _replace_audit_organizer("WHEN 'zeraket_wallet' THEN private.my_ticket_organizer_id()")


def downgrade() -> None:
    _replace_audit_organizer("")
    run(
        "DROP TABLE idempotent_answers",
        "DROP FUNCTION private.my_principal()",
        "DROP FUNCTION private.my_ticket_organizer_id()",
        """
        CREATE TABLE idempotent_answers (
            organizer_id uuid NOT NULL
                CONSTRAINT fk_idempotent_answers_organizer_id REFERENCES organizers,
            key text NOT NULL
                CONSTRAINT ck_idempotent_answers_key CHECK (length(key) BETWEEN 1 AND 200),
            id uuid NOT NULL,
            request_hash bytea NOT NULL,
            sealed_answer bytea,
            created_at timestamptz NOT NULL,
            CONSTRAINT pk_idempotent_answers PRIMARY KEY (organizer_id, key)
        )
        """,
    )
    protect("idempotent_answers")
    for command in ("SELECT", "INSERT", "UPDATE"):
        policy("idempotent_answers", "zeraket_app", command, in_my_organizers("tickets.issue"))


def _callers() -> None:
    """Who asks stays the same under a new session; a claim token is all that is known of a
    wallet.
    """
    resolver_function(
        "my_principal()",
        "text",
        """
        SELECT CASE current_setting('role')
            WHEN 'zeraket_app' THEN
                coalesce(private.my_user_id(), private.my_service_account_id())::text
            WHEN 'zeraket_wallet' THEN encode(private.token_hash(), 'hex')
        END
        """,
        "zeraket_app",
        "zeraket_wallet",
    )
    resolver_function(
        "my_ticket_organizer_id()",
        "uuid",
        "SELECT organizer_id FROM public.tickets WHERE claim_token_hash = private.token_hash()",
        "zeraket_wallet",
    )


def _table() -> None:
    run(
        """
        CREATE TABLE idempotent_answers (
            organizer_id uuid NOT NULL
                CONSTRAINT fk_idempotent_answers_organizer_id REFERENCES organizers,
            principal text NOT NULL DEFAULT private.my_principal(),
            key text NOT NULL
                CONSTRAINT ck_idempotent_answers_key CHECK (length(key) BETWEEN 1 AND 200),
            id uuid NOT NULL,
            request_hash bytea NOT NULL CONSTRAINT ck_idempotent_answers_request_hash
                CHECK (octet_length(request_hash) = 32),
            sealed_answer bytea,
            created_at timestamptz NOT NULL,
            CONSTRAINT pk_idempotent_answers PRIMARY KEY (organizer_id, principal, key)
        )
        """,
        "CREATE INDEX ix_idempotent_answers_principal ON idempotent_answers (principal)",
        "CREATE INDEX ix_idempotent_answers_created_at ON idempotent_answers (created_at)",
    )


def _policies() -> None:
    """The worker sees how old a row is, and can remove nothing that a repeat may still ask for."""
    protect("idempotent_answers")
    conditions = {
        "zeraket_app": f"{_MINE} AND {in_my_organizers(None)}",
        "zeraket_wallet": f"{_MINE} AND {_OF_MY_TICKET}",
    }
    for role, condition in conditions.items():
        for command in ("SELECT", "INSERT", "UPDATE"):
            policy("idempotent_answers", role, command, condition)
    policy("idempotent_answers", "zeraket_worker", "SELECT", "true")
    policy(
        "idempotent_answers",
        "zeraket_worker",
        "DELETE",
        "created_at < now() - interval '7 days'",
    )
    run(
        "REVOKE UPDATE ON idempotent_answers FROM zeraket_app, zeraket_wallet",
        "GRANT UPDATE (sealed_answer) ON idempotent_answers TO zeraket_app, zeraket_wallet",
        "REVOKE SELECT ON idempotent_answers FROM zeraket_worker",
        "GRANT SELECT (created_at) ON idempotent_answers TO zeraket_worker",
    )


def _replace_audit_organizer(wallets: str) -> None:
    """Owner and grants of a function stay when its body is replaced."""
    run(
        f"""
        CREATE OR REPLACE FUNCTION private.audit_organizer(claimed uuid) RETURNS uuid
        LANGUAGE sql STABLE SECURITY DEFINER PARALLEL SAFE SET search_path = ''
        AS $function$
        SELECT CASE current_setting('role')
            WHEN 'zeraket_app' THEN (
                SELECT claimed
                WHERE claimed = ANY(private.my_organizer_ids()) OR private.has_role('admin')
            )
            WHEN 'zeraket_device' THEN private.my_scanner_organizer_id()
            WHEN 'zeraket_worker' THEN claimed
            {wallets}
        END
        $function$
        """,
        f"ALTER FUNCTION private.audit_organizer(uuid) OWNER TO {RESOLVER}",
    )
