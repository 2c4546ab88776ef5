"""Jobs, their schedule, the relay's place in the outbox, and webhooks that came in.

The queue's tables are made by the library that reads them, in a schema of their own; who may do
what with them is said here.
"""

from typing import Final

from sync_server.kit.job_queue import QUEUE_SCHEMA, install_queue, tune_queue, uninstall_queue
from sync_server.migrations.roles import QUEUE
from sync_server.migrations.support import policy, protect, run

revision: Final = "0015"
down_revision: Final = "0014"
branch_labels: Final = None
depends_on: Final = None

_WORKER: Final = "zeraket_worker"
_JOBS: Final = f"{QUEUE_SCHEMA}.pgqueuer"
_LOG: Final = f"{QUEUE_SCHEMA}.pgqueuer_log"
_STATISTICS: Final = f"{QUEUE_SCHEMA}.pgqueuer_statistics"
_SCHEDULES: Final = f"{QUEUE_SCHEMA}.pgqueuer_schedules"
_STATUS: Final = f"{QUEUE_SCHEMA}.pgqueuer_status"
_NOTIFIER: Final = f"{QUEUE_SCHEMA}.fn_pgqueuer_changed()"


def upgrade() -> None:
    run(_at_once(install_queue()), _at_once(tune_queue()))
    _close_the_queue()
    _worker_enqueues_and_revives()
    _queue_works_off()
    _cron_ticks()
    _webhook_inbox()


def downgrade() -> None:
    run(
        "DROP TABLE webhook_inbox, cron_ticks",
        _at_once(uninstall_queue()),
        f"DROP SCHEMA {QUEUE_SCHEMA}",
    )


def _at_once(statements: str) -> str:
    """The driver takes one statement at a time, and a function's body forbids to cut at `;`."""
    return f"DO $outer$ BEGIN EXECUTE $inner$ {statements} $inner$; END $outer$"


def _close_the_queue() -> None:
    protect(_JOBS, _LOG, _STATISTICS, _SCHEDULES)
    run(
        f"GRANT USAGE ON SCHEMA {QUEUE_SCHEMA} TO {QUEUE}, {_WORKER}",
        f"REVOKE ALL ON FUNCTION {_NOTIFIER} FROM PUBLIC",
        f"ALTER FUNCTION {_NOTIFIER} SET search_path = ''",
        f"REVOKE ALL ON TYPE {_STATUS} FROM PUBLIC",
        # The dead are listed by it, and it serves the policies below.
        f"CREATE INDEX pgqueuer_status_idx ON {_JOBS} (status, id)",
    )


def _worker_enqueues_and_revives() -> None:
    """A dead job leaves by the worker's hand alone: it is tried again, or discarded."""
    policy(_JOBS, _WORKER, "SELECT", "true")
    policy(_JOBS, _WORKER, "INSERT", "status = 'queued' AND queue_manager_id IS NULL")
    policy(_JOBS, _WORKER, "DELETE", "status = 'failed'")
    policy(_LOG, _WORKER, "SELECT", "true")
    policy(_LOG, _WORKER, "INSERT", "status IN ('queued', 'deleted')")
    policy(_LOG, _WORKER, "DELETE", "created < now() - interval '1 day'")
    run(
        f"GRANT USAGE ON SEQUENCE {_JOBS}_id_seq TO {_WORKER}",
        f"GRANT UPDATE (status, attempts, updated, execute_after) ON {_JOBS} TO {_WORKER}",
        f"CREATE POLICY pgqueuer_worker_update ON {_JOBS} FOR UPDATE TO {_WORKER}"
        " USING (status = 'failed') WITH CHECK (status = 'queued')",
    )


def _queue_works_off() -> None:
    """The library can neither touch a dead job nor drop one that nobody has taken."""
    policy(_JOBS, QUEUE, "SELECT", "true")
    policy(_JOBS, QUEUE, "DELETE", "status = 'picked'")
    policy(_LOG, QUEUE, "SELECT", "true")
    policy(_LOG, QUEUE, "INSERT", "status <> 'deleted'")
    # It looks whether the table is there, and we keep no statistics.
    policy(_STATISTICS, QUEUE, "SELECT", "true")
    run(
        f"GRANT UPDATE ON {_JOBS} TO {QUEUE}",
        f"CREATE POLICY pgqueuer_jobs_update ON {_JOBS} FOR UPDATE TO {QUEUE}"
        " USING (status IN ('queued', 'picked'))"
        " WITH CHECK (status IN ('queued', 'picked', 'failed'))",
    )


def _cron_ticks() -> None:
    run(
        """
        CREATE TABLE cron_ticks (
            name text NOT NULL CONSTRAINT ck_cron_ticks_name CHECK (length(name) BETWEEN 1 AND 60),
            due_at timestamptz NOT NULL,
            source text NOT NULL
                CONSTRAINT ck_cron_ticks_source CHECK (source IN ('inside', 'outside')),
            ticked_at timestamptz NOT NULL DEFAULT now(),
            CONSTRAINT pk_cron_ticks PRIMARY KEY (name, due_at)
        )
        """,
        "CREATE INDEX ix_cron_ticks_ticked_at ON cron_ticks (ticked_at)",
    )
    protect("cron_ticks")
    policy("cron_ticks", _WORKER, "SELECT", "true")
    policy("cron_ticks", _WORKER, "INSERT", "due_at < now() + interval '1 day'")
    policy("cron_ticks", _WORKER, "DELETE", "ticked_at < now() - interval '1 day'")


def _webhook_inbox() -> None:
    run(
        """
        CREATE TABLE webhook_inbox (
            source text NOT NULL
                CONSTRAINT ck_webhook_inbox_source CHECK (length(source) BETWEEN 1 AND 40),
            event_id text NOT NULL
                CONSTRAINT ck_webhook_inbox_event_id CHECK (length(event_id) BETWEEN 1 AND 255),
            payload_sha256 bytea NOT NULL CONSTRAINT ck_webhook_inbox_payload_sha256
                CHECK (octet_length(payload_sha256) = 32),
            id uuid NOT NULL,
            received_at timestamptz NOT NULL,
            scheme text NOT NULL,
            body bytea NOT NULL,
            conflicting boolean NOT NULL,
            processed_at timestamptz,
            CONSTRAINT pk_webhook_inbox PRIMARY KEY (source, event_id, payload_sha256)
        )
        """,
        # The first that came under an id is the one; others are kept to be looked at.
        "CREATE UNIQUE INDEX ix_webhook_inbox_source_event_id ON webhook_inbox (source, event_id)"
        " WHERE NOT conflicting",
        "CREATE UNIQUE INDEX ix_webhook_inbox_id ON webhook_inbox (id)",
        "CREATE INDEX ix_webhook_inbox_received_at ON webhook_inbox (received_at)",
    )
    protect("webhook_inbox")
    policy("webhook_inbox", _WORKER, "SELECT", "true")
    policy("webhook_inbox", _WORKER, "INSERT", "processed_at IS NULL")
    policy("webhook_inbox", _WORKER, "DELETE", "received_at < now() - interval '30 days'")
    run(
        f"GRANT UPDATE (processed_at) ON webhook_inbox TO {_WORKER}",
        f"CREATE POLICY webhook_inbox_worker_update ON webhook_inbox FOR UPDATE TO {_WORKER}"
        " USING (NOT conflicting AND processed_at IS NULL) WITH CHECK (processed_at IS NOT NULL)",
    )
