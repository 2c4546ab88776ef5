"""Devices that were stopped and may come back, gates with zones of their own, and what the fold
asks of an event's deployments.
"""

from typing import Final

from sync_server.migrations.support import policy, resolver_function, resolver_reads, run

revision: Final = "0007"
down_revision: Final = "0006"
branch_labels: Final = None
depends_on: Final = None

_STATES: Final = ("awaiting_confirmation", "enrolled", "refused", "revoked", "quarantined")
_FOLD_RULES: Final = "my_event_fold_rules()"


def upgrade() -> None:
    _restate(*_STATES, "stopped")
    run("CREATE UNIQUE INDEX ix_devices_signing_key ON devices (deployment_id, signing_key)")
    policy("devices", "zeraket_worker", "UPDATE", "organizer_id IS NOT NULL")
    run(
        "REVOKE UPDATE ON devices FROM zeraket_worker",
        "GRANT UPDATE (gate_id, name, state, sealing_key, digits, software_version) ON devices"
        " TO zeraket_worker",
        "ALTER TABLE gates ADD COLUMN zones integer NOT NULL DEFAULT 65535"
        " CONSTRAINT ck_gates_zones CHECK (zones BETWEEN 1 AND 65535)",
        "ALTER TABLE gates ALTER COLUMN zones DROP DEFAULT",
        "ALTER TABLE deployments ADD COLUMN travel_seconds bigint NOT NULL DEFAULT 0"
        " CONSTRAINT ck_deployments_travel_seconds CHECK (travel_seconds >= 0)",
        "ALTER TABLE deployments ALTER COLUMN travel_seconds DROP DEFAULT",
        "CREATE INDEX ix_deployments_event_id ON deployments (event_id)",
    )
    # A device reads no deployment but its own; of the others it learns what its scans are judged
    # by, and only as rules.
    resolver_reads("deployments", "event_id", "rules", "travel_seconds")
    query = """
        SELECT jsonb_agg(jsonb_build_object('rules', rules, 'travel_seconds', travel_seconds))
        FROM public.deployments WHERE event_id = private.my_scanner_event_id()
    """
    resolver_function(_FOLD_RULES, "jsonb", query, "zeraket_device")


def downgrade() -> None:
    run(
        f"DROP FUNCTION private.{_FOLD_RULES}",
        "DROP POLICY deployments_resolver_select ON deployments",
        "REVOKE ALL ON deployments FROM zeraket_resolver",
        "DROP INDEX ix_deployments_event_id",
        "ALTER TABLE deployments DROP COLUMN travel_seconds",
        "ALTER TABLE gates DROP COLUMN zones",
        "DROP POLICY devices_worker_update ON devices",
        "REVOKE UPDATE (gate_id, name, state, sealing_key, digits, software_version) ON devices"
        " FROM zeraket_worker",
        "DROP INDEX ix_devices_signing_key",
    )
    _restate(*_STATES)


def _restate(*states: str) -> None:
    listed = ", ".join(f"'{state}'" for state in states)
    run(
        "ALTER TABLE devices DROP CONSTRAINT ck_devices_state",
        f"ALTER TABLE devices ADD CONSTRAINT ck_devices_state CHECK (state IN ({listed}))",
    )
