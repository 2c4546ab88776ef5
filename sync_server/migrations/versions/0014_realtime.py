"""Rights that end are told at once, alarms, and how far each reader of the outbox is."""

from dataclasses import dataclass
from typing import Final

from sync_server.migrations.roles import OWNER, RESOLVER
from sync_server.migrations.support import policy, protect, resolver_function, run

revision: Final = "0014"
down_revision: Final = "0013"
branch_labels: Final = None
depends_on: Final = None


@dataclass(frozen=True, slots=True)
class _Ending:
    """How a table's rows end rights: what is told of the old row, and which updates are an end.

    A row that is deleted always is one, but of a ticket, which nobody may delete.
    """

    table: str
    kind: str
    organizer: str
    channels: str
    payload: str
    ends: str | None
    deletes: bool = True

    @property
    def function(self) -> str:
        return f"private.tell_end_of_{self.table}()"


_ENDINGS: Final = (
    _Ending(
        "user_sessions",
        "session.ended",
        "NULL",
        "ARRAY['right:session:' || OLD.id, 'person:' || OLD.user_id]",
        "'session_id', OLD.id",
        "OLD.revoked_at IS NULL AND NEW.revoked_at IS NOT NULL OR NEW.expires_at < OLD.expires_at",
    ),
    _Ending(
        "users",
        "right.ended",
        "NULL",
        "ARRAY['right:person:' || OLD.id]",
        "'user_id', OLD.id",
        "OLD.disabled_at IS NULL AND NEW.disabled_at IS NOT NULL",
    ),
    _Ending(
        "user_roles",
        "right.ended",
        "NULL",
        "ARRAY['right:person:' || OLD.user_id]",
        "'user_id', OLD.user_id",
        None,
    ),
    _Ending(
        "organizer_members",
        "right.ended",
        "OLD.organizer_id",
        "ARRAY['right:person:' || OLD.user_id]",
        "'organizer_id', OLD.organizer_id, 'user_id', OLD.user_id",
        "NOT OLD.capabilities <@ NEW.capabilities",
    ),
    _Ending(
        "service_accounts",
        "right.ended",
        "OLD.organizer_id",
        "ARRAY['right:program:' || OLD.id]",
        "'organizer_id', OLD.organizer_id, 'service_account_id', OLD.id",
        "OLD.revoked_at IS NULL AND NEW.revoked_at IS NOT NULL"
        " OR NEW.expires_at < OLD.expires_at OR NOT OLD.capabilities <@ NEW.capabilities",
    ),
    _Ending(
        "tickets",
        "right.ended",
        "OLD.organizer_id",
        "ARRAY['right:ticket:' || OLD.event_id || ':' || lpad(to_hex(OLD.id), 16, '0')]",
        "'event_id', OLD.event_id, 'ticket_id', lpad(to_hex(OLD.id), 16, '0')",
        "OLD.claim_token_hash <> NEW.claim_token_hash OR OLD.status <> NEW.status"
        " AND NEW.status IN ('revoked', 'transferred', 'cancelled', 'refunded')",
        deletes=False,
    ),
)


def upgrade() -> None:
    _renumbering()
    _reader_table()
    _alarm_table()
    for ending in _ENDINGS:
        _tell(ending)
    query = """
        SELECT expires_at FROM public.user_sessions
        WHERE token_hash = private.token_hash() AND revoked_at IS NULL AND expires_at > now()
        UNION ALL
        SELECT expires_at FROM public.service_accounts
        WHERE token_hash = private.token_hash() AND revoked_at IS NULL AND expires_at > now()
    """
    resolver_function("my_token_expires_at()", "timestamptz", query, "zeraket_app")
    _standings("standings_of_people", "zeraket_app", _OF_PEOPLE, _PEOPLE_HEAR)
    _standings("standings_of_wallets", "zeraket_wallet", _OF_WALLETS, _WALLETS_HEAR)


def downgrade() -> None:
    run(
        "DROP FUNCTION private.standings_of_wallets(jsonb)",
        "DROP FUNCTION private.standings_of_people(jsonb)",
        "DROP FUNCTION private.my_token_expires_at()",
    )
    for ending in _ENDINGS:
        run(
            f"DROP TRIGGER IF EXISTS tell_end ON {ending.table}",
            f"DROP TRIGGER IF EXISTS tell_deletion ON {ending.table}",
            f"DROP FUNCTION {ending.function}",
        )
    run(
        "DROP TABLE alarms, outbox_readers",
        "DROP POLICY outbox_worker_update ON outbox",
        "REVOKE UPDATE (xid) ON outbox FROM zeraket_worker",
    )


def _renumbering() -> None:
    """A row may change its place only where the place is of another cluster's numbering."""
    run(
        "GRANT UPDATE (xid) ON outbox TO zeraket_worker",
        "CREATE POLICY outbox_worker_update ON outbox FOR UPDATE TO zeraket_worker"
        " USING (xid >= pg_snapshot_xmax(pg_current_snapshot())::text::bigint)"
        " WITH CHECK (xid = pg_current_xact_id()::text::bigint)",
    )


def _reader_table() -> None:
    run(
        """
        CREATE TABLE outbox_readers (
            name text CONSTRAINT pk_outbox_readers PRIMARY KEY
                CONSTRAINT ck_outbox_readers_name CHECK (length(name) BETWEEN 1 AND 60),
            xid bigint NOT NULL,
            id bigint NOT NULL,
            moved_at timestamptz NOT NULL
        )
        """,
    )
    protect("outbox_readers")
    policy("outbox_readers", "zeraket_worker", "SELECT", "true")
    for command in ("INSERT", "UPDATE"):
        policy("outbox_readers", "zeraket_worker", command, "xid >= 0 AND id >= 0")


def _alarm_table() -> None:
    run(
        """
        CREATE TABLE alarms (
            id uuid CONSTRAINT pk_alarms PRIMARY KEY,
            kind text NOT NULL CONSTRAINT ck_alarms_kind CHECK (length(kind) BETWEEN 1 AND 60),
            subject text NOT NULL
                CONSTRAINT ck_alarms_subject CHECK (length(subject) BETWEEN 1 AND 200),
            detail jsonb NOT NULL
                CONSTRAINT ck_alarms_detail CHECK (jsonb_typeof(detail) = 'object'),
            raised_at timestamptz NOT NULL,
            last_seen_at timestamptz NOT NULL,
            cleared_at timestamptz,
            acknowledged_at timestamptz,
            acknowledged_by uuid,
            CONSTRAINT ck_alarms_acknowledged
                CHECK ((acknowledged_at IS NULL) = (acknowledged_by IS NULL))
        )
        """,
        # Of one thing at most one alarm is open, whoever finds it.
        "CREATE UNIQUE INDEX ix_alarms_open ON alarms (kind, subject) WHERE cleared_at IS NULL",
    )
    protect("alarms")
    policy("alarms", "zeraket_worker", "SELECT", "true")
    policy("alarms", "zeraket_worker", "INSERT", "cleared_at IS NULL")
    policy("alarms", "zeraket_worker", "UPDATE", "last_seen_at >= raised_at")
    run(
        "REVOKE UPDATE ON alarms FROM zeraket_worker",
        "GRANT UPDATE (detail, last_seen_at, cleared_at, acknowledged_at, acknowledged_by)"
        " ON alarms TO zeraket_worker",
    )


def _tell(ending: _Ending) -> None:
    """Write the message where the row ends, so that no way of ending it can forget to."""
    run(
        f"""
        CREATE FUNCTION {ending.function} RETURNS trigger
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = ''
        AS $function$ BEGIN
            INSERT INTO public.outbox (kind, organizer_id, channels, payload)
            VALUES ('{ending.kind}', {ending.organizer}, {ending.channels},
                jsonb_build_object({ending.payload}));
            RETURN NULL;
        END $function$
        """,  # noqa: S608 - names of ours
        f"ALTER FUNCTION {ending.function} OWNER TO {RESOLVER}",
        f"REVOKE ALL ON FUNCTION {ending.function} FROM PUBLIC",
        f"GRANT EXECUTE ON FUNCTION {ending.function} TO {OWNER}",
    )
    if ending.ends is not None:
        run(
            f"CREATE TRIGGER tell_end AFTER UPDATE ON {ending.table} FOR EACH ROW"
            f" WHEN ({ending.ends}) EXECUTE FUNCTION {ending.function}",
        )
    if ending.deletes:
        run(
            f"CREATE TRIGGER tell_deletion AFTER DELETE ON {ending.table} FOR EACH ROW"
            f" EXECUTE FUNCTION {ending.function}",
        )


def _mine(capability: str) -> str:
    return f"ANY((SELECT private.my_organizer_ids('{capability}'))::uuid[])"


_OF_PEOPLE: Final = """
    private.my_user_id(), private.my_session_id(), private.my_service_account_id(),
    private.my_token_expires_at()
"""
_PEOPLE_HEAR: Final = f"""
    CASE wanted.kind
        WHEN 'sales' THEN EXISTS (SELECT FROM public.events AS e
            WHERE e.organizer_id = {_mine("finance.view")} AND e.id = wanted.owner)
        WHEN 'gates' THEN EXISTS (SELECT FROM public.events AS e
            WHERE e.organizer_id = {_mine("scans.view")} AND e.id = wanted.owner)
        WHEN 'gate' THEN EXISTS (SELECT FROM public.gates AS g
            WHERE g.organizer_id = {_mine("scans.view")}
              AND g.event_id = wanted.owner AND g.id = wanted.gate)
        WHEN 'ticket' THEN EXISTS (SELECT FROM public.tickets AS t
            WHERE t.organizer_id = {_mine("tickets.issue")}
              AND t.event_id = wanted.owner AND t.id = wanted.ticket)
        WHEN 'alerts' THEN wanted.owner = {_mine("scans.view")}
        WHEN 'person' THEN private.my_user_id() IS NOT NULL
        WHEN 'alarms' THEN private.has_role('admin') AND EXISTS (
            SELECT FROM public.user_sessions AS s
            WHERE s.id = private.my_session_id() AND s.second_factor_at IS NOT NULL)
        ELSE false
    END
"""  # noqa: S608 - names of ours
# A wallet sees its own ticket and no other; it is known by that.
_OF_WALLETS: Final = """
    NULL::uuid, NULL::uuid, (SELECT t.event_id FROM public.tickets AS t LIMIT 1),
    NULL::timestamptz
"""
_WALLETS_HEAR: Final = """
    wanted.kind = 'ticket' AND EXISTS (SELECT FROM public.tickets AS t
        WHERE t.event_id = wanted.owner AND t.id = wanted.ticket
          AND t.status NOT IN ('revoked', 'transferred', 'cancelled', 'refunded'))
"""


def _standings(name: str, role: str, caller: str, condition: str) -> None:
    """Ask for many callers with one statement: as each of them in turn, in their role and under
    their token, so that row-level security answers each as if they had asked alone.
    """
    run(
        f"""
        CREATE FUNCTION private.{name}(questions jsonb)
        RETURNS TABLE (place bigint, user_id uuid, session_id uuid, holds uuid,
            expires_at timestamptz, allowed bigint[])
        LANGUAGE plpgsql VOLATILE SECURITY INVOKER SET search_path = ''
        AS $function$
        DECLARE
            before constant text DEFAULT current_setting('zeraket.token');
            asked record;
        BEGIN
            FOR asked IN SELECT question.place, question.value
                FROM jsonb_array_elements(questions) WITH ORDINALITY AS question (value, place)
            LOOP
                PERFORM set_config('zeraket.token', asked.value ->> 'token', true);
                RETURN QUERY SELECT asked.place, {caller}, ARRAY(
                    SELECT wanted.place FROM ROWS FROM (
                        jsonb_to_recordset(asked.value -> 'wanted')
                        AS (kind text, owner uuid, gate uuid, ticket bigint)
                    ) WITH ORDINALITY AS wanted (kind, owner, gate, ticket, place)
                    WHERE {condition}
                );
            END LOOP;
            PERFORM set_config('zeraket.token', before, true);
        END
        $function$
        """,  # noqa: S608 - words of ours
        f"REVOKE ALL ON FUNCTION private.{name}(jsonb) FROM PUBLIC",
        f"GRANT EXECUTE ON FUNCTION private.{name}(jsonb) TO {OWNER}, {role}",
    )
