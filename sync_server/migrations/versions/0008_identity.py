"""People with an address and a password, named sessions, counted attempts, roles that are granted,
invitations and service accounts.
"""

from typing import Final

from sync_server.migrations.roles import OWNER, RESOLVER
from sync_server.migrations.support import (
    policy,
    protect,
    resolver_function,
    resolver_reads,
    run,
    tenant_policies,
)

revision: Final = "0008"
down_revision: Final = "0007"
branch_labels: Final = None
depends_on: Final = None


def upgrade() -> None:
    _person_tables()
    _proof_tables()
    _session_columns()
    _attempt_table()
    _organizer_tables()
    _person_policies()
    _session_policies()
    _role_policies()
    _organizer_policies()
    _service_callers()


def downgrade() -> None:
    for signature, returns, query in _MEMBERS_ALONE:
        _replace_resolver(signature, returns, query)
    run(
        "DROP FUNCTION private.my_service_account_id()",
        "DROP POLICY organizer_members_worker_insert ON organizer_members",
        "REVOKE INSERT ON organizer_members FROM zeraket_worker",
        "DROP TABLE service_accounts, organizer_invitations",
        "DROP TRIGGER keep_one_admin ON user_roles",
        "DROP FUNCTION private.keep_one_admin()",
        "DROP POLICY user_roles_worker_insert ON user_roles",
        "DROP POLICY user_roles_worker_delete ON user_roles",
        "REVOKE INSERT, DELETE ON user_roles FROM zeraket_worker",
        "DROP FUNCTION private.is_admin(uuid)",
        "ALTER TABLE user_roles DROP COLUMN granted_by, DROP COLUMN granted_at",
        "DROP FUNCTION private.my_session_id()",
        f"REVOKE SELECT (id) ON user_sessions FROM {RESOLVER}",  # noqa: S608 - names of ours
        "DROP POLICY user_sessions_worker_select ON user_sessions",
        "DROP POLICY user_sessions_worker_update ON user_sessions",
        "REVOKE SELECT, UPDATE ON user_sessions FROM zeraket_worker",
        f"REVOKE {_OF_SESSIONS} ON user_sessions FROM zeraket_worker",
        "ALTER TABLE user_sessions DROP COLUMN device_name, DROP COLUMN last_seen_from,"
        " DROP COLUMN last_seen_at, DROP COLUMN ends_at, DROP COLUMN second_factor_at",
        "DROP TABLE attempt_counters, user_totp, user_devices, email_tokens, user_passwords",
        "DROP TABLE user_emails",
        "ALTER TABLE users DROP COLUMN language",
    )


def _person_tables() -> None:
    run(
        "ALTER TABLE users ADD COLUMN language text NOT NULL DEFAULT 'en'"
        f" CONSTRAINT ck_users_language CHECK ({_LANGUAGE_KNOWN})",
        """
        CREATE TABLE user_emails (
            user_id uuid CONSTRAINT pk_user_emails PRIMARY KEY
                CONSTRAINT fk_user_emails_user_id REFERENCES users,
            address text NOT NULL CONSTRAINT uq_user_emails_address UNIQUE,
            verified_at timestamptz NOT NULL
        )
        """,
        """
        CREATE TABLE user_passwords (
            user_id uuid CONSTRAINT pk_user_passwords PRIMARY KEY
                CONSTRAINT fk_user_passwords_user_id REFERENCES users,
            password_hash text NOT NULL,
            changed_at timestamptz NOT NULL
        )
        """,
    )


def _proof_tables() -> None:
    """What a person brings beside the password, or in its place."""
    run(
        f"""
        CREATE TABLE email_tokens (
            id uuid CONSTRAINT pk_email_tokens PRIMARY KEY,
            purpose text NOT NULL CONSTRAINT ck_email_tokens_purpose
                CHECK (purpose IN ('sign_up', 'password_reset')),
            address text NOT NULL,
            display_name text NOT NULL,
            language text NOT NULL
                CONSTRAINT ck_email_tokens_language CHECK ({_LANGUAGE_KNOWN}),
            token_hash bytea NOT NULL CONSTRAINT uq_email_tokens_token_hash UNIQUE
                CONSTRAINT ck_email_tokens_token_hash CHECK (octet_length(token_hash) = 32),
            created_at timestamptz NOT NULL,
            expires_at timestamptz NOT NULL,
            used_at timestamptz
        )
        """,
        "CREATE INDEX ix_email_tokens_address ON email_tokens (address)",
        """
        CREATE TABLE user_devices (
            id uuid CONSTRAINT pk_user_devices PRIMARY KEY,
            user_id uuid NOT NULL CONSTRAINT fk_user_devices_user_id REFERENCES users,
            token_hash bytea NOT NULL CONSTRAINT uq_user_devices_token_hash UNIQUE
                CONSTRAINT ck_user_devices_token_hash CHECK (octet_length(token_hash) = 32),
            created_at timestamptz NOT NULL,
            expires_at timestamptz NOT NULL,
            revoked_at timestamptz
        )
        """,
        "CREATE INDEX ix_user_devices_user_id ON user_devices (user_id)",
        """
        CREATE TABLE user_totp (
            user_id uuid CONSTRAINT pk_user_totp PRIMARY KEY
                CONSTRAINT fk_user_totp_user_id REFERENCES users,
            sealed_secret bytea NOT NULL,
            confirmed_at timestamptz,
            last_step bigint NOT NULL
        )
        """,
    )


def _session_columns() -> None:
    """A session slides to `expires_at` while it is used, and never past `ends_at`."""
    run(
        "ALTER TABLE user_sessions ADD COLUMN device_name text NOT NULL DEFAULT '',"
        " ADD COLUMN last_seen_from text, ADD COLUMN last_seen_at timestamptz,"
        " ADD COLUMN ends_at timestamptz, ADD COLUMN second_factor_at timestamptz",
        "ALTER TABLE user_sessions NO FORCE ROW LEVEL SECURITY",
        "UPDATE user_sessions SET last_seen_at = created_at, ends_at = expires_at",
        "ALTER TABLE user_sessions FORCE ROW LEVEL SECURITY",
        "ALTER TABLE user_sessions ALTER COLUMN device_name DROP DEFAULT,"
        " ALTER COLUMN last_seen_at SET NOT NULL, ALTER COLUMN ends_at SET NOT NULL,"
        " ADD CONSTRAINT ck_user_sessions_ends_at CHECK (expires_at <= ends_at)",
        "ALTER TABLE user_roles ADD COLUMN granted_by uuid,"
        " ADD COLUMN granted_at timestamptz NOT NULL DEFAULT now()",
    )


def _attempt_table() -> None:
    run(
        """
        CREATE TABLE attempt_counters (
            key_hash bytea CONSTRAINT pk_attempt_counters PRIMARY KEY
                CONSTRAINT ck_attempt_counters_key_hash CHECK (octet_length(key_hash) = 32),
            window_started_at timestamptz NOT NULL,
            attempts bigint NOT NULL
        )
        """,
        "CREATE INDEX ix_attempt_counters_window_started_at"
        " ON attempt_counters (window_started_at)",
    )


def _organizer_tables() -> None:
    run(
        """
        CREATE TABLE organizer_invitations (
            organizer_id uuid NOT NULL
                CONSTRAINT fk_organizer_invitations_organizer_id REFERENCES organizers,
            id uuid NOT NULL,
            address text NOT NULL,
            capabilities text[] NOT NULL,
            token_hash bytea NOT NULL CONSTRAINT ck_organizer_invitations_token_hash
                CHECK (octet_length(token_hash) = 32),
            invited_by uuid NOT NULL,
            created_at timestamptz NOT NULL,
            expires_at timestamptz NOT NULL,
            accepted_by uuid,
            accepted_at timestamptz,
            withdrawn_at timestamptz,
            CONSTRAINT pk_organizer_invitations PRIMARY KEY (organizer_id, id)
        )
        """,
        "CREATE UNIQUE INDEX ix_organizer_invitations_token_hash"
        " ON organizer_invitations (token_hash)",
        """
        CREATE TABLE service_accounts (
            organizer_id uuid NOT NULL
                CONSTRAINT fk_service_accounts_organizer_id REFERENCES organizers,
            id uuid NOT NULL,
            name text NOT NULL,
            capabilities text[] NOT NULL CONSTRAINT ck_service_accounts_capabilities
                CHECK (NOT 'members.manage' = ANY(capabilities)),
            token_hash bytea NOT NULL CONSTRAINT ck_service_accounts_token_hash
                CHECK (octet_length(token_hash) = 32),
            created_by uuid NOT NULL,
            created_at timestamptz NOT NULL,
            expires_at timestamptz NOT NULL,
            revoked_at timestamptz,
            CONSTRAINT pk_service_accounts PRIMARY KEY (organizer_id, id)
        )
        """,
        "CREATE UNIQUE INDEX ix_service_accounts_token_hash ON service_accounts (token_hash)",
    )


def _person_policies() -> None:
    protect("user_emails", "user_passwords", "email_tokens", "user_devices", "user_totp")
    protect("attempt_counters")
    policy("user_emails", "zeraket_app", "SELECT", "user_id = (SELECT private.my_user_id())")
    for table in ("user_emails", "user_passwords", "email_tokens", "user_devices", "user_totp"):
        policy(table, "zeraket_worker", "SELECT", "true")
    policy("user_emails", "zeraket_worker", "INSERT", "address = lower(address)")
    for command in ("INSERT", "UPDATE"):
        policy("user_passwords", "zeraket_worker", command, "password_hash LIKE '$argon2id$%'")
        policy("email_tokens", "zeraket_worker", command, "expires_at > created_at")
        policy("user_devices", "zeraket_worker", command, "expires_at > created_at")
    policy("attempt_counters", "zeraket_worker", "SELECT", "true")
    for command in ("INSERT", "UPDATE", "DELETE"):
        policy("attempt_counters", "zeraket_worker", command, "attempts > 0")
        policy("user_totp", "zeraket_worker", command, "last_step >= 0")
    run(
        "REVOKE UPDATE ON user_passwords, email_tokens, user_devices FROM zeraket_worker",
        "GRANT UPDATE (password_hash, changed_at) ON user_passwords TO zeraket_worker",
        "GRANT UPDATE (used_at) ON email_tokens TO zeraket_worker",
        "GRANT UPDATE (revoked_at) ON user_devices TO zeraket_worker",
    )


def _session_policies() -> None:
    policy("user_sessions", "zeraket_worker", "SELECT", "true")
    policy("user_sessions", "zeraket_worker", "UPDATE", "expires_at <= ends_at")
    run(
        "REVOKE SELECT, UPDATE ON user_sessions FROM zeraket_worker",
        f"GRANT {_OF_SESSIONS} ON user_sessions TO zeraket_worker",
        "GRANT SELECT (device_name, last_seen_from, last_seen_at, ends_at, second_factor_at)"
        " ON user_sessions TO zeraket_app",
        f"GRANT SELECT (id) ON user_sessions TO {RESOLVER}",
    )
    query = """
        SELECT id FROM public.user_sessions
        WHERE token_hash = private.token_hash() AND revoked_at IS NULL AND expires_at > now()
    """
    resolver_function("my_session_id()", "uuid", query, "zeraket_app")


def _role_policies() -> None:
    """A grant names the admin who gave it, or nobody where the operator's command did."""
    query = """
        SELECT EXISTS (SELECT FROM public.user_roles WHERE user_id = person AND role = 'admin')
    """
    resolver_function("is_admin(person uuid)", "boolean", query, "zeraket_worker")
    may_grant = "granted_by IS NULL OR (SELECT private.is_admin(granted_by))"
    policy("user_roles", "zeraket_worker", "INSERT", may_grant)
    policy("user_roles", "zeraket_worker", "DELETE", "role = 'admin'")
    run(
        # The lock makes two admins who remove one another wait: the second finds nobody left.
        """
        CREATE FUNCTION private.keep_one_admin() RETURNS trigger
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = ''
        AS $function$
        BEGIN
            PERFORM pg_catalog.pg_advisory_xact_lock(20260008);
            IF NOT EXISTS (
                SELECT FROM public.user_roles AS granted
                JOIN public.users AS person ON person.id = granted.user_id
                WHERE granted.role = 'admin' AND person.disabled_at IS NULL
            ) THEN
                RAISE EXCEPTION 'the last admin stays'
                    USING ERRCODE = 'check_violation', CONSTRAINT = 'ck_user_roles_last_admin';
            END IF;
            RETURN NULL;
        END
        $function$
        """,
        f"ALTER FUNCTION private.keep_one_admin() OWNER TO {RESOLVER}",
        "REVOKE ALL ON FUNCTION private.keep_one_admin() FROM PUBLIC",
        f"GRANT EXECUTE ON FUNCTION private.keep_one_admin() TO {OWNER}",
        "CREATE CONSTRAINT TRIGGER keep_one_admin AFTER UPDATE OR DELETE ON user_roles"
        " FOR EACH ROW EXECUTE FUNCTION private.keep_one_admin()",
    )


def _organizer_policies() -> None:
    protect("organizer_invitations", "service_accounts")
    for table in ("organizer_invitations", "service_accounts"):
        tenant_policies(table, read="members.manage", write="members.manage")
    policy(
        "organizer_invitations",
        "zeraket_worker",
        "UPDATE",
        "(accepted_at IS NULL) = (accepted_by IS NULL)",
    )
    policy("organizer_members", "zeraket_worker", "INSERT", _INVITED)
    run(
        "REVOKE SELECT, UPDATE ON organizer_invitations, service_accounts FROM zeraket_app",
        "REVOKE UPDATE ON organizer_invitations FROM zeraket_worker",
        "GRANT SELECT (organizer_id, id, address, capabilities, invited_by, created_at,"
        " expires_at, accepted_by, accepted_at, withdrawn_at), UPDATE (withdrawn_at)"
        " ON organizer_invitations TO zeraket_app",
        "GRANT UPDATE (accepted_by, accepted_at) ON organizer_invitations TO zeraket_worker",
        "GRANT SELECT (organizer_id, id, name, capabilities, created_by, created_at, expires_at,"
        " revoked_at), UPDATE (revoked_at) ON service_accounts TO zeraket_app",
    )


def _service_callers() -> None:
    """Who acts for an organizer: its members, and the programs they gave a token to."""
    resolver_reads(
        "service_accounts",
        "organizer_id",
        "id",
        "capabilities",
        "token_hash",
        "expires_at",
        "revoked_at",
    )
    query = f"SELECT id FROM public.service_accounts WHERE {_MY_SERVICE_ACCOUNT}"  # noqa: S608 - names of ours
    resolver_function("my_service_account_id()", "uuid", query, "zeraket_app")
    for signature, returns, source in _MEMBERS_AND_SERVICES:
        _replace_resolver(signature, returns, source)


def _replace_resolver(signature: str, returns: str, query: str) -> None:
    """Owner and grants of a function stay when its body is replaced."""
    run(
        f"""
        CREATE OR REPLACE FUNCTION private.{signature} RETURNS {returns}
        LANGUAGE sql STABLE SECURITY DEFINER PARALLEL SAFE SET search_path = ''
        AS $function$ {query} $function$
        """,
    )


_LANGUAGE_KNOWN: Final = "language IN ('en', 'sw', 'lg', 'rw', 'fr')"
_OF_SESSIONS: Final = (
    "SELECT (id, user_id, created_at, expires_at, revoked_at, last_seen_at, ends_at),"
    " UPDATE (expires_at, revoked_at, last_seen_from, last_seen_at, second_factor_at)"
)
_INVITED: Final = """
    EXISTS (
        SELECT FROM organizer_invitations AS invitation
        WHERE invitation.organizer_id = organizer_members.organizer_id
          AND invitation.accepted_by = organizer_members.user_id
          AND invitation.capabilities = organizer_members.capabilities
    )
"""
_MY_SERVICE_ACCOUNT: Final = (
    "token_hash = private.token_hash() AND revoked_at IS NULL AND expires_at > now()"
)
_ORGANIZER_IDS: Final = "my_organizer_ids(capability text DEFAULT NULL)"
_CAPABILITIES: Final = "my_capabilities(organizer uuid)"
_MY_RIGHTS: Final = f"""
    (
        SELECT organizer_id, capabilities FROM public.organizer_members
        WHERE user_id = private.my_user_id()
        UNION ALL
        SELECT organizer_id, capabilities FROM public.service_accounts
        WHERE {_MY_SERVICE_ACCOUNT}
    ) AS mine
"""  # noqa: S608 - names of ours
_MEMBERS_AND_SERVICES: Final = (
    (
        _ORGANIZER_IDS,
        "uuid[]",
        f"""
        SELECT coalesce(array_agg(organizer_id), '{{}}') FROM {_MY_RIGHTS}
        WHERE capability IS NULL OR capability = ANY(capabilities)
        """,  # noqa: S608 - names of ours
    ),
    (
        _CAPABILITIES,
        "text[]",
        f"SELECT capabilities FROM {_MY_RIGHTS} WHERE organizer_id = organizer",  # noqa: S608 - names of ours
    ),
)
_MEMBERS_ALONE: Final = (
    (
        _ORGANIZER_IDS,
        "uuid[]",
        """
        SELECT coalesce(array_agg(organizer_id), '{}')
        FROM public.organizer_members
        WHERE user_id = private.my_user_id()
          AND (capability IS NULL OR capability = ANY(capabilities))
        """,
    ),
    (
        _CAPABILITIES,
        "text[]",
        """
        SELECT capabilities
        FROM public.organizer_members
        WHERE organizer_id = organizer AND user_id = private.my_user_id()
        """,
    ),
)
