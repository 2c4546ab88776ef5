"""Refunds that were refused are asked for again, once each, and go to accounts that buyers name; an
order begins held and unpaid, whoever writes it.
"""

from typing import Final

from sync_server.migrations.support import append_only, policy, protect, run

revision: Final = "0027"
down_revision: Final = "0026"
branch_labels: Final = None
depends_on: Final = None


def upgrade() -> None:
    _accounts()
    _refunds()
    _require_failed()
    run(
        "ALTER POLICY orders_worker_insert ON orders"
        " WITH CHECK (state = 'held' AND payment_id IS NULL AND amount >= 0)"
    )


def downgrade() -> None:
    run(
        "ALTER POLICY orders_worker_insert ON orders WITH CHECK (amount >= 0)",
        "DROP TRIGGER require_failed ON refunds",
        "DROP FUNCTION private.require_failed_refund()",
        "DROP INDEX ix_refunds_failed, ix_refunds_reference",
        "ALTER TABLE refunds DROP COLUMN lines, DROP COLUMN retry_of, DROP COLUMN account_id",
        "DROP TABLE refund_accounts",
    )


def _accounts() -> None:
    """Each order's are numbered, and the newest counts; the server's own. Without `named_by` the
    order's owner named it.
    """
    run(
        """
        CREATE TABLE refund_accounts (
            organizer_id uuid NOT NULL,
            id uuid NOT NULL,
            order_id uuid NOT NULL,
            number bigint NOT NULL
                CONSTRAINT ck_refund_accounts_number CHECK (number BETWEEN 1 AND 5),
            account_ending text NOT NULL CONSTRAINT ck_refund_accounts_account_ending
                CHECK (length(account_ending) <= 4),
            sealed_account bytea NOT NULL,
            named_by uuid,
            named_at timestamptz NOT NULL,
            CONSTRAINT pk_refund_accounts PRIMARY KEY (organizer_id, id),
            CONSTRAINT uq_refund_accounts_organizer_id_order_id_number
                UNIQUE (organizer_id, order_id, number),
            CONSTRAINT fk_refund_accounts_organizer_id_order_id
                FOREIGN KEY (organizer_id, order_id) REFERENCES orders
        )
        """,
    )
    append_only("refund_accounts")
    protect("refund_accounts")
    policy("refund_accounts", "zeraket_worker", "SELECT", "true")
    policy("refund_accounts", "zeraket_worker", "INSERT", "number > 0")


def _refunds() -> None:
    """`lines` of what was asked for before are not known: whoever gives back those tickets asks
    anew. What was asked for is never changed, so the worker may write none of these afterwards.
    """
    run(
        "ALTER TABLE refunds ADD COLUMN lines bigint[] NOT NULL DEFAULT '{}'",
        "ALTER TABLE refunds ADD COLUMN retry_of uuid",
        "ALTER TABLE refunds ADD COLUMN account_id uuid",
        "ALTER TABLE refunds ADD CONSTRAINT uq_refunds_organizer_id_retry_of"
        " UNIQUE (organizer_id, retry_of)",
        "ALTER TABLE refunds ADD CONSTRAINT fk_refunds_organizer_id_retry_of"
        " FOREIGN KEY (organizer_id, retry_of) REFERENCES refunds",
        "ALTER TABLE refunds ADD CONSTRAINT fk_refunds_organizer_id_account_id"
        " FOREIGN KEY (organizer_id, account_id) REFERENCES refund_accounts",
        "CREATE INDEX ix_refunds_organizer_id_account_id ON refunds (organizer_id, account_id)"
        " WHERE account_id IS NOT NULL",
        "CREATE INDEX ix_refunds_failed ON refunds (id) WHERE state = 'failed'",
        "CREATE UNIQUE INDEX ix_refunds_reference ON refunds (reference)",
    )


def _require_failed() -> None:
    """Money that may still arrive is not sent once more, whoever writes it."""
    function = "private.require_failed_refund()"
    run(
        f"""
        CREATE FUNCTION {function} RETURNS trigger
        LANGUAGE plpgsql SET search_path = '' AS $function$
        BEGIN
            IF NOT EXISTS (
                SELECT FROM public.refunds AS r
                WHERE r.organizer_id = NEW.organizer_id AND r.id = NEW.retry_of
                  AND r.payment_id = NEW.payment_id AND r.amount = NEW.amount
                  AND r.lines = NEW.lines AND r.state = 'failed'
            ) THEN
                RAISE EXCEPTION 'refund % did not fail', NEW.retry_of
                    USING ERRCODE = 'check_violation', CONSTRAINT = 'ck_refunds_retry_of';
            END IF;
            RETURN NEW;
        END
        $function$
        """,
        f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC",
        "CREATE TRIGGER require_failed BEFORE INSERT ON refunds FOR EACH ROW"
        f" WHEN (NEW.retry_of IS NOT NULL) EXECUTE FUNCTION {function}",
        "ALTER TABLE refunds ENABLE ALWAYS TRIGGER require_failed",
    )
