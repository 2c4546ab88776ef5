"""Snapshots: what was built for which deployment, with the file's key sealed at rest."""

from typing import Final

from sync_server.migrations.support import (
    ANY_MEMBER,
    in_my_organizers,
    policy,
    protect,
    run,
)

revision: Final = "0004"
down_revision: Final = "0003"
branch_labels: Final = None
depends_on: Final = None


def upgrade() -> None:
    run(
        """
        CREATE TABLE snapshots (
            organizer_id uuid NOT NULL,
            event_id uuid NOT NULL,
            deployment_id uuid NOT NULL,
            version bigint NOT NULL CONSTRAINT ck_snapshots_version CHECK (version > 0),
            id uuid NOT NULL,
            sha256 text NOT NULL CONSTRAINT ck_snapshots_sha256 CHECK (sha256 ~ '^[0-9a-f]{64}$'),
            size_bytes bigint NOT NULL,
            ticket_count bigint NOT NULL,
            cursor_xid bigint NOT NULL,
            cursor_id bigint NOT NULL,
            frozen_at timestamptz NOT NULL,
            content_digest bytea NOT NULL,
            sealed_file_key bytea NOT NULL,
            manifest bytea NOT NULL,
            signature bytea NOT NULL,
            CONSTRAINT pk_snapshots PRIMARY KEY (organizer_id, event_id, deployment_id, version),
            CONSTRAINT fk_snapshots_organizer_id_event_id_deployment_id
                FOREIGN KEY (organizer_id, event_id, deployment_id) REFERENCES deployments
        )
        """,
        "CREATE INDEX ix_snapshots_deployment_id_version ON snapshots (deployment_id, version)",
    )
    protect("snapshots")
    policy("snapshots", "zeraket_app", "SELECT", in_my_organizers(ANY_MEMBER))
    policy("snapshots", "zeraket_worker", "SELECT", "true")
    policy("snapshots", "zeraket_worker", "INSERT", "version > 0")
    policy(
        "snapshots",
        "zeraket_device",
        "SELECT",
        "deployment_id = (SELECT private.my_scanner_deployment_id())",
    )


def downgrade() -> None:
    run("DROP TABLE snapshots")
