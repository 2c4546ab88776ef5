"""Passkeys: public keys of authenticators, challenges under way, and which kind of second factor a
session showed.
"""

from typing import Final

from sync_server.migrations.roles import RESOLVER
from sync_server.migrations.support import policy, protect, resolver_function, resolver_reads, run

revision: Final = "0012"
down_revision: Final = "0011"
branch_labels: Final = None
depends_on: Final = None


def upgrade() -> None:
    _passkey_table()
    _challenge_table()
    _session_kind()
    _policies()
    _second_factors()
    _ways_in()


def downgrade() -> None:
    _undo_ways_in()
    run(
        "DROP TABLE passkey_challenges, user_passkeys",
        "DROP FUNCTION private.has_second_factor(uuid)",
        "DROP POLICY user_totp_resolver_select ON user_totp",
        f"REVOKE SELECT (user_id, confirmed_at) ON user_totp FROM {RESOLVER}",  # noqa: S608 - names of ours
        "ALTER TABLE user_sessions DROP COLUMN second_factor_kind",
    )


def _passkey_table() -> None:
    """An id has at most 1023 bytes, a counter 32 bits (WebAuthn §4, §6.1)."""
    run(
        """
        CREATE TABLE user_passkeys (
            id uuid CONSTRAINT pk_user_passkeys PRIMARY KEY,
            user_id uuid NOT NULL CONSTRAINT fk_user_passkeys_user_id REFERENCES users,
            credential_id bytea NOT NULL CONSTRAINT uq_user_passkeys_credential_id UNIQUE
                CONSTRAINT ck_user_passkeys_credential_id
                    CHECK (octet_length(credential_id) BETWEEN 1 AND 1023),
            public_key bytea NOT NULL CONSTRAINT ck_user_passkeys_public_key
                CHECK (octet_length(public_key) BETWEEN 1 AND 2048),
            sign_count bigint NOT NULL CONSTRAINT ck_user_passkeys_sign_count
                CHECK (sign_count BETWEEN 0 AND 4294967295),
            transports text[] NOT NULL,
            name text NOT NULL
                CONSTRAINT ck_user_passkeys_name CHECK (length(name) BETWEEN 1 AND 100),
            may_be_synced boolean NOT NULL,
            is_synced boolean NOT NULL,
            created_at timestamptz NOT NULL,
            last_used_at timestamptz,
            CONSTRAINT ck_user_passkeys_is_synced CHECK (may_be_synced OR NOT is_synced)
        )
        """,
        "CREATE INDEX ix_user_passkeys_user_id ON user_passkeys (user_id)",
    )


def _challenge_table() -> None:
    """A registration is somebody's; whoever signs in is not known yet."""
    run(
        """
        CREATE TABLE passkey_challenges (
            id uuid CONSTRAINT pk_passkey_challenges PRIMARY KEY,
            purpose text NOT NULL CONSTRAINT ck_passkey_challenges_purpose
                CHECK (purpose IN ('registration', 'assertion')),
            user_id uuid CONSTRAINT fk_passkey_challenges_user_id REFERENCES users,
            challenge_hash bytea NOT NULL CONSTRAINT ck_passkey_challenges_challenge_hash
                CHECK (octet_length(challenge_hash) = 32),
            created_at timestamptz NOT NULL,
            expires_at timestamptz NOT NULL,
            used_at timestamptz,
            CONSTRAINT ck_passkey_challenges_user_id
                CHECK ((purpose = 'registration') = (user_id IS NOT NULL))
        )
        """,
        "CREATE INDEX ix_passkey_challenges_user_id ON passkey_challenges (user_id)",
        "CREATE INDEX ix_passkey_challenges_expires_at ON passkey_challenges (expires_at)",
    )


def _session_kind() -> None:
    """Until now digits were the only second factor there was."""
    run(
        "ALTER TABLE user_sessions ADD COLUMN second_factor_kind text"
        " CONSTRAINT ck_user_sessions_second_factor_kind"
        " CHECK (second_factor_kind IN ('passkey', 'totp'))",
        "ALTER TABLE user_sessions NO FORCE ROW LEVEL SECURITY",
        "UPDATE user_sessions SET second_factor_kind = 'totp' WHERE second_factor_at IS NOT NULL",
        "ALTER TABLE user_sessions FORCE ROW LEVEL SECURITY",
        "GRANT SELECT (second_factor_kind) ON user_sessions TO zeraket_app",
        "GRANT UPDATE (second_factor_kind) ON user_sessions TO zeraket_worker",
    )


def _policies() -> None:
    """A person sees and names their own passkeys; the server checks, adds and removes them."""
    protect("user_passkeys", "passkey_challenges")
    mine = "user_id = (SELECT private.my_user_id())"
    policy("user_passkeys", "zeraket_app", "SELECT", mine)
    policy("user_passkeys", "zeraket_app", "UPDATE", mine)
    for table in ("user_passkeys", "passkey_challenges"):
        policy(table, "zeraket_worker", "SELECT", "true")
    for command in ("INSERT", "UPDATE", "DELETE"):
        policy("user_passkeys", "zeraket_worker", command, "sign_count >= 0")
        policy("passkey_challenges", "zeraket_worker", command, "expires_at > created_at")
    run(
        "REVOKE SELECT, UPDATE ON user_passkeys FROM zeraket_app",
        "REVOKE UPDATE ON user_passkeys, passkey_challenges FROM zeraket_worker",
        "GRANT SELECT (id, user_id, name, is_synced, created_at, last_used_at), UPDATE (name)"
        " ON user_passkeys TO zeraket_app",
        "GRANT UPDATE (sign_count, is_synced, last_used_at) ON user_passkeys TO zeraket_worker",
        "GRANT UPDATE (used_at) ON passkey_challenges TO zeraket_worker",
    )


def _second_factors() -> None:
    resolver_reads("user_totp", "user_id", "confirmed_at")
    resolver_reads("user_passkeys", "user_id")
    query = """
        SELECT EXISTS (
            SELECT FROM public.user_totp WHERE user_id = person AND confirmed_at IS NOT NULL
        ) OR EXISTS (SELECT FROM public.user_passkeys WHERE user_id = person)
    """
    resolver_function("has_second_factor(person uuid)", "boolean", query, "zeraket_worker")


def _ways_in() -> None:
    """Passkeys join the ways in that are counted, and a person's last one stays."""
    _count("user_passwords", "user_openid_identities", "user_passkeys")
    run(
        "CREATE CONSTRAINT TRIGGER keep_a_way_in AFTER DELETE ON user_passkeys"
        " FOR EACH ROW EXECUTE FUNCTION private.keep_a_way_in()",
    )


def _undo_ways_in() -> None:
    run("DROP TRIGGER keep_a_way_in ON user_passkeys")
    _count("user_passwords", "user_openid_identities")


def _count(*tables: str) -> None:
    """Owner and grants of a function stay when its body is replaced."""
    counts = (f"(SELECT count(*) FROM public.{table} WHERE user_id = person)" for table in tables)  # noqa: S608 - names of ours
    run(
        f"""
        CREATE OR REPLACE FUNCTION private.count_ways_in(person uuid) RETURNS bigint
        LANGUAGE sql STABLE SECURITY DEFINER PARALLEL SAFE SET search_path = ''
        AS $function$ SELECT {" + ".join(counts)} $function$
        """,
    )
