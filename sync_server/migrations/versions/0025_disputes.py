"""What a bank takes back is what was not given back before; and a payment may be disputed again
after a dispute was won.
"""

from typing import Final

from sync_server.migrations.roles import LEDGER
from sync_server.migrations.support import ledger_function, policy, run

revision: Final = "0025"
down_revision: Final = "0024"
branch_labels: Final = None
depends_on: Final = None

_COLUMNS: Final = ("amount", "platform_fee", "tax_on_fees", "tax_on_tickets", "provider_fee")


def upgrade() -> None:
    policy("refunds", LEDGER, "SELECT", "true")
    _left()
    _openings()
    _post_dispute()
    # The trigger calls its function by name: what it did stays beside it until this is taken back.
    run("ALTER FUNCTION private.post_payment() RENAME TO post_payment_before_0024")
    _post_payment()
    _replace_trigger()


def downgrade() -> None:
    run(
        "DROP TRIGGER post_payment ON payments",
        "DROP FUNCTION private.post_payment()",
        "ALTER FUNCTION private.post_payment_before_0024() RENAME TO post_payment",
    )
    _make_trigger()
    run(
        "DROP FUNCTION private.post_dispute(payments, text, text)",
        "DROP FUNCTION private.count_openings(uuid, uuid)",
        "DROP FUNCTION private.left_of_payment(payments)",
        "DROP POLICY refunds_ledger_select ON refunds",
        "REVOKE SELECT ON refunds FROM zeraket_ledger",
    )


def _left() -> None:
    """Refunds that are under way are not counted: they fail, or their money goes as well."""
    columns = {name: f"payment.{name} - coalesce(sum(r.{name}), 0)" for name in _COLUMNS}
    columns["fees"] = " + ".join(columns[name] for name in _COLUMNS[1:])
    sums = ", ".join(f"'{name}', {column}" for name, column in columns.items())
    ledger_function(
        "left_of_payment(payment payments)",
        "jsonb",
        f"""
        BEGIN
            RETURN (
                SELECT pg_catalog.jsonb_build_object({sums}) FROM public.refunds AS r
                WHERE r.organizer_id = payment.organizer_id AND r.payment_id = payment.id
                  AND r.state = 'succeeded');
        END
        """,  # noqa: S608 - names of ours
    )


def _openings() -> None:
    ledger_function(
        "count_openings(organizer uuid, payment uuid)",
        "bigint",
        """
        BEGIN
            RETURN (
                SELECT count(*) FROM public.finance_txns AS t
                WHERE t.organizer_id = organizer
                  AND t.idem_key LIKE 'chargeback_opened:' || payment || '%');
        END
        """,
    )


def _post_dispute() -> None:
    """What is opened is what is left; what ends it is what was opened. The first keeps the key it
    always had. Should a refund arrive meanwhile, the organizer bears the difference.
    """
    ledger_function(
        "post_dispute(payment payments, was text, now_is text)",
        "void",
        """
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
                  AND t.idem_key = 'chargeback_opened:' || key;
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
        """,
    )


def _post_payment() -> None:
    ledger_function(
        "post_payment()",
        "trigger",
        """
        DECLARE
            clearing constant text := 'provider_clearing:' || NEW.provider;
            named constant text := NEW.provider || ':' || NEW.reference;
        BEGIN
            IF OLD.state IN ('succeeded', 'disputed') THEN
                PERFORM private.post_dispute(NEW, OLD.state, NEW.state);
            ELSIF NEW.state = 'succeeded' THEN
                PERFORM private.post_for(NEW.organizer_id, 'capture', 'capture:' || named,
                    private.ledger_line(clearing, NEW.currency, NEW.amount)
                    || private.ledger_line('organizer_pending:' || NEW.event_id, NEW.currency,
                           -NEW.organizer_share)
                    || private.share_lines(to_jsonb(NEW), NEW.currency, -1));
            ELSIF NEW.state = 'mismatched' AND NEW.received_amount > 0 THEN
                PERFORM private.post_for(NEW.organizer_id, 'unapplied_receipt',
                    'unapplied_receipt:' || named,
                    private.ledger_line(clearing, NEW.received_currency, NEW.received_amount)
                    || private.ledger_line('unapplied_receipts', NEW.received_currency,
                           -NEW.received_amount));
            END IF;
            RETURN NULL;
        END
        """,
    )


def _replace_trigger() -> None:
    run("DROP TRIGGER post_payment ON payments")
    _make_trigger()


def _make_trigger() -> None:
    run(
        "CREATE TRIGGER post_payment AFTER UPDATE OF state ON payments FOR EACH ROW"
        " WHEN (OLD.state IS DISTINCT FROM NEW.state) EXECUTE FUNCTION private.post_payment()",
        "ALTER TABLE payments ENABLE ALWAYS TRIGGER post_payment",
    )
