"""Who is who and what happens where: users, sessions, organizers, events, gates, zones, ticket
types, keys.
"""

from typing import Final

from sync_server.migrations.roles import OWNER, PRINCIPALS, RESOLVER
from sync_server.migrations.support import (
    ANY_MEMBER,
    in_my_organizers,
    policy,
    protect,
    resolver_function,
    resolver_reads,
    run,
    tenant_policies,
)

revision: Final = "0001"
down_revision: Final = None
branch_labels: Final = None
depends_on: Final = None

_MINE: Final = "user_id = (SELECT private.my_user_id())"


def upgrade() -> None:
    _schemas()
    _identity_tables()
    _organizer_tables()
    _event_tables()
    _entrance_tables()
    _key_tables()
    _resolvers()
    _identity_policies()
    _organizer_policies()
    _catalog_policies()


def downgrade() -> None:
    run(
        "DROP TABLE issuer_keys, event_key_sets, ticket_types, zones, gates, events",
        "DROP TABLE organizer_members, organizers",
        "DROP TABLE user_sessions, user_roles, users CASCADE",
        "DROP SCHEMA private CASCADE",
    )


def _schemas() -> None:
    everybody = ", ".join((RESOLVER, *PRINCIPALS))
    run(
        "CREATE SCHEMA private",
        f"GRANT USAGE ON SCHEMA private TO {everybody}",
        f"GRANT CREATE ON SCHEMA private TO {RESOLVER}",
        f"GRANT USAGE ON SCHEMA migrations TO {everybody}",
        "ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC",
        "DROP POLICY IF EXISTS version_owner ON migrations.alembic_version",
        "DROP POLICY IF EXISTS version_read ON migrations.alembic_version",
        f"CREATE POLICY version_owner ON migrations.alembic_version TO {OWNER} USING (true)",
        "CREATE POLICY version_read ON migrations.alembic_version FOR SELECT"
        f" TO {', '.join(PRINCIPALS)} USING (true)",
        f"GRANT SELECT ON migrations.alembic_version TO {', '.join(PRINCIPALS)}",
    )
    protect("migrations.alembic_version")


def _identity_tables() -> None:
    run(
        """
        CREATE TABLE users (
            id uuid CONSTRAINT pk_users PRIMARY KEY,
            display_name text NOT NULL,
            created_at timestamptz NOT NULL,
            disabled_at timestamptz
        )
        """,
        """
        CREATE TABLE user_roles (
            user_id uuid NOT NULL CONSTRAINT fk_user_roles_user_id REFERENCES users,
            role text NOT NULL CONSTRAINT ck_user_roles_role CHECK (role IN ('admin')),
            CONSTRAINT pk_user_roles PRIMARY KEY (user_id, role)
        )
        """,
        """
        CREATE TABLE user_sessions (
            id uuid CONSTRAINT pk_user_sessions PRIMARY KEY,
            user_id uuid NOT NULL CONSTRAINT fk_user_sessions_user_id REFERENCES users,
            token_hash bytea NOT NULL CONSTRAINT uq_user_sessions_token_hash UNIQUE
                CONSTRAINT ck_user_sessions_token_hash CHECK (octet_length(token_hash) = 32),
            created_at timestamptz NOT NULL,
            expires_at timestamptz NOT NULL,
            revoked_at timestamptz
        )
        """,
        "CREATE INDEX ix_user_sessions_user_id ON user_sessions (user_id)",
    )


def _organizer_tables() -> None:
    run(
        """
        CREATE TABLE organizers (
            id uuid CONSTRAINT pk_organizers PRIMARY KEY,
            name text NOT NULL,
            created_by uuid NOT NULL,
            created_at timestamptz NOT NULL
        )
        """,
        """
        CREATE TABLE organizer_members (
            organizer_id uuid NOT NULL
                CONSTRAINT fk_organizer_members_organizer_id REFERENCES organizers,
            user_id uuid NOT NULL,
            capabilities text[] NOT NULL,
            created_at timestamptz NOT NULL,
            CONSTRAINT pk_organizer_members PRIMARY KEY (organizer_id, user_id)
        )
        """,
        "CREATE INDEX ix_organizer_members_user_id ON organizer_members (user_id)",
    )


def _event_tables() -> None:
    run(
        """
        CREATE TABLE events (
            organizer_id uuid NOT NULL
                CONSTRAINT fk_events_organizer_id REFERENCES organizers,
            id uuid NOT NULL,
            name text NOT NULL,
            base_time timestamptz NOT NULL,
            timezone text NOT NULL,
            venue text NOT NULL,
            status text NOT NULL
                CONSTRAINT ck_events_status CHECK (status IN ('scheduled', 'ended', 'cancelled')),
            created_at timestamptz NOT NULL,
            CONSTRAINT pk_events PRIMARY KEY (organizer_id, id)
        )
        """,
        """
        CREATE TABLE ticket_types (
            organizer_id uuid NOT NULL,
            event_id uuid NOT NULL,
            id uuid NOT NULL,
            tier smallint NOT NULL CONSTRAINT ck_ticket_types_tier CHECK (tier BETWEEN 0 AND 255),
            name text NOT NULL,
            zones integer NOT NULL
                CONSTRAINT ck_ticket_types_zones CHECK (zones BETWEEN 0 AND 65535),
            flags smallint NOT NULL
                CONSTRAINT ck_ticket_types_flags CHECK (flags BETWEEN 0 AND 255),
            medium text NOT NULL CONSTRAINT ck_ticket_types_medium
                CHECK (medium IN ('qr', 'nfc', 'qr_or_nfc', 'qr_and_nfc')),
            CONSTRAINT pk_ticket_types PRIMARY KEY (organizer_id, event_id, id),
            CONSTRAINT uq_ticket_types_organizer_id_event_id_tier
                UNIQUE (organizer_id, event_id, tier),
            CONSTRAINT fk_ticket_types_organizer_id_event_id
                FOREIGN KEY (organizer_id, event_id) REFERENCES events
        )
        """,
    )


def _entrance_tables() -> None:
    run(
        """
        CREATE TABLE gates (
            organizer_id uuid NOT NULL,
            event_id uuid NOT NULL,
            id uuid NOT NULL,
            number bigint NOT NULL
                CONSTRAINT ck_gates_number CHECK (number BETWEEN 1 AND 4294967295),
            name text NOT NULL,
            CONSTRAINT pk_gates PRIMARY KEY (organizer_id, event_id, id),
            CONSTRAINT uq_gates_organizer_id_event_id_number
                UNIQUE (organizer_id, event_id, number),
            CONSTRAINT fk_gates_organizer_id_event_id
                FOREIGN KEY (organizer_id, event_id) REFERENCES events
        )
        """,
        """
        CREATE TABLE zones (
            organizer_id uuid NOT NULL,
            event_id uuid NOT NULL,
            id uuid NOT NULL,
            bit smallint NOT NULL CONSTRAINT ck_zones_bit CHECK (bit BETWEEN 0 AND 15),
            name text NOT NULL,
            CONSTRAINT pk_zones PRIMARY KEY (organizer_id, event_id, id),
            CONSTRAINT uq_zones_organizer_id_event_id_bit UNIQUE (organizer_id, event_id, bit),
            CONSTRAINT fk_zones_organizer_id_event_id
                FOREIGN KEY (organizer_id, event_id) REFERENCES events
        )
        """,
    )


def _key_tables() -> None:
    run(
        """
        CREATE TABLE event_key_sets (
            organizer_id uuid NOT NULL,
            event_id uuid NOT NULL,
            id uuid NOT NULL,
            kid smallint NOT NULL CONSTRAINT ck_event_key_sets_kid CHECK (kid BETWEEN 0 AND 255),
            sealed_event_key bytea NOT NULL,
            created_at timestamptz NOT NULL,
            CONSTRAINT pk_event_key_sets PRIMARY KEY (organizer_id, event_id, id),
            CONSTRAINT fk_event_key_sets_organizer_id_event_id
                FOREIGN KEY (organizer_id, event_id) REFERENCES events
        )
        """,
        """
        CREATE TABLE issuer_keys (
            organizer_id uuid NOT NULL,
            event_id uuid NOT NULL,
            id uuid NOT NULL,
            ikid smallint NOT NULL CONSTRAINT ck_issuer_keys_ikid CHECK (ikid BETWEEN 0 AND 255),
            public_key bytea NOT NULL
                CONSTRAINT ck_issuer_keys_public_key CHECK (octet_length(public_key) = 32),
            sealed_private_key bytea NOT NULL,
            active boolean NOT NULL,
            created_at timestamptz NOT NULL,
            CONSTRAINT pk_issuer_keys PRIMARY KEY (organizer_id, event_id, id),
            CONSTRAINT uq_issuer_keys_organizer_id_event_id_ikid
                UNIQUE (organizer_id, event_id, ikid),
            CONSTRAINT fk_issuer_keys_organizer_id_event_id
                FOREIGN KEY (organizer_id, event_id) REFERENCES events
        )
        """,
    )


def _resolvers() -> None:
    protect("users", "user_roles", "user_sessions", "organizers", "organizer_members")
    resolver_reads("users", "id", "disabled_at")
    resolver_reads("user_roles", "user_id", "role")
    resolver_reads("user_sessions", "user_id", "token_hash", "expires_at", "revoked_at")
    resolver_reads("organizers", "id", "created_by")
    resolver_reads("organizer_members", "organizer_id", "user_id", "capabilities")
    resolver_function("token_hash()", "bytea", _HASH_OF_CALLER, *PRINCIPALS)
    for signature, returns, query in _USER_RESOLVERS:
        resolver_function(signature, returns, query, "zeraket_app")


def _identity_policies() -> None:
    policy("users", "zeraket_app", "SELECT", "id = (SELECT private.my_user_id())")
    policy("users", "zeraket_worker", "SELECT", "true")
    policy("users", "zeraket_worker", "INSERT", "disabled_at IS NULL")
    policy("user_roles", "zeraket_app", "SELECT", _MINE)
    policy("user_roles", "zeraket_worker", "SELECT", "true")
    policy("user_sessions", "zeraket_app", "SELECT", _MINE)
    policy("user_sessions", "zeraket_app", "UPDATE", _MINE)
    policy("user_sessions", "zeraket_worker", "INSERT", "revoked_at IS NULL")
    run(
        # A session's owner sees and ends it, and never learns or changes more than that.
        "REVOKE SELECT, UPDATE ON user_sessions FROM zeraket_app",
        "GRANT SELECT (id, user_id, created_at, expires_at, revoked_at) ON user_sessions"
        " TO zeraket_app",
        "GRANT UPDATE (revoked_at) ON user_sessions TO zeraket_app",
    )


def _organizer_policies() -> None:
    policy("organizers", "zeraket_app", "SELECT", in_my_organizers(ANY_MEMBER, "id"))
    policy("organizers", "zeraket_app", "INSERT", "created_by = (SELECT private.my_user_id())")
    policy("organizers", "zeraket_app", "UPDATE", in_my_organizers("members.manage", "id"))
    policy("organizers", "zeraket_worker", "SELECT", "true")
    policy("organizer_members", "zeraket_app", "SELECT", in_my_organizers(ANY_MEMBER))
    policy(
        "organizer_members",
        "zeraket_app",
        "INSERT",
        f"{in_my_organizers('members.manage')} OR ({_MINE} AND private.is_founding(organizer_id))",
    )
    policy("organizer_members", "zeraket_app", "UPDATE", in_my_organizers("members.manage"))
    policy("organizer_members", "zeraket_app", "DELETE", in_my_organizers("members.manage"))
    policy("organizer_members", "zeraket_worker", "SELECT", "true")
    run(
        "REVOKE UPDATE ON organizers, organizer_members FROM zeraket_app",
        "GRANT UPDATE (name) ON organizers TO zeraket_app",
        "GRANT UPDATE (capabilities) ON organizer_members TO zeraket_app",
    )


def _catalog_policies() -> None:
    protect("events", "gates", "zones", "ticket_types", "event_key_sets", "issuer_keys")
    for table in ("events", "gates", "zones", "ticket_types"):
        tenant_policies(table, read=ANY_MEMBER, write="event.manage")
    for table in ("event_key_sets", "issuer_keys"):
        tenant_policies(table, read="tickets.issue", write="event.manage")


_HASH_OF_CALLER: Final = """
    SELECT sha256(convert_to(NULLIF(current_setting('zeraket.token', true), ''), 'UTF8'))
"""

_USER_RESOLVERS: Final = (
    (
        "my_user_id()",
        "uuid",
        """
        SELECT session.user_id
        FROM public.user_sessions AS session
        JOIN public.users AS person ON person.id = session.user_id
        WHERE session.token_hash = private.token_hash()
          AND session.revoked_at IS NULL
          AND session.expires_at > now()
          AND person.disabled_at IS NULL
        """,
    ),
    (
        "has_role(wanted text)",
        "boolean",
        """
        SELECT EXISTS (
            SELECT FROM public.user_roles
            WHERE user_id = private.my_user_id() AND role = wanted
        )
        """,
    ),
    (
        "my_organizer_ids(capability text DEFAULT NULL)",
        "uuid[]",
        """
        SELECT coalesce(array_agg(organizer_id), '{}')
        FROM public.organizer_members
        WHERE user_id = private.my_user_id()
          AND (capability IS NULL OR capability = ANY(capabilities))
        """,
    ),
    (
        "my_capabilities(organizer uuid)",
        "text[]",
        """
        SELECT capabilities
        FROM public.organizer_members
        WHERE organizer_id = organizer AND user_id = private.my_user_id()
        """,
    ),
    (
        "has_organizer_role(organizer uuid, capability text)",
        "boolean",
        "SELECT coalesce(capability = ANY(private.my_capabilities(organizer)), false)",
    ),
    (
        "is_founding(organizer uuid)",
        "boolean",
        """
        SELECT EXISTS (
            SELECT FROM public.organizers
            WHERE id = organizer AND created_by = private.my_user_id()
        ) AND NOT EXISTS (
            SELECT FROM public.organizer_members WHERE organizer_id = organizer
        )
        """,
    ),
)
