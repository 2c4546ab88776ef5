"""A dispute of a payment of which nothing was left opens nothing, and its end ends nothing: not
the dispute before it, which was won.
"""

from typing import Final

from sync_server.migrations.support import ledger_function, run

revision: Final = "0034"
down_revision: Final = "0033"
branch_labels: Final = None
depends_on: Final = None

_POSTING: Final = """
    DECLARE
        clearing constant text := 'provider_clearing:' || payment.provider;
        suspense constant text := 'dispute_suspense:' || payment.provider;
        remaining constant jsonb := private.left_of_payment(payment);
        opening bigint := private.count_openings(payment.organizer_id, payment.id);
        key text;
        taken bigint := (remaining->>'amount')::bigint;
    BEGIN
        opening := opening + (was = 'succeeded')::int;
        key := payment.id || CASE WHEN opening > 1 THEN ':' || opening ELSE '' END;
        IF was = 'succeeded' AND taken > 0 THEN
            PERFORM private.post_for(payment.organizer_id, 'chargeback_opened',
                'chargeback_opened:' || key,
                private.ledger_line(suspense, payment.currency, taken)
                || private.ledger_line(clearing, payment.currency, -taken));
        ELSIF was = 'disputed' THEN
            SELECT sum(e.amount) INTO taken FROM public.finance_txns AS t
            JOIN public.finance_entries AS e
                ON e.organizer_id = t.organizer_id AND e.txn_id = t.id
            WHERE t.organizer_id = payment.organizer_id AND e.account = suspense
              AND t.idem_key = 'chargeback_opened:' || key
              AND NOT EXISTS (
                  SELECT FROM public.finance_txns AS w
                  WHERE w.organizer_id = payment.organizer_id
                    AND w.idem_key = 'chargeback_won:' || key);
        END IF;
        IF coalesce(taken, 0) <= 0 THEN
            RETURN;
        ELSIF now_is = 'succeeded' THEN
            PERFORM private.post_for(payment.organizer_id, 'chargeback_won',
                'chargeback_won:' || key,
                private.ledger_line(clearing, payment.currency, taken)
                || private.ledger_line(suspense, payment.currency, -taken));
        ELSIF now_is = 'reversed' THEN
            PERFORM private.post_for(payment.organizer_id, 'chargeback_lost',
                'chargeback_lost:' || payment.id,
                private.organizer_lines(payment.organizer_id, payment.event_id,
                    payment.currency, taken - (remaining->>'fees')::bigint)
                || private.share_lines(remaining, payment.currency, 1)
                || private.ledger_line(suspense, payment.currency, -taken));
        END IF;
    END
"""
"""What is opened is what is left; what ends it is what was opened, and has not ended."""


def upgrade() -> None:
    # Others call it by name: what it did stays beside it until this is taken back.
    run(
        "ALTER FUNCTION private.post_dispute(payments, text, text)"
        " RENAME TO post_dispute_before_0034"
    )
    ledger_function(
        "post_dispute(payment payments, was text, now_is text)",
        "void",
        _POSTING,
    )


def downgrade() -> None:
    run(
        "DROP FUNCTION private.post_dispute(payments, text, text)",
        "ALTER FUNCTION private.post_dispute_before_0034(payments, text, text)"
        " RENAME TO post_dispute",
    )
