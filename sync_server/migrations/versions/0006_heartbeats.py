"""How each device said it is, last time it was heard from."""

from typing import Final

from sync_server.migrations.support import ANY_MEMBER, in_my_organizers, policy, protect, run

revision: Final = "0006"
down_revision: Final = "0005"
branch_labels: Final = None
depends_on: Final = None

_MY_DEVICE: Final = "device_id = (SELECT private.my_device_id())"


def upgrade() -> None:
    run(
        """
        CREATE TABLE device_heartbeats (
            organizer_id uuid NOT NULL,
            event_id uuid NOT NULL,
            deployment_id uuid NOT NULL,
            device_id uuid NOT NULL,
            heard_at timestamptz NOT NULL,
            state jsonb NOT NULL,
            CONSTRAINT pk_device_heartbeats
                PRIMARY KEY (organizer_id, event_id, deployment_id, device_id),
            CONSTRAINT fk_device_heartbeats_device_id
                FOREIGN KEY (organizer_id, event_id, deployment_id, device_id) REFERENCES devices
        )
        """,
        "CREATE INDEX ix_device_heartbeats_device_id ON device_heartbeats (device_id)",
    )
    protect("device_heartbeats")
    policy("device_heartbeats", "zeraket_app", "SELECT", in_my_organizers(ANY_MEMBER))
    policy("device_heartbeats", "zeraket_worker", "SELECT", "true")
    for command in ("SELECT", "UPDATE"):
        policy("device_heartbeats", "zeraket_device", command, _MY_DEVICE)
    policy(
        "device_heartbeats",
        "zeraket_device",
        "INSERT",
        f"{_MY_DEVICE} AND organizer_id = (SELECT private.my_scanner_organizer_id())"
        " AND deployment_id = (SELECT private.my_scanner_deployment_id())",
    )


def downgrade() -> None:
    run("DROP TABLE device_heartbeats")
