"""Payments, refunds and disputes. Triggers post to the ledger what follows from them, so that no
code path can forget it or do it twice.
"""

from typing import Final

from sync_server.migrations.roles import LEDGER, OWNER
from sync_server.migrations.support import in_my_organizers, policy, protect, run

revision: Final = "0019"
down_revision: Final = "0018"
branch_labels: Final = None
depends_on: Final = None

_TABLES: Final = ("payment_readings", "refunds", "payments")
_PROVIDERS: Final = "('airtel', 'bank', 'flutterwave', 'mtn', 'pesapal')"
_STATES: Final = (
    "('created', 'unknown', 'pending', 'succeeded', 'mismatched', 'failed', 'expired',"
    " 'disputed', 'reversed')"
)
_REFUND_STATES: Final = "('requested', 'unknown', 'pending', 'succeeded', 'failed')"
_SHARES: Final = (
    "organizer_share",
    "platform_fee",
    "tax_on_fees",
    "tax_on_tickets",
    "provider_fee",
)


def upgrade() -> None:
    _payment_table()
    _refund_table()
    _reading_table()
    protect(*_TABLES)
    _line_helpers()
    _organizer_lines()
    _poster()
    _payment_postings()
    _refund_postings()
    _policies()


def downgrade() -> None:
    run(
        f"DROP TABLE {', '.join(_TABLES)} CASCADE",
        "DROP FUNCTION private.post_payment()",
        "DROP FUNCTION private.post_refund()",
        "DROP FUNCTION private.post_for(uuid, text, text, jsonb)",
        "DROP FUNCTION private.ledger_line(text, text, bigint)",
        "DROP FUNCTION private.organizer_lines(uuid, uuid, text, bigint)",
        "DROP FUNCTION private.share_lines(jsonb, text, bigint)",
    )


def _shares(table: str) -> str:
    columns = ", ".join(f"{name} bigint NOT NULL" for name in _SHARES)
    fees = " AND ".join(f"{name} >= 0" for name in _SHARES[1:])
    return (
        f"{columns}, CONSTRAINT ck_{table}_fees CHECK ({fees}),"
        f" CONSTRAINT ck_{table}_shares CHECK (amount = {' + '.join(_SHARES)})"
    )


def _payment_table() -> None:
    """`reference` is ours; a row is there before the provider hears of it."""
    run(
        f"""
        CREATE TABLE payments (
            organizer_id uuid NOT NULL
                CONSTRAINT fk_payments_organizer_id REFERENCES organizers,
            id uuid NOT NULL,
            event_id uuid NOT NULL,
            order_id uuid NOT NULL,
            provider text NOT NULL
                CONSTRAINT ck_payments_provider CHECK (provider IN {_PROVIDERS}),
            state text NOT NULL CONSTRAINT ck_payments_state CHECK (state IN {_STATES}),
            reference uuid NOT NULL,
            provider_reference text,
            redirect_url text,
            currency text NOT NULL
                CONSTRAINT ck_payments_currency CHECK (currency ~ '^[A-Z]{{3}}$'),
            amount bigint NOT NULL CONSTRAINT ck_payments_amount CHECK (amount > 0),
            {_shares("payments")},
            received_amount bigint,
            received_currency text,
            refunded_amount bigint NOT NULL DEFAULT 0 CONSTRAINT ck_payments_refunded_amount
                CHECK (refunded_amount BETWEEN 0 AND amount),
            sealed_request bytea NOT NULL,
            attempts bigint NOT NULL DEFAULT 0,
            reason text CONSTRAINT ck_payments_reason CHECK (length(reason) <= 200),
            created_at timestamptz NOT NULL,
            expires_at timestamptz NOT NULL,
            state_changed_at timestamptz NOT NULL,
            next_read_at timestamptz,
            CONSTRAINT pk_payments PRIMARY KEY (organizer_id, id),
            CONSTRAINT uq_payments_organizer_id_reference UNIQUE (organizer_id, reference),
            CONSTRAINT fk_payments_organizer_id_event_id
                FOREIGN KEY (organizer_id, event_id) REFERENCES events
        )
        """,
        "CREATE UNIQUE INDEX ix_payments_reference ON payments (reference)",
        "CREATE INDEX ix_payments_provider_reference ON payments (provider, provider_reference)",
        "CREATE INDEX ix_payments_organizer_id_order_id ON payments (organizer_id, order_id)",
        "CREATE INDEX ix_payments_organizer_id_event_id ON payments (organizer_id, event_id)",
        "CREATE INDEX ix_payments_next_read_at ON payments (next_read_at)"
        " WHERE next_read_at IS NOT NULL",
    )


def _refund_table() -> None:
    run(
        f"""
        CREATE TABLE refunds (
            organizer_id uuid NOT NULL,
            id uuid NOT NULL,
            payment_id uuid NOT NULL,
            state text NOT NULL CONSTRAINT ck_refunds_state CHECK (state IN {_REFUND_STATES}),
            reference uuid NOT NULL,
            provider_reference text,
            amount bigint NOT NULL CONSTRAINT ck_refunds_amount CHECK (amount > 0),
            {_shares("refunds")},
            reason text NOT NULL CONSTRAINT ck_refunds_reason
                CHECK (length(reason) BETWEEN 1 AND 200),
            refusal text CONSTRAINT ck_refunds_refusal CHECK (length(refusal) <= 200),
            requested_by uuid,
            requested_at timestamptz NOT NULL,
            state_changed_at timestamptz NOT NULL,
            next_read_at timestamptz,
            attempts bigint NOT NULL DEFAULT 0,
            CONSTRAINT pk_refunds PRIMARY KEY (organizer_id, id),
            CONSTRAINT uq_refunds_organizer_id_reference UNIQUE (organizer_id, reference),
            CONSTRAINT fk_refunds_organizer_id_payment_id
                FOREIGN KEY (organizer_id, payment_id) REFERENCES payments
        )
        """,
        "CREATE INDEX ix_refunds_organizer_id_payment_id ON refunds (organizer_id, payment_id)",
        "CREATE INDEX ix_refunds_next_read_at ON refunds (next_read_at)"
        " WHERE next_read_at IS NOT NULL",
    )


def _reading_table() -> None:
    """What providers said, and when: kept as it was, for disputes and reconciliation."""
    run(
        """
        CREATE TABLE payment_readings (
            organizer_id uuid NOT NULL,
            payment_id uuid NOT NULL,
            id uuid NOT NULL,
            refund_id uuid,
            source text NOT NULL CONSTRAINT ck_payment_readings_source CHECK (source IN
                ('submission', 'poll', 'callback', 'return', 'operator')),
            finding text NOT NULL,
            reason text,
            amount bigint,
            currency text,
            milliseconds bigint NOT NULL,
            read_at timestamptz NOT NULL,
            CONSTRAINT pk_payment_readings PRIMARY KEY (organizer_id, payment_id, id),
            CONSTRAINT fk_payment_readings_organizer_id_payment_id
                FOREIGN KEY (organizer_id, payment_id) REFERENCES payments
        )
        """,
        "CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON payment_readings"
        " FOR EACH STATEMENT EXECUTE FUNCTION private.refuse_change()",
        "ALTER TABLE payment_readings ENABLE ALWAYS TRIGGER refuse_change",
    )


def _definer(signature: str, returns: str, body: str, language: str = "plpgsql") -> None:
    arguments = signature.partition("(")[2].removesuffix(")")
    types = ", ".join(argument.split()[1] for argument in arguments.split(", ") if argument)
    name = f"private.{signature.partition('(')[0]}({types})"
    run(
        f"CREATE FUNCTION private.{signature} RETURNS {returns} LANGUAGE {language} VOLATILE"
        f" SECURITY DEFINER SET search_path = '' AS $function$ {body} $function$",
        f"ALTER FUNCTION {name} OWNER TO {LEDGER}",
        f"REVOKE ALL ON FUNCTION {name} FROM PUBLIC",
        f"GRANT EXECUTE ON FUNCTION {name} TO {OWNER}",
    )


def _line_helpers() -> None:
    """The same postings as sync_server/ledger/postings.py; a test compares both."""
    _definer(
        "ledger_line(account text, currency text, amount bigint)",
        "jsonb",
        """
        SELECT CASE WHEN amount = 0 THEN '[]'::jsonb ELSE pg_catalog.jsonb_build_array(
            pg_catalog.jsonb_build_object(
                'account', account, 'currency', currency, 'amount', amount)) END
        """,
        "sql",
    )
    # A sale credits what a refund debits: `sign` is -1 or 1.
    _definer(
        "share_lines(shares jsonb, currency text, sign bigint)",
        "jsonb",
        """
        SELECT private.ledger_line('platform_fee', currency,
                   sign * (shares->>'platform_fee')::bigint)
            || private.ledger_line('tax_on_fees', currency,
                   sign * (shares->>'tax_on_fees')::bigint)
            || private.ledger_line('tax_on_tickets', currency,
                   sign * (shares->>'tax_on_tickets')::bigint)
            || private.ledger_line('provider_fee', currency,
                   sign * (shares->>'provider_fee')::bigint)
        """,
        "sql",
    )


def _organizer_lines() -> None:
    """Out of what is pending of the event first, then of what is available; the rest is owed. The
    row of what is available is locked: two refunds never count the same money.
    """
    _definer(
        "organizer_lines(organizer uuid, event uuid, currency text, share bigint)",
        "jsonb",
        """
        DECLARE
            pending_account constant text := 'organizer_pending:' || event;
            pending bigint;
            available bigint;
        BEGIN
            INSERT INTO public.finance_guarded_balances AS held
            VALUES (organizer, 'organizer_available', organizer_lines.currency, 0)
            ON CONFLICT DO NOTHING;
            SELECT -held.balance INTO available FROM public.finance_guarded_balances AS held
            WHERE held.organizer_id = organizer AND held.account = 'organizer_available'
              AND held.currency = organizer_lines.currency
            FOR UPDATE;
            SELECT coalesce(-sum(e.amount), 0) INTO pending FROM public.finance_entries AS e
            WHERE e.organizer_id = organizer AND e.account = pending_account
              AND e.currency = organizer_lines.currency;
            pending := greatest(least(pending, share), 0);
            available := greatest(least(available, share - pending), 0);
            RETURN private.ledger_line(pending_account, currency, pending)
                || private.ledger_line('organizer_available', currency, available)
                || private.ledger_line('organizer_receivable', currency,
                       share - pending - available);
        END
        """,
    )


def _poster() -> None:
    """Posting where the database itself makes the transaction up."""
    _definer(
        "post_for(organizer uuid, kind text, key text, lines jsonb)",
        "void",
        """
        BEGIN
            PERFORM private.post_txn(pg_catalog.jsonb_build_object(
                'organizer_id', organizer, 'id', pg_catalog.gen_random_uuid(), 'kind', kind,
                'key', key, 'reverses', NULL, 'reason', NULL, 'occurred_at', now(),
                'lines', lines));
        END
        """,
    )


def _payment_postings() -> None:
    _definer(
        "post_payment()",
        "trigger",
        """
        DECLARE
            clearing constant text := 'provider_clearing:' || NEW.provider;
            suspense constant text := 'dispute_suspense:' || NEW.provider;
            shares constant jsonb := to_jsonb(NEW);
            named constant text := NEW.provider || ':' || NEW.reference;
        BEGIN
            IF NEW.state = 'succeeded' AND OLD.state <> 'disputed' THEN
                PERFORM private.post_for(NEW.organizer_id, 'capture', 'capture:' || named,
                    private.ledger_line(clearing, NEW.currency, NEW.amount)
                    || private.ledger_line('organizer_pending:' || NEW.event_id, NEW.currency,
                           -NEW.organizer_share)
                    || private.share_lines(shares, NEW.currency, -1));
            ELSIF NEW.state = 'succeeded' THEN
                PERFORM private.post_for(NEW.organizer_id, 'chargeback_won',
                    'chargeback_won:' || NEW.id,
                    private.ledger_line(clearing, NEW.currency, NEW.amount)
                    || private.ledger_line(suspense, NEW.currency, -NEW.amount));
            ELSIF NEW.state = 'mismatched' AND NEW.received_amount > 0 THEN
                PERFORM private.post_for(NEW.organizer_id, 'unapplied_receipt',
                    'unapplied_receipt:' || named,
                    private.ledger_line(clearing, NEW.received_currency, NEW.received_amount)
                    || private.ledger_line('unapplied_receipts', NEW.received_currency,
                           -NEW.received_amount));
            END IF;
            IF OLD.state = 'succeeded' AND NEW.state IN ('disputed', 'reversed') THEN
                PERFORM private.post_for(NEW.organizer_id, 'chargeback_opened',
                    'chargeback_opened:' || NEW.id,
                    private.ledger_line(suspense, NEW.currency, NEW.amount)
                    || private.ledger_line(clearing, NEW.currency, -NEW.amount));
            END IF;
            IF NEW.state = 'reversed' AND OLD.state IN ('succeeded', 'disputed') THEN
                PERFORM private.post_for(NEW.organizer_id, 'chargeback_lost',
                    'chargeback_lost:' || NEW.id,
                    private.organizer_lines(NEW.organizer_id, NEW.event_id, NEW.currency,
                        NEW.organizer_share)
                    || private.share_lines(shares, NEW.currency, 1)
                    || private.ledger_line(suspense, NEW.currency, -NEW.amount));
            END IF;
            RETURN NULL;
        END
        """,
    )
    _on_new_state("payments", "post_payment")


def _refund_postings() -> None:
    """What failed is the mirror of what was posted when it was asked for."""
    _definer(
        "post_refund()",
        "trigger",
        """
        DECLARE
            payment public.payments;
            transit text;
            asked constant text := 'refund_requested:' || NEW.id;
        BEGIN
            SELECT p.* INTO STRICT payment FROM public.payments AS p
            WHERE p.organizer_id = NEW.organizer_id AND p.id = NEW.payment_id;
            transit := 'refund_in_transit:' || payment.provider;
            IF TG_OP = 'INSERT' THEN
                PERFORM private.post_for(NEW.organizer_id, 'refund_requested', asked,
                    private.organizer_lines(NEW.organizer_id, payment.event_id,
                        payment.currency, NEW.organizer_share)
                    || private.share_lines(to_jsonb(NEW), payment.currency, 1)
                    || private.ledger_line(transit, payment.currency, -NEW.amount));
            ELSIF NEW.state = 'succeeded' THEN
                PERFORM private.post_for(NEW.organizer_id, 'refund_confirmed',
                    'refund_confirmed:' || NEW.id,
                    private.ledger_line(transit, payment.currency, NEW.amount)
                    || private.ledger_line('provider_clearing:' || payment.provider,
                           payment.currency, -NEW.amount));
            ELSIF NEW.state = 'failed' THEN
                PERFORM private.post_for(NEW.organizer_id, 'refund_failed',
                    'refund_failed:' || NEW.id, (
                        SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(
                            'account', e.account, 'currency', e.currency, 'amount', -e.amount)
                            ORDER BY e.line_no)
                        FROM public.finance_entries AS e
                        JOIN public.finance_txns AS t
                            ON t.organizer_id = e.organizer_id AND t.id = e.txn_id
                        WHERE t.organizer_id = NEW.organizer_id AND t.idem_key = asked));
            END IF;
            RETURN NULL;
        END
        """,
    )
    run(
        "CREATE TRIGGER post_requested_refund AFTER INSERT ON refunds FOR EACH ROW"
        " EXECUTE FUNCTION private.post_refund()",
        "ALTER TABLE refunds ENABLE ALWAYS TRIGGER post_requested_refund",
    )
    _on_new_state("refunds", "post_refund")


def _on_new_state(table: str, function: str) -> None:
    run(
        f"CREATE TRIGGER {function} AFTER UPDATE OF state ON {table} FOR EACH ROW"
        f" WHEN (OLD.state IS DISTINCT FROM NEW.state) EXECUTE FUNCTION private.{function}()",
        f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {function}",
    )


def _policies() -> None:
    for table in _TABLES:
        policy(table, "zeraket_app", "SELECT", in_my_organizers("finance.view"))
        policy(table, "zeraket_worker", "SELECT", "true")
    policy("payments", LEDGER, "SELECT", "organizer_id IS NOT NULL")
    policy("payments", "zeraket_worker", "INSERT", "state = 'created' AND refunded_amount = 0")
    policy("payments", "zeraket_worker", "UPDATE", "amount > 0")
    policy("refunds", "zeraket_worker", "INSERT", "state = 'requested'")
    policy("refunds", "zeraket_worker", "UPDATE", "amount > 0")
    policy("payment_readings", "zeraket_worker", "INSERT", "milliseconds >= 0")
    run(
        # What was asked for is never changed; who pays is sealed.
        "REVOKE SELECT ON payments FROM zeraket_app",
        "GRANT SELECT (organizer_id, id, event_id, order_id, provider, state, provider_reference,"
        " currency, amount, organizer_share, platform_fee, tax_on_fees, tax_on_tickets,"
        " provider_fee, received_amount, received_currency, refunded_amount, reason, created_at,"
        " expires_at, state_changed_at) ON payments TO zeraket_app",
        "REVOKE UPDATE ON payments, refunds FROM zeraket_worker",
        "GRANT UPDATE (state, provider_reference, redirect_url, received_amount,"
        " received_currency, refunded_amount, attempts, reason, state_changed_at, next_read_at)"
        " ON payments TO zeraket_worker",
        "GRANT UPDATE (state, provider_reference, refusal, state_changed_at, next_read_at,"
        " attempts) ON refunds TO zeraket_worker",
    )
