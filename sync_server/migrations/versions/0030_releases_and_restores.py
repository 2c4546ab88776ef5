"""What is pending is released by whoever holds the lock that refunds and disputes take. A
checkpoint counts in the books it was made of, and not in others that were restored from them.
"""

from typing import Final

from sync_server.migrations.support import (
    in_my_organizers,
    ledger_function,
    resolver_function,
    run,
)

revision: Final = "0030"
down_revision: Final = "0029"
branch_labels: Final = None
depends_on: Final = None

_KEY: Final = "organizer_id, account, currency"
_MADE_HERE: Final = (
    "numbering = (SELECT private.ledger_numbering())"
    " AND below_xid <= pg_snapshot_xmax(pg_current_snapshot())::text::bigint"
)
_MINE: Final = in_my_organizers("finance.view")
_POLICIES: Final = (
    ("app_select", "USING", f"{_MINE} AND {_MADE_HERE}", _MINE),
    ("worker_select", "USING", _MADE_HERE, "true"),
    ("worker_insert", "WITH CHECK", f"entries > 0 AND {_MADE_HERE}", "entries > 0"),
)


def upgrade() -> None:
    _lock()
    _numbering()


def downgrade() -> None:
    for name, clause, _, before in _POLICIES:
        run(f"ALTER POLICY finance_checkpoints_{name} ON finance_checkpoints {clause} ({before})")
    # Those of other books would be taken for ours: they are made again.
    run(
        "TRUNCATE finance_checkpoints",
        "ALTER TABLE finance_checkpoints DROP COLUMN numbering",
        "ALTER TABLE finance_checkpoints ADD CONSTRAINT pk_finance_checkpoints"
        f" PRIMARY KEY ({_KEY}, below_xid)",
        "DROP FUNCTION private.ledger_numbering()",
        "DROP FUNCTION private.lock_available(uuid, text)",
    )


def _lock() -> None:
    """The row that `organizer_lines` locks before it counts what is pending, so that nobody counts
    the same money. What is read before this may be gone: read it in a statement after.
    """
    ledger_function(
        "lock_available(organizer uuid, currency text)",
        "void",
        """
        BEGIN
            INSERT INTO public.finance_guarded_balances AS held
            VALUES (organizer, 'organizer_available', lock_available.currency, 0)
            ON CONFLICT DO NOTHING;
            PERFORM held.balance FROM public.finance_guarded_balances AS held
            WHERE held.organizer_id = organizer AND held.account = 'organizer_available'
              AND held.currency = lock_available.currency
            FOR UPDATE;
        END
        """,
    )
    run("GRANT EXECUTE ON FUNCTION private.lock_available(uuid, text) TO zeraket_worker")


def _numbering() -> None:
    """Transaction numbers begin again in another cluster, so that "all below" is true of a
    checkpoint only where it was made: in that cluster, and of that table. Restoring a dump makes
    the table anew, also where the cluster is the same. What a checkpoint says of others is seen by
    nobody, and neither is one from the future, as of a copied cluster that counted further.

    Where those that are there were made, nobody knows: they are sums, and are made again.
    """
    resolver_function(
        "ledger_numbering()",
        "text",
        """
        SELECT system_identifier || ':' || 'public.finance_entries'::regclass::oid
        FROM pg_catalog.pg_control_system()
        """,
        "zeraket_app",
        "zeraket_worker",
    )
    run(
        "TRUNCATE finance_checkpoints",
        "ALTER TABLE finance_checkpoints ADD COLUMN numbering text NOT NULL",
        "ALTER TABLE finance_checkpoints DROP CONSTRAINT pk_finance_checkpoints",
        "ALTER TABLE finance_checkpoints ADD CONSTRAINT pk_finance_checkpoints"
        f" PRIMARY KEY ({_KEY}, numbering, below_xid)",
    )
    for name, clause, now, _ in _POLICIES:
        run(f"ALTER POLICY finance_checkpoints_{name} ON finance_checkpoints {clause} ({now})")
