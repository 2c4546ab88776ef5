"""Money that came and did not fit is given back by hand: who looks at it says from where, and the
payment is over. Whoever writes it, it goes back once, and as much as was booked.
"""

from typing import Final

from sync_server.migrations.roles import LEDGER
from sync_server.migrations.support import append_only, ledger_function, policy, protect, run

revision: Final = "0031"
down_revision: Final = "0030"
branch_labels: Final = None
depends_on: Final = None

_STATES: Final = (
    "'created', 'unknown', 'pending', 'succeeded', 'mismatched', 'failed', 'expired',"
    " 'disputed', 'reversed'"
)


def upgrade() -> None:
    _table()
    _allow_states(f"{_STATES}, 'given_back'")
    run("CREATE INDEX ix_payments_mismatched ON payments (id) WHERE state = 'mismatched'")
    _replace_step("NEW.state <> 'given_back'")
    _require_return()
    _post_return()


def downgrade() -> None:
    run(
        "DROP TRIGGER post_return ON payments",
        "DROP FUNCTION private.post_return()",
        "DROP TRIGGER require_return ON payments",
        "DROP FUNCTION private.require_return()",
    )
    _replace_step("true")
    run("DROP INDEX ix_payments_mismatched")
    _allow_states(_STATES)
    run("DROP TABLE returned_receipts")


def _table() -> None:
    """`received_at` is when the money came; `reference` names what gave it back where it was paid
    from.
    """
    run(
        """
        CREATE TABLE returned_receipts (
            organizer_id uuid NOT NULL,
            payment_id uuid NOT NULL,
            paid_from text NOT NULL CONSTRAINT ck_returned_receipts_paid_from
                CHECK (paid_from IN ('bank', 'provider')),
            reference text NOT NULL CONSTRAINT ck_returned_receipts_reference
                CHECK (length(reference) <= 100),
            received_at timestamptz NOT NULL,
            returned_at timestamptz NOT NULL,
            repeat_hash bytea NOT NULL CONSTRAINT ck_returned_receipts_repeat_hash
                CHECK (octet_length(repeat_hash) = 32),
            request_hash bytea NOT NULL CONSTRAINT ck_returned_receipts_request_hash
                CHECK (octet_length(request_hash) = 32),
            CONSTRAINT pk_returned_receipts PRIMARY KEY (organizer_id, payment_id),
            CONSTRAINT fk_returned_receipts_organizer_id_payment_id
                FOREIGN KEY (organizer_id, payment_id) REFERENCES payments
        )
        """,
    )
    append_only("returned_receipts")
    protect("returned_receipts")
    policy("returned_receipts", "zeraket_worker", "SELECT", "true")
    policy("returned_receipts", "zeraket_worker", "INSERT", "paid_from IN ('bank', 'provider')")
    policy("returned_receipts", LEDGER, "SELECT", "true")


def _allow_states(states: str) -> None:
    run(
        "ALTER TABLE payments DROP CONSTRAINT ck_payments_state",
        f"ALTER TABLE payments ADD CONSTRAINT ck_payments_state CHECK (state IN ({states}))",
    )


def _replace_step(condition: str) -> None:
    """What becomes `given_back` has a condition of its own; from there nothing follows."""
    run(
        "DROP TRIGGER require_step ON payments",
        "CREATE TRIGGER require_step BEFORE UPDATE ON payments FOR EACH ROW"
        f" WHEN ({condition}) EXECUTE FUNCTION private.require_payment_step()",
        "ALTER TABLE payments ENABLE ALWAYS TRIGGER require_step",
    )


def _require_return() -> None:
    function = "private.require_return()"
    run(
        f"""
        CREATE FUNCTION {function} RETURNS trigger
        LANGUAGE plpgsql SET search_path = '' AS $function$
        BEGIN
            IF OLD.state <> 'mismatched' OR NOT EXISTS (
                SELECT FROM public.returned_receipts AS r
                WHERE r.organizer_id = NEW.organizer_id AND r.payment_id = NEW.id
            ) THEN
                RAISE EXCEPTION 'nobody gave payment % back', NEW.id
                    USING ERRCODE = 'check_violation', CONSTRAINT = 'ck_payments_step';
            END IF;
            RETURN NEW;
        END
        $function$
        """,
        f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC",
    )
    _on_return("BEFORE UPDATE", "require_return")


def _post_return() -> None:
    """What goes back is what was booked. Where nothing was, since nobody said how much came, only
    the provider can have given it back.
    """
    ledger_function(
        "post_return()",
        "trigger",
        """
        DECLARE
            given public.returned_receipts;
            source text := 'provider_clearing:' || NEW.provider;
            currency text;
            amount bigint;
        BEGIN
            SELECT r.* INTO STRICT given FROM public.returned_receipts AS r
            WHERE r.organizer_id = NEW.organizer_id AND r.payment_id = NEW.id;
            SELECT e.currency, -e.amount INTO currency, amount FROM public.finance_txns AS t
            JOIN public.finance_entries AS e
                ON e.organizer_id = t.organizer_id AND e.txn_id = t.id
            WHERE t.organizer_id = NEW.organizer_id AND e.account = 'unapplied_receipts'
              AND t.idem_key = 'unapplied_receipt:' || NEW.provider || ':' || NEW.reference;
            IF given.paid_from = 'bank' THEN
                source := 'bank:payouts';
                IF amount IS NULL THEN
                    RAISE EXCEPTION 'nothing of payment % is in the books', NEW.id
                        USING ERRCODE = 'check_violation', CONSTRAINT = 'ck_payments_step';
                END IF;
            END IF;
            IF amount IS NOT NULL THEN
                PERFORM private.post_for(NEW.organizer_id, 'receipt_returned',
                    'receipt_returned:' || NEW.id,
                    private.ledger_line('unapplied_receipts', currency, amount)
                    || private.ledger_line(source, currency, -amount));
            END IF;
            RETURN NULL;
        END
        """,
    )
    _on_return("AFTER UPDATE OF state", "post_return")


def _on_return(when: str, function: str) -> None:
    run(
        f"CREATE TRIGGER {function} {when} ON payments FOR EACH ROW"
        " WHEN (NEW.state = 'given_back' AND OLD.state IS DISTINCT FROM NEW.state)"
        f" EXECUTE FUNCTION private.{function}()",
        f"ALTER TABLE payments ENABLE ALWAYS TRIGGER {function}",
    )
