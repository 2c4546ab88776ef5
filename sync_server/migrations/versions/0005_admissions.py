"""Scans as facts, entries nobody can read, each device's chain, and what the fold makes of them
all.
"""

from typing import Final

from sync_server.migrations.support import in_my_organizers, policy, protect, run

revision: Final = "0005"
down_revision: Final = "0004"
branch_labels: Final = None
depends_on: Final = None

_MY_EVENT: Final = "event_id = (SELECT private.my_scanner_event_id())"
_MY_DEVICE: Final = "device_id = (SELECT private.my_device_id())"
_MY_TENANT: Final = "organizer_id = (SELECT private.my_scanner_organizer_id())"


def upgrade() -> None:
    _scan_table()
    _quarantine_table()
    _chain_table()
    _admission_table()
    _conflict_table()
    _policies()


def downgrade() -> None:
    run("DROP TABLE conflicts, ticket_admissions, device_chains, quarantined_entries, scans")


def _scan_table() -> None:
    run(
        """
        CREATE TABLE scans (
            organizer_id uuid NOT NULL,
            event_id uuid NOT NULL,
            device_id uuid NOT NULL,
            seq bigint NOT NULL CONSTRAINT ck_scans_seq CHECK (seq > 0),
            deployment_id uuid NOT NULL,
            scan_id uuid NOT NULL,
            entry_hash bytea NOT NULL,
            prev_hash bytea NOT NULL,
            entry bytea NOT NULL,
            gate_id uuid NOT NULL,
            direction text NOT NULL
                CONSTRAINT ck_scans_direction CHECK (direction IN ('entry', 'exit')),
            ticket_id bigint,
            verdict text NOT NULL,
            admitted boolean NOT NULL,
            gate_time_ms bigint NOT NULL,
            earliest_ms bigint NOT NULL,
            latest_ms bigint NOT NULL,
            received_at timestamptz NOT NULL,
            CONSTRAINT pk_scans PRIMARY KEY (organizer_id, event_id, device_id, seq),
            CONSTRAINT fk_scans_organizer_id_event_id
                FOREIGN KEY (organizer_id, event_id) REFERENCES events
        )
        """,
        "CREATE INDEX ix_scans_event_id_ticket_id ON scans (event_id, ticket_id) WHERE admitted",
        "CREATE INDEX ix_scans_deployment ON scans"
        " (organizer_id, event_id, deployment_id, scan_id)",
    )


def _quarantine_table() -> None:
    run(
        """
        CREATE TABLE quarantined_entries (
            organizer_id uuid NOT NULL,
            event_id uuid NOT NULL,
            device_id uuid NOT NULL,
            seq bigint NOT NULL CONSTRAINT ck_quarantined_entries_seq CHECK (seq > 0),
            entry_hash bytea NOT NULL,
            entry bytea NOT NULL,
            finding text NOT NULL,
            received_at timestamptz NOT NULL,
            CONSTRAINT pk_quarantined_entries
                PRIMARY KEY (organizer_id, event_id, device_id, seq, entry_hash),
            CONSTRAINT fk_quarantined_entries_organizer_id_event_id
                FOREIGN KEY (organizer_id, event_id) REFERENCES events
        )
        """,
        "CREATE INDEX ix_quarantined_entries_device_id ON quarantined_entries (device_id)",
    )


def _chain_table() -> None:
    run(
        """
        CREATE TABLE device_chains (
            organizer_id uuid NOT NULL,
            event_id uuid NOT NULL,
            device_id uuid NOT NULL,
            contiguous_seq bigint NOT NULL,
            head_hash bytea NOT NULL,
            CONSTRAINT pk_device_chains PRIMARY KEY (organizer_id, event_id, device_id),
            CONSTRAINT fk_device_chains_organizer_id_event_id
                FOREIGN KEY (organizer_id, event_id) REFERENCES events
        )
        """,
        "CREATE INDEX ix_device_chains_device_id ON device_chains (device_id)",
    )


def _admission_table() -> None:
    run(
        """
        CREATE TABLE ticket_admissions (
            organizer_id uuid NOT NULL,
            event_id uuid NOT NULL,
            ticket_id bigint NOT NULL,
            inside boolean NOT NULL,
            entries bigint NOT NULL,
            last_at_ms bigint,
            updated_at timestamptz NOT NULL,
            CONSTRAINT pk_ticket_admissions PRIMARY KEY (organizer_id, event_id, ticket_id),
            CONSTRAINT fk_ticket_admissions_organizer_id_event_id
                FOREIGN KEY (organizer_id, event_id) REFERENCES events
        )
        """,
        "CREATE INDEX ix_ticket_admissions_event_id ON ticket_admissions (event_id)",
    )


def _conflict_table() -> None:
    run(
        """
        CREATE TABLE conflicts (
            organizer_id uuid NOT NULL,
            event_id uuid NOT NULL,
            id uuid NOT NULL,
            kind text NOT NULL,
            subject text NOT NULL,
            scan_ids uuid[] NOT NULL,
            concurrent boolean NOT NULL,
            found_at timestamptz NOT NULL,
            changed_at timestamptz NOT NULL,
            withdrawn_at timestamptz,
            resolved_at timestamptz,
            resolved_by uuid,
            resolution text,
            CONSTRAINT pk_conflicts PRIMARY KEY (organizer_id, event_id, id),
            CONSTRAINT uq_conflicts_organizer_id_event_id_kind_subject
                UNIQUE (organizer_id, event_id, kind, subject),
            CONSTRAINT fk_conflicts_organizer_id_event_id
                FOREIGN KEY (organizer_id, event_id) REFERENCES events
        )
        """,
        "CREATE INDEX ix_conflicts_event_id ON conflicts (event_id)",
    )


def _policies() -> None:
    tables = ("scans", "quarantined_entries", "device_chains", "ticket_admissions", "conflicts")
    protect(*tables)
    for table in ("scans", "quarantined_entries", "ticket_admissions", "conflicts"):
        policy(table, "zeraket_app", "SELECT", in_my_organizers("scans.view"))
    for table in tables:
        policy(table, "zeraket_worker", "SELECT", "true")
    policy("conflicts", "zeraket_app", "UPDATE", in_my_organizers("scans.override"))
    run(
        "REVOKE UPDATE ON conflicts FROM zeraket_app",
        "GRANT UPDATE (resolved_at, resolved_by, resolution) ON conflicts TO zeraket_app",
    )
    for table in ("scans", "ticket_admissions", "conflicts"):
        policy(table, "zeraket_device", "SELECT", _MY_EVENT)
    for table in ("ticket_admissions", "conflicts"):
        policy(table, "zeraket_device", "INSERT", f"{_MY_EVENT} AND {_MY_TENANT}")
        policy(table, "zeraket_device", "UPDATE", _MY_EVENT)
    policy("scans", "zeraket_device", "INSERT", f"{_MY_EVENT} AND {_MY_TENANT} AND {_MY_DEVICE}")
    for table in ("quarantined_entries", "device_chains"):
        policy(table, "zeraket_device", "SELECT", _MY_DEVICE)
        policy(table, "zeraket_device", "INSERT", f"{_MY_EVENT} AND {_MY_TENANT} AND {_MY_DEVICE}")
    policy("device_chains", "zeraket_device", "UPDATE", _MY_DEVICE)
