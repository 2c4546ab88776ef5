"""Refused refunds that were settled outside the providers: a refund of its own follows them, paid
from a till or from our bank, once, whoever writes it. And what a rail kept of a payout is shown
with it.
"""

from typing import Final

from sync_server.migrations.support import ledger_function, run

revision: Final = "0028"
down_revision: Final = "0027"
branch_labels: Final = None
depends_on: Final = None

_COLUMNS: Final = ("platform_fee", "tax_on_fees", "tax_on_tickets", "provider_fee")
_PAYOUT_KEYS: Final = (
    "payout_requested",
    "payout_confirmed",
    "payout_failed",
    "payout_returned",
)
_AT_PROVIDER: Final = "OLD.state IS DISTINCT FROM NEW.state"


def upgrade() -> None:
    run(
        """
        ALTER TABLE refunds ADD COLUMN paid_from text
            CONSTRAINT ck_refunds_paid_from CHECK (paid_from IN ('bank', 'box_office')),
        ADD CONSTRAINT ck_refunds_paid_outside CHECK (
            paid_from IS NULL
            OR (retry_of IS NOT NULL AND account_id IS NULL AND next_read_at IS NULL
                AND state IN ('requested', 'succeeded')))
        """,
    )
    _post_outside()
    run("DROP TRIGGER post_refund ON refunds")
    _post_on_new_state("post_refund", f"{_AT_PROVIDER} AND NEW.paid_from IS NULL")
    _post_on_new_state("post_refund_outside", f"{_AT_PROVIDER} AND NEW.paid_from IS NOT NULL")
    # Others call it by name: what it did stays beside it until this is taken back.
    run("ALTER FUNCTION private.left_of_payment(payments) RENAME TO left_of_payment_before_0028")
    _left_of_payment()
    _ledger_view(*_PAYOUT_KEYS, "payout_fee")


def downgrade() -> None:
    _ledger_view(*_PAYOUT_KEYS)
    run(
        "DROP FUNCTION private.left_of_payment(payments)",
        "ALTER FUNCTION private.left_of_payment_before_0028(payments) RENAME TO left_of_payment",
        "DROP TRIGGER post_refund_outside ON refunds",
        "DROP FUNCTION private.post_refund_outside()",
        "DROP TRIGGER post_refund ON refunds",
    )
    _post_on_new_state("post_refund", _AT_PROVIDER)
    run("ALTER TABLE refunds DROP COLUMN paid_from")


def _post_outside() -> None:
    """What the organizer's till laid out is theirs at once, as what a till takes is."""
    ledger_function(
        "post_refund_outside()",
        "trigger",
        """
        DECLARE
            payment public.payments;
            lines jsonb;
        BEGIN
            SELECT p.* INTO STRICT payment FROM public.payments AS p
            WHERE p.organizer_id = NEW.organizer_id AND p.id = NEW.payment_id;
            lines := private.ledger_line(
                'refund_in_transit:' || payment.provider, payment.currency, NEW.amount);
            IF NEW.paid_from = 'bank' THEN
                lines := lines
                    || private.ledger_line('bank:payouts', payment.currency, -NEW.amount);
            ELSE
                lines := lines
                    || private.ledger_line('box_office_cash', payment.currency, -NEW.amount)
                    || private.ledger_line('box_office_cash', payment.currency, NEW.amount)
                    || private.ledger_line('organizer_available', payment.currency, -NEW.amount);
            END IF;
            PERFORM private.post_for(NEW.organizer_id, 'refund_confirmed',
                'refund_confirmed:' || NEW.id, lines);
            RETURN NULL;
        END
        """,
    )


def _post_on_new_state(function: str, condition: str) -> None:
    run(
        f"CREATE TRIGGER {function} AFTER UPDATE OF state ON refunds FOR EACH ROW"
        f" WHEN ({condition}) EXECUTE FUNCTION private.{function}()",
        f"ALTER TABLE refunds ENABLE ALWAYS TRIGGER {function}",
    )


def _left_of_payment() -> None:
    """What was given back outside is with the provider still, and so it is what a bank can take;
    whose parts it was of have been given back all the same.
    """
    columns = {name: f"payment.{name} - coalesce(sum(r.{name}), 0)" for name in _COLUMNS}
    fees = " + ".join(columns.values())
    left = "payment.amount - coalesce(sum(r.amount) FILTER (WHERE r.paid_from IS NULL), 0)"
    columns |= {"amount": left, "fees": fees}
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


def _ledger_view(*kinds: str) -> None:
    keys = ", ".join(f"'{kind}:' || p.id" for kind in kinds)
    run(
        f"""
        CREATE OR REPLACE VIEW payout_ledger_entries WITH (security_invoker = true) AS
        SELECT p.organizer_id, p.id AS payout_id, t.id AS txn_id, t.kind, t.recorded_at,
               e.line_no, e.account, e.currency, e.amount
        FROM payouts AS p
        JOIN finance_txns AS t
            ON t.organizer_id = p.organizer_id AND t.idem_key = ANY (ARRAY[{keys}])
        JOIN finance_entries AS e ON e.organizer_id = t.organizer_id AND e.txn_id = t.id
        """  # noqa: S608 - names of ours
    )
