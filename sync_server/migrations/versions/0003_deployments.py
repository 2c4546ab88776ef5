"""Deployments, enrolment codes, devices and their sessions, used proofs; and what a device may
read.
"""

from typing import Final

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

revision: Final = "0003"
down_revision: Final = "0002"
branch_labels: Final = None
depends_on: Final = None

_RESOLVED: Final = (
    ("my_scanner_session_id()", "id"),
    ("my_device_id()", "device_id"),
    ("my_scanner_deployment_id()", "deployment_id"),
    ("my_scanner_event_id()", "event_id"),
    ("my_scanner_organizer_id()", "organizer_id"),
)
_MY_EVENT: Final = "event_id = (SELECT private.my_scanner_event_id())"
_TENANT_ROW: Final = "organizer_id IS NOT NULL"
"""The server itself serves every tenant; which row it may touch is the service's question."""


def upgrade() -> None:
    _deployment_tables()
    _device_table()
    _session_table()
    _proof_table()
    protect("deployments", "enrolment_codes", "devices", "scanner_sessions", "proof_uses")
    _resolvers()
    _member_policies()
    _worker_policies()
    _device_policies()


def downgrade() -> None:
    for table in ("tickets", "changes"):
        run(
            f"DROP POLICY {table}_device_select ON {table}",
            f"REVOKE ALL ON {table} FROM zeraket_device",
        )
    run(
        "DROP POLICY changes_device_insert ON changes",
        "DROP POLICY changes_app_select ON changes",
        "DROP POLICY changes_app_insert ON changes",
        "REVOKE ALL ON changes FROM zeraket_app",
        "DROP TABLE proof_uses, scanner_sessions, devices, enrolment_codes, deployments CASCADE",
    )
    for signature, _ in _RESOLVED:
        run(f"DROP FUNCTION private.{signature}")


def _deployment_tables() -> None:
    run(
        """
        CREATE TABLE deployments (
            organizer_id uuid NOT NULL,
            event_id uuid NOT NULL,
            id uuid NOT NULL,
            name text NOT NULL,
            gate_ids uuid[] NOT NULL
                CONSTRAINT ck_deployments_gate_ids CHECK (cardinality(gate_ids) > 0),
            rules jsonb NOT NULL,
            stale_after_seconds bigint NOT NULL
                CONSTRAINT ck_deployments_stale_after_seconds CHECK (stale_after_seconds > 0),
            confirm_devices boolean NOT NULL,
            created_at timestamptz NOT NULL,
            CONSTRAINT pk_deployments PRIMARY KEY (organizer_id, event_id, id),
            CONSTRAINT fk_deployments_organizer_id_event_id
                FOREIGN KEY (organizer_id, event_id) REFERENCES events
        )
        """,
        "CREATE INDEX ix_deployments_id ON deployments (id)",
        """
        CREATE TABLE enrolment_codes (
            organizer_id uuid NOT NULL,
            event_id uuid NOT NULL,
            deployment_id uuid NOT NULL,
            id uuid NOT NULL,
            gate_id uuid NOT NULL,
            code_hash bytea NOT NULL
                CONSTRAINT ck_enrolment_codes_code_hash CHECK (octet_length(code_hash) = 32),
            created_by uuid NOT NULL,
            created_at timestamptz NOT NULL,
            expires_at timestamptz NOT NULL,
            used_at timestamptz,
            device_id uuid,
            CONSTRAINT pk_enrolment_codes PRIMARY KEY (organizer_id, event_id, deployment_id, id),
            CONSTRAINT fk_enrolment_codes_organizer_id_event_id_deployment_id
                FOREIGN KEY (organizer_id, event_id, deployment_id) REFERENCES deployments
        )
        """,
        "CREATE UNIQUE INDEX ix_enrolment_codes_code_hash ON enrolment_codes (code_hash)",
    )


def _device_table() -> None:
    run(
        """
        CREATE TABLE devices (
            organizer_id uuid NOT NULL,
            event_id uuid NOT NULL,
            deployment_id uuid NOT NULL,
            id uuid NOT NULL,
            gate_id uuid NOT NULL,
            name text NOT NULL,
            state text NOT NULL CONSTRAINT ck_devices_state CHECK (state IN
                ('awaiting_confirmation', 'enrolled', 'refused', 'revoked', 'quarantined')),
            signing_key bytea NOT NULL
                CONSTRAINT ck_devices_signing_key CHECK (octet_length(signing_key) = 33),
            sealing_key bytea NOT NULL
                CONSTRAINT ck_devices_sealing_key CHECK (octet_length(sealing_key) = 33),
            digits text NOT NULL,
            software_version text NOT NULL,
            enrolled_at timestamptz NOT NULL,
            CONSTRAINT pk_devices PRIMARY KEY (organizer_id, event_id, deployment_id, id),
            CONSTRAINT fk_devices_organizer_id_event_id_deployment_id
                FOREIGN KEY (organizer_id, event_id, deployment_id) REFERENCES deployments
        )
        """,
        "CREATE UNIQUE INDEX ix_devices_id ON devices (id)",
    )


def _session_table() -> None:
    run(
        """
        CREATE TABLE scanner_sessions (
            organizer_id uuid NOT NULL,
            event_id uuid NOT NULL,
            deployment_id uuid NOT NULL,
            device_id uuid NOT NULL,
            id uuid NOT NULL,
            token_hash bytea NOT NULL
                CONSTRAINT ck_scanner_sessions_token_hash CHECK (octet_length(token_hash) = 32),
            time_seq bigint NOT NULL,
            started_at timestamptz NOT NULL,
            last_seen_at timestamptz NOT NULL,
            ended_at timestamptz,
            end_reason text CONSTRAINT ck_scanner_sessions_end_reason
                CHECK (end_reason IN ('revoked', 'stale', 'superseded')),
            CONSTRAINT ck_scanner_sessions_ended
                CHECK ((ended_at IS NULL) = (end_reason IS NULL)),
            CONSTRAINT pk_scanner_sessions PRIMARY KEY (organizer_id, event_id, deployment_id, id),
            CONSTRAINT fk_scanner_sessions_device_id
                FOREIGN KEY (organizer_id, event_id, deployment_id, device_id) REFERENCES devices
        )
        """,
        "CREATE UNIQUE INDEX ix_scanner_sessions_id ON scanner_sessions (id)",
        "CREATE UNIQUE INDEX ix_scanner_sessions_token_hash ON scanner_sessions (token_hash)",
        "CREATE INDEX ix_scanner_sessions_deployment_id ON scanner_sessions (deployment_id)",
        "CREATE INDEX ix_scanner_sessions_device ON scanner_sessions"
        " (organizer_id, event_id, deployment_id, device_id)",
        # At most one session of a device is alive, whatever is started at the same time.
        "CREATE UNIQUE INDEX ix_scanner_sessions_alive ON scanner_sessions (device_id)"
        " WHERE ended_at IS NULL",
        "CREATE INDEX ix_scanner_sessions_last_seen_at ON scanner_sessions (last_seen_at)"
        " WHERE ended_at IS NULL",
    )


def _proof_table() -> None:
    """Used proofs outlive no crash: the nonce in each is older than the restart by then."""
    run(
        """
        CREATE UNLOGGED TABLE proof_uses (
            digest bytea CONSTRAINT pk_proof_uses PRIMARY KEY,
            expires_at timestamptz NOT NULL
        )
        """,
        "CREATE INDEX ix_proof_uses_expires_at ON proof_uses (expires_at)",
    )


def _resolvers() -> None:
    columns = (column for _, column in _RESOLVED)
    resolver_reads("scanner_sessions", *columns, "token_hash", "ended_at")
    for signature, column in _RESOLVED:
        query = f"""
            SELECT {column} FROM public.scanner_sessions
            WHERE token_hash = private.token_hash() AND ended_at IS NULL
        """  # noqa: S608 - names of ours
        resolver_function(signature, "uuid", query, "zeraket_device")


def _member_policies() -> None:
    provisions = in_my_organizers("scanners.provision")
    tenant_policies("deployments", read=ANY_MEMBER, write="scanners.provision")
    for table in ("devices", "scanner_sessions"):
        policy(table, "zeraket_app", "SELECT", in_my_organizers(ANY_MEMBER))
        policy(table, "zeraket_app", "UPDATE", provisions)
    for command in ("SELECT", "INSERT"):
        policy("enrolment_codes", "zeraket_app", command, provisions)
    policy("changes", "zeraket_app", "SELECT", in_my_organizers("scans.view"))
    policy("changes", "zeraket_app", "INSERT", f"kind = 'rules' AND {provisions}")
    run(
        "REVOKE UPDATE ON devices, scanner_sessions FROM zeraket_app",
        "GRANT UPDATE (state) ON devices TO zeraket_app",
        "GRANT UPDATE (ended_at, end_reason) ON scanner_sessions TO zeraket_app",
    )


def _worker_policies() -> None:
    """Enrolment and the start of a session come before there is a session to speak for."""
    policy("enrolment_codes", "zeraket_worker", "SELECT", "true")
    policy("enrolment_codes", "zeraket_worker", "UPDATE", _TENANT_ROW)
    policy("devices", "zeraket_worker", "SELECT", "true")
    policy("devices", "zeraket_worker", "INSERT", "state IN ('awaiting_confirmation', 'enrolled')")
    policy("scanner_sessions", "zeraket_worker", "SELECT", "true")
    policy("scanner_sessions", "zeraket_worker", "INSERT", "ended_at IS NULL")
    policy("scanner_sessions", "zeraket_worker", "UPDATE", _TENANT_ROW)
    policy("proof_uses", "zeraket_worker", "SELECT", "true")
    policy("proof_uses", "zeraket_worker", "INSERT", "expires_at IS NOT NULL")
    policy("proof_uses", "zeraket_worker", "DELETE", "expires_at < now()")


def _device_policies() -> None:
    policy(
        "deployments",
        "zeraket_device",
        "SELECT",
        "id = (SELECT private.my_scanner_deployment_id())",
    )
    for command in ("SELECT", "UPDATE"):
        policy("devices", "zeraket_device", command, "id = (SELECT private.my_device_id())")
    policy(
        "scanner_sessions",
        "zeraket_device",
        "SELECT",
        "deployment_id = (SELECT private.my_scanner_deployment_id())",
    )
    policy(
        "scanner_sessions",
        "zeraket_device",
        "UPDATE",
        "id = (SELECT private.my_scanner_session_id())",
    )
    policy("tickets", "zeraket_device", "SELECT", _MY_EVENT)
    policy("changes", "zeraket_device", "SELECT", _MY_EVENT)
    policy(
        "changes",
        "zeraket_device",
        "INSERT",
        f"kind = 'passage' AND {_MY_EVENT}"
        " AND organizer_id = (SELECT private.my_scanner_organizer_id())",
    )
    run(
        "REVOKE UPDATE ON devices, scanner_sessions FROM zeraket_device",
        "GRANT UPDATE (state) ON devices TO zeraket_device",
        "GRANT UPDATE (last_seen_at, time_seq) ON scanner_sessions TO zeraket_device",
    )
