"""What is pending is released by whoever holds the lock that refunds and disputes take."""

from typing import Final

from sync_server.migrations.support import ledger_function, run

revision: Final = "0031"
down_revision: Final = "0029"
branch_labels: Final = None
depends_on: Final = None


def upgrade() -> None:
    _lock()


def downgrade() -> None:
    run("DROP FUNCTION private.lock_available(uuid, text)")


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
