"""People who sign in at another provider: flows under way, whose subject there is whom here, and
nobody without a way in.
"""

from typing import Final

from sync_server.migrations.roles import OWNER, RESOLVER
from sync_server.migrations.support import policy, protect, resolver_function, resolver_reads, run

revision: Final = "0011"
down_revision: Final = "0010"
branch_labels: Final = None
depends_on: Final = None


def upgrade() -> None:
    _flow_table()
    _identity_table()
    _policies()
    _ways_in()


def downgrade() -> None:
    run(
        "DROP TABLE user_openid_identities, openid_flows",
        "DROP FUNCTION private.keep_a_way_in()",
        "DROP FUNCTION private.count_ways_in(uuid)",
        "DROP POLICY user_passwords_resolver_select ON user_passwords",
        f"REVOKE SELECT (user_id) ON user_passwords FROM {RESOLVER}",  # noqa: S608 - names of ours
    )


def _flow_table() -> None:
    """`code_hash` says which code is being redeemed, `sealed_person` what came of it."""
    run(
        """
        CREATE TABLE openid_flows (
            id uuid CONSTRAINT pk_openid_flows PRIMARY KEY,
            provider text NOT NULL,
            token_hash bytea NOT NULL CONSTRAINT uq_openid_flows_token_hash UNIQUE
                CONSTRAINT ck_openid_flows_token_hash CHECK (octet_length(token_hash) = 32),
            state_hash bytea NOT NULL
                CONSTRAINT ck_openid_flows_state_hash CHECK (octet_length(state_hash) = 32),
            nonce text NOT NULL,
            sealed_code_verifier bytea NOT NULL,
            language text NOT NULL CONSTRAINT ck_openid_flows_language
                CHECK (language IN ('en', 'sw', 'lg', 'rw', 'fr')),
            created_at timestamptz NOT NULL,
            expires_at timestamptz NOT NULL,
            code_hash bytea
                CONSTRAINT ck_openid_flows_code_hash CHECK (octet_length(code_hash) = 32),
            sealed_person bytea,
            used_at timestamptz,
            CONSTRAINT ck_openid_flows_sealed_person
                CHECK (sealed_person IS NULL OR (code_hash IS NOT NULL AND used_at IS NULL))
        )
        """,
        "CREATE INDEX ix_openid_flows_expires_at ON openid_flows (expires_at)",
    )


def _identity_table() -> None:
    """A subject is at most 255 characters (OpenID Connect Core 1.0 §2)."""
    run(
        """
        CREATE TABLE user_openid_identities (
            id uuid CONSTRAINT pk_user_openid_identities PRIMARY KEY,
            user_id uuid NOT NULL
                CONSTRAINT fk_user_openid_identities_user_id REFERENCES users,
            provider text NOT NULL,
            issuer text NOT NULL,
            subject text NOT NULL CONSTRAINT ck_user_openid_identities_subject
                CHECK (length(subject) BETWEEN 1 AND 255),
            address text NOT NULL,
            created_at timestamptz NOT NULL,
            last_used_at timestamptz NOT NULL,
            CONSTRAINT uq_user_openid_identities_issuer_subject UNIQUE (issuer, subject)
        )
        """,
        "CREATE INDEX ix_user_openid_identities_user_id ON user_openid_identities (user_id)",
    )


def _policies() -> None:
    flows, identities = "openid_flows", "user_openid_identities"
    protect(flows, identities)
    policy(identities, "zeraket_app", "SELECT", "user_id = (SELECT private.my_user_id())")
    for table in (flows, identities):
        policy(table, "zeraket_worker", "SELECT", "true")
    for command in ("INSERT", "UPDATE", "DELETE"):
        policy(flows, "zeraket_worker", command, "expires_at > created_at")
        policy(identities, "zeraket_worker", command, "address = lower(address)")
    run(
        f"REVOKE SELECT ON {identities} FROM zeraket_app",  # noqa: S608 - names of ours
        f"REVOKE UPDATE ON {flows}, {identities} FROM zeraket_worker",
        f"GRANT SELECT (id, user_id, provider, address, created_at, last_used_at)"
        f" ON {identities} TO zeraket_app",
        f"GRANT UPDATE (code_hash, sealed_person, used_at) ON {flows} TO zeraket_worker",
        f"GRANT UPDATE (address, last_used_at) ON {identities} TO zeraket_worker",
    )


def _ways_in() -> None:
    """A revision that adds a way in replaces the count, and sets this trigger on its table."""
    resolver_reads("user_passwords", "user_id")
    resolver_reads("user_openid_identities", "user_id")
    query = """
        SELECT (SELECT count(*) FROM public.user_passwords WHERE user_id = person)
            + (SELECT count(*) FROM public.user_openid_identities WHERE user_id = person)
    """
    resolver_function("count_ways_in(person uuid)", "bigint", query)
    run(
        # The lock makes two who remove one's last two ways in wait: the second finds none left.
        """
        CREATE FUNCTION private.keep_a_way_in() RETURNS trigger
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = ''
        AS $function$
        BEGIN
            PERFORM pg_catalog.pg_advisory_xact_lock(
                20260011, pg_catalog.hashtext(OLD.user_id::text));
            IF private.count_ways_in(OLD.user_id) = 0 THEN
                RAISE EXCEPTION 'the last way in stays'
                    USING ERRCODE = 'check_violation', CONSTRAINT = 'ck_users_way_in';
            END IF;
            RETURN NULL;
        END
        $function$
        """,
        f"ALTER FUNCTION private.keep_a_way_in() OWNER TO {RESOLVER}",
        "REVOKE ALL ON FUNCTION private.keep_a_way_in() FROM PUBLIC",
        f"GRANT EXECUTE ON FUNCTION private.keep_a_way_in() TO {OWNER}",
        "CREATE CONSTRAINT TRIGGER keep_a_way_in AFTER DELETE ON user_openid_identities"
        " FOR EACH ROW EXECUTE FUNCTION private.keep_a_way_in()",
    )
