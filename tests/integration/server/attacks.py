"""What an attacker runs inside a caller's transaction, and how far it got."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from sync_server.kit.claims import Claims
from sync_server.kit.database import Database, sqlstate
from tests.integration.server.reach import Principal
from tests.plugins.postgres import ClonedDatabase

CALLERS = ("member", "program", "device", "wallet")

NOT_ALLOWED = (
    # Becoming somebody else.
    "SET ROLE zeraket_worker",
    "SET ROLE zeraket_resolver",
    "SET ROLE zeraket_owner",
    "SET ROLE postgres",
    "SELECT set_config('role', 'zeraket_worker', true)",
    "SELECT set_config('role', 'zeraket_worker', false)",
    "SET SESSION AUTHORIZATION zeraket_worker_login",
    "SET SESSION AUTHORIZATION postgres",
    "SELECT set_config('session_authorization', 'postgres', true)",
    "DO $$ BEGIN EXECUTE 'SET ROLE zeraket_worker'; END $$",
    "GRANT zeraket_worker TO zeraket_login",
    "ALTER ROLE zeraket_login SUPERUSER",
    "ALTER ROLE zeraket_worker_login PASSWORD 'known'",
    "CREATE ROLE zeraket_mine LOGIN SUPERUSER",
    "REASSIGN OWNED BY zeraket_owner TO zeraket_app",
    # Taking the guards away.
    "SET session_replication_role = replica",
    "SELECT set_config('session_replication_role', 'replica', true)",
    "ALTER TABLE events DISABLE ROW LEVEL SECURITY",
    "ALTER TABLE events NO FORCE ROW LEVEL SECURITY",
    "ALTER TABLE admin_action_log DISABLE TRIGGER refuse_change",
    "ALTER TABLE tickets DISABLE TRIGGER ALL",
    "DROP TRIGGER record_change ON tickets",
    "DROP POLICY tickets_device_select ON tickets",
    "CREATE POLICY mine ON tickets TO PUBLIC USING (true)",
    "ALTER POLICY tickets_device_select ON tickets USING (true)",
    "TRUNCATE events",
    "TRUNCATE admin_action_log",
    # Leaving something behind that others run into.
    "CREATE TABLE public.mine (id int)",
    "CREATE TABLE private.mine (id int)",
    "CREATE TEMPORARY TABLE mine (id int)",
    "CREATE SCHEMA mine",
    "CREATE VIEW public.mine AS SELECT 1",
    "CREATE FUNCTION public.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE FUNCTION private.mine() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'",
    "CREATE FUNCTION pg_temp.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE OR REPLACE FUNCTION private.my_user_id() RETURNS uuid LANGUAGE sql AS 'SELECT NULL'",
    "ALTER FUNCTION private.my_user_id() SET search_path = public",
    "CREATE TRIGGER mine AFTER INSERT ON events EXECUTE FUNCTION private.refuse_change()",
    # Reading what is nobody's business.
    "SELECT * FROM pg_authid",
    "SELECT * FROM pg_shadow",
    "SELECT starelid FROM pg_statistic",
    "SELECT pg_read_file('/etc/passwd')",
    "SELECT lo_import('/etc/passwd')",
    "COPY tickets TO '/tmp/tickets'",
    "COPY (SELECT 1) TO PROGRAM 'id'",
    "COPY events FROM PROGRAM 'id'",
    "SELECT pg_create_logical_replication_slot('mine', 'pgoutput')",
    "SELECT pg_current_logfile()",
    "SELECT * FROM user_passwords",
    "SELECT * FROM audit_blocks",
    "SELECT * FROM outbox",
    # The resolver's functions, which are not for callers.
    "SELECT private.is_admin(gen_random_uuid())",
    "SELECT private.audit_organizer(gen_random_uuid())",
    "SELECT private.audit_actor_id(gen_random_uuid())",
    "SELECT private.audit_actor_kind()",
)
"""Each is refused for want of rights."""

SECRETS = {
    "member": (
        "SELECT token_hash FROM user_sessions",
        "SELECT row_to_json(t) FROM user_sessions AS t",
        "SELECT t FROM user_sessions AS t",
        "SELECT row_to_json(t) FROM scanner_sessions AS t",
        "SELECT * FROM scanner_sessions",
        "TABLE service_accounts",
        "SELECT max(claim_token_hash::text) FROM tickets",
        "SELECT count(*) FROM tickets WHERE claim_token_hash > '\\x80'",
        "SELECT id FROM tickets ORDER BY claim_token_hash",
        "SELECT sealed_event_key FROM event_key_sets",
        "SELECT sealed_private_key FROM issuer_keys",
        "UPDATE issuer_keys SET active = false",
        "SELECT sealed_file_key FROM snapshots",
        "SELECT code_hash FROM enrolment_codes",
        "UPDATE user_sessions SET revoked_at = now() RETURNING token_hash",
        "UPDATE scanner_sessions SET ended_at = now(), end_reason = 'revoked' RETURNING *",
        "UPDATE tickets SET seat = encode(claim_token_hash, 'hex')",
        "UPDATE tickets AS t SET seat = o.claim_token_hash::text FROM tickets AS o",
        """
        INSERT INTO changes (organizer_id, event_id, kind, payload)
        SELECT organizer_id, event_id, 'rules', to_jsonb(t) FROM tickets AS t
        """,
    ),
    "device": (
        "SELECT row_to_json(t) FROM tickets AS t",
        "SELECT claim_token_hash FROM tickets",
        "SELECT token_hash FROM scanner_sessions",
        "SELECT sealed_file_key FROM snapshots",
        "UPDATE scanner_sessions SET time_seq = 1 RETURNING token_hash",
        "UPDATE device_chains SET head_hash = t.claim_token_hash FROM tickets AS t",
    ),
    "wallet": (
        "SELECT * FROM event_key_sets",
        "UPDATE tickets SET claim_token_hash = sha256('mine')",
        "UPDATE tickets SET status = 'valid'",
    ),
}
"""Each asks for a column that its caller has no business with."""


@dataclass(frozen=True, slots=True)
class Besieged:
    """Two tenants in a database, and who attacks from the first."""

    place: ClonedDatabase
    callers: dict[str, Principal]

    @property
    def foreign(self) -> Any:  # noqa: ANN401 - a uuid
        return self.callers["member"].values["foreign"]


def claims_of(besieged: Besieged, caller: str) -> Claims:
    claims = besieged.callers[caller].claims
    assert claims is not None
    return claims


async def outcome_of(database: Database, claims: Claims, *statements: str) -> str | None:
    """Run statements in one transaction and take them back; give the code of the first error."""
    try:
        async with database.transaction(claims) as session:
            for statement in statements:
                await session.execute(text(statement))
            await session.rollback()
    except DBAPIError as error:
        return sqlstate(error.orig)
    return None


async def foreign_rows(
    database: Database, besieged: Besieged, claims: Claims, first: str, **values: str
) -> int:
    """Count what a caller sees of the other tenant, wherever it sees anything, after `first`."""
    async with database.transaction(claims) as session:
        await session.execute(text(first), values)
        tables = list(await session.scalars(_TENANT_TABLES))
        counts = [
            await session.scalar(
                text(f"SELECT count(*) FROM {table} WHERE organizer_id = :foreign"),
                {"foreign": besieged.foreign},
            )
            for table in tables
        ]
        await session.rollback()
    return sum(count or 0 for count in counts)


_TENANT_TABLES = text("""
    SELECT c.oid::regclass::text FROM pg_class AS c
    JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attname = 'organizer_id'
    WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace
      AND has_column_privilege(c.oid, a.attnum, 'SELECT')
""")
