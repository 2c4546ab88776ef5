"""The ledger: transactions sealed with their lines, balanced by the database itself, never changed.

A header says how many lines it has, and every line repeats that number under a foreign key: so all
line numbers are taken when the header is, and nothing can be added later. One deferred trigger on
the header counts and sums them. Only `private.post_txn` writes, as the role `zeraket_ledger`.
"""

from typing import Final

from sync_server.migrations.roles import LEDGER
from sync_server.migrations.support import (
    in_my_organizers,
    ledger_function,
    policy,
    protect,
    run,
)

revision: Final = "0018"
down_revision: Final = "0017"
branch_labels: Final = None
depends_on: Final = None

_TABLES: Final = (
    "finance_entries",
    "finance_txns",
    "finance_guarded_balances",
    "finance_checkpoints",
)
_APPEND_ONLY: Final = ("finance_txns", "finance_entries")
_FUNCTIONS: Final = (
    "post_txn(jsonb)",
    "add_finance_txn(jsonb, jsonb, bytea)",
    "move_guarded_balances(uuid, jsonb)",
    "require_balanced_txn()",
    "require_whole_txn(uuid, uuid, bigint)",
)
_ACCOUNT_KINDS: Final = (
    "bank|box_office_cash|dispute_suspense|organizer_receivable|provider_clearing|provider_float"
    "|unreconciled|buyer_credit|organizer_available|organizer_pending|organizer_reserve"
    "|payout_in_transit|refund_in_transit|tax_on_fees|tax_on_tickets|tax_withheld"
    "|unapplied_receipts|exchange_gain|payout_fee_income|platform_fee|bad_debt|chargeback_fee"
    "|payout_fee|provider_fee|rounding"
)
_GUARDED: Final = "('buyer_credit', 'organizer_available', 'organizer_reserve')"


def upgrade() -> None:
    _transaction_table()
    _entry_table()
    _balance_tables()
    _append_only()
    _balance_check()
    _guard()
    _add()
    _post()
    _policies()


def downgrade() -> None:
    run(f"DROP TABLE {', '.join(_TABLES)}")
    run(*(f"DROP FUNCTION private.{signature}" for signature in _FUNCTIONS))
    run(f"REVOKE ALL ON SCHEMA private FROM {LEDGER}")


def _transaction_table() -> None:
    run(
        f"GRANT USAGE, CREATE ON SCHEMA private TO {LEDGER}",
        """
        CREATE TABLE finance_txns (
            organizer_id uuid NOT NULL,
            id uuid NOT NULL,
            kind text NOT NULL CONSTRAINT ck_finance_txns_kind
                CHECK (length(kind) BETWEEN 1 AND 60),
            idem_key text NOT NULL CONSTRAINT ck_finance_txns_idem_key
                CHECK (length(idem_key) BETWEEN 1 AND 200),
            request_hash bytea NOT NULL CONSTRAINT ck_finance_txns_request_hash
                CHECK (octet_length(request_hash) = 32),
            n_lines bigint NOT NULL
                CONSTRAINT ck_finance_txns_n_lines CHECK (n_lines BETWEEN 2 AND 500),
            reverses_txn_id uuid,
            reason text CONSTRAINT ck_finance_txns_reason CHECK (length(reason) <= 500),
            occurred_at timestamptz NOT NULL,
            recorded_at timestamptz NOT NULL DEFAULT now(),
            xid bigint NOT NULL DEFAULT (pg_current_xact_id()::text::bigint),
            CONSTRAINT pk_finance_txns PRIMARY KEY (organizer_id, id),
            CONSTRAINT uq_finance_txns_organizer_id_idem_key UNIQUE (organizer_id, idem_key),
            CONSTRAINT uq_finance_txns_organizer_id_id_n_lines UNIQUE (organizer_id, id, n_lines),
            CONSTRAINT uq_finance_txns_organizer_id_reverses_txn_id
                UNIQUE (organizer_id, reverses_txn_id),
            CONSTRAINT fk_finance_txns_organizer_id_reverses_txn_id
                FOREIGN KEY (organizer_id, reverses_txn_id) REFERENCES finance_txns,
            CONSTRAINT ck_finance_txns_reverses
                CHECK ((kind = 'reversal') = (reverses_txn_id IS NOT NULL)),
            CONSTRAINT ck_finance_txns_reversal_reason
                CHECK (kind <> 'reversal' OR length(reason) > 0)
        )
        """,
    )


def _entry_table() -> None:
    run(
        f"""
        CREATE TABLE finance_entries (
            organizer_id uuid NOT NULL,
            txn_id uuid NOT NULL,
            line_no bigint NOT NULL,
            n_lines bigint NOT NULL,
            account text NOT NULL CONSTRAINT ck_finance_entries_account
                CHECK (account ~ '^({_ACCOUNT_KINDS})(:[A-Za-z0-9_.-]{{1,60}})?$'),
            currency text NOT NULL
                CONSTRAINT ck_finance_entries_currency CHECK (currency ~ '^[A-Z]{{3}}$'),
            amount bigint NOT NULL CONSTRAINT ck_finance_entries_amount CHECK (amount <> 0),
            xid bigint NOT NULL DEFAULT (pg_current_xact_id()::text::bigint),
            CONSTRAINT ck_finance_entries_line_no CHECK (line_no BETWEEN 1 AND n_lines),
            -- The header's seal stands in the key: its foreign key needs no index of its own.
            CONSTRAINT pk_finance_entries PRIMARY KEY (organizer_id, txn_id, n_lines, line_no),
            CONSTRAINT fk_finance_entries_organizer_id_txn_id_n_lines
                FOREIGN KEY (organizer_id, txn_id, n_lines)
                REFERENCES finance_txns (organizer_id, id, n_lines)
        )
        """,
        # A balance is read from the index alone.
        "CREATE INDEX ix_finance_entries_account ON finance_entries"
        " (organizer_id, account, currency, xid) INCLUDE (amount)",
        "CREATE INDEX ix_finance_entries_xid ON finance_entries (organizer_id, xid)",
    )


def _balance_tables() -> None:
    """No row is kept for accounts that only grow: on a busy sale every buyer would wait for it."""
    run(
        """
        CREATE TABLE finance_guarded_balances (
            organizer_id uuid NOT NULL,
            account text NOT NULL,
            currency text NOT NULL,
            balance bigint NOT NULL,
            CONSTRAINT pk_finance_guarded_balances PRIMARY KEY (organizer_id, account, currency),
            CONSTRAINT ck_finance_guarded_balances_overdraft CHECK (balance <= 0)
        )
        """,
        """
        CREATE TABLE finance_checkpoints (
            organizer_id uuid NOT NULL,
            account text NOT NULL,
            currency text NOT NULL,
            below_xid bigint NOT NULL,
            balance bigint NOT NULL,
            entries bigint NOT NULL,
            made_at timestamptz NOT NULL,
            CONSTRAINT pk_finance_checkpoints
                PRIMARY KEY (organizer_id, account, currency, below_xid)
        )
        """,
    )


def _append_only() -> None:
    """The trigger is for those whom no missing right stops: the owner and superusers."""
    for table in _APPEND_ONLY:
        run(
            f"CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}"
            " FOR EACH STATEMENT EXECUTE FUNCTION private.refuse_change()",
            f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER refuse_change",
        )


def _balance_check() -> None:
    """Checked by whoever posts and again at commit, so that no other writer can forget it."""
    ledger_function(
        "require_whole_txn(organizer uuid, txn uuid, lines bigint)",
        "void",
        """
        DECLARE
            found bigint;
            broken text;
        BEGIN
            SELECT coalesce(sum(of_currency.lines), 0),
                   string_agg(of_currency.currency, ', ') FILTER (WHERE of_currency.total <> 0)
            INTO found, broken
            FROM (
                SELECT e.currency, count(*) AS lines, sum(e.amount) AS total
                FROM public.finance_entries AS e
                WHERE e.organizer_id = organizer AND e.txn_id = txn
                GROUP BY e.currency
            ) AS of_currency;
            IF found <> lines THEN
                RAISE EXCEPTION 'transaction % has % of % lines', txn, found, lines
                    USING ERRCODE = 'check_violation', CONSTRAINT = 'ck_finance_txns_whole';
            END IF;
            IF broken IS NOT NULL THEN
                RAISE EXCEPTION 'transaction % does not balance in %', txn, broken
                    USING ERRCODE = 'check_violation', CONSTRAINT = 'ck_finance_txns_balanced';
            END IF;
        END
        """,
    )
    ledger_function(
        "require_balanced_txn()",
        "trigger",
        """
        BEGIN
            PERFORM private.require_whole_txn(NEW.organizer_id, NEW.id, NEW.n_lines);
            RETURN NULL;
        END
        """,
    )
    run(
        "CREATE CONSTRAINT TRIGGER require_balanced AFTER INSERT ON finance_txns"
        " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW"
        " EXECUTE FUNCTION private.require_balanced_txn()",
        "ALTER TABLE finance_txns ENABLE ALWAYS TRIGGER require_balanced",
    )


def _guard() -> None:
    """Rows are locked in the accounts' order: two payouts never wait for each other for ever. The
    table's own check refuses an overdraft.
    """
    ledger_function(
        "move_guarded_balances(organizer uuid, lines jsonb)",
        "void",
        f"""
        DECLARE
            moved constant jsonb := (
                SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(
                    'account', net.account, 'currency', net.currency, 'amount', net.amount))
                FROM (
                    SELECT line->>'account' AS account, line->>'currency' AS currency,
                           sum((line->>'amount')::bigint) AS amount
                    FROM pg_catalog.jsonb_array_elements(lines) AS line
                    WHERE split_part(line->>'account', ':', 1) IN {_GUARDED}
                    GROUP BY 1, 2
                ) AS net
            );
        BEGIN
            IF moved IS NULL THEN
                RETURN;
            END IF;
            INSERT INTO public.finance_guarded_balances (organizer_id, account, currency, balance)
            SELECT organizer, m.account, m.currency, 0
            FROM pg_catalog.jsonb_to_recordset(moved) AS m (account text, currency text)
            ORDER BY m.account, m.currency
            ON CONFLICT DO NOTHING;

            PERFORM held.balance FROM public.finance_guarded_balances AS held
            JOIN pg_catalog.jsonb_to_recordset(moved) AS m (account text, currency text)
                ON held.account = m.account AND held.currency = m.currency
            WHERE held.organizer_id = organizer
            ORDER BY held.account, held.currency
            FOR UPDATE OF held;

            UPDATE public.finance_guarded_balances AS held
            SET balance = held.balance + m.amount
            FROM pg_catalog.jsonb_to_recordset(moved)
                AS m (account text, currency text, amount bigint)
            WHERE held.organizer_id = organizer
              AND held.account = m.account AND held.currency = m.currency;
        END
        """,  # noqa: S608 - names of ours
    )


def _add() -> None:
    """Header and lines are one statement: their checks see both, deferred or not."""
    ledger_function(
        "add_finance_txn(txn jsonb, lines jsonb, hash bytea)",
        "uuid",
        """
        DECLARE
            added uuid;
        BEGIN
            WITH header AS (
                INSERT INTO public.finance_txns (organizer_id, id, kind, idem_key, request_hash,
                    n_lines, reverses_txn_id, reason, occurred_at)
                VALUES ((txn->>'organizer_id')::uuid, (txn->>'id')::uuid, txn->>'kind',
                    txn->>'key', hash, pg_catalog.jsonb_array_length(lines),
                    (txn->>'reverses')::uuid, txn->>'reason',
                    (txn->>'occurred_at')::timestamptz)
                ON CONFLICT (organizer_id, idem_key) DO NOTHING
                RETURNING organizer_id, id, n_lines
            ), written AS (
                INSERT INTO public.finance_entries
                    (organizer_id, txn_id, line_no, n_lines, account, currency, amount)
                SELECT header.organizer_id, header.id, line.line_no, header.n_lines,
                       line.item->>'account', line.item->>'currency',
                       (line.item->>'amount')::bigint
                FROM header, pg_catalog.jsonb_array_elements(lines)
                    WITH ORDINALITY AS line (item, line_no)
            )
            SELECT header.id INTO added FROM header;
            RETURN added;
        END
        """,
    )


def _post() -> None:
    """A key that was used answers with what it made; with other content it is refused."""
    ledger_function(
        "post_txn(txn jsonb)",
        "jsonb",
        """
        DECLARE
            organizer constant uuid := (txn->>'organizer_id')::uuid;
            lines constant jsonb := txn->'lines';
            hash constant bytea := sha256(convert_to(
                (txn - 'id' - 'occurred_at')::text, 'UTF8'));
            added uuid;
            earlier public.finance_txns;
        BEGIN
            added := private.add_finance_txn(txn, lines, hash);
            IF added IS NULL THEN
                SELECT t.* INTO earlier FROM public.finance_txns AS t
                WHERE t.organizer_id = organizer AND t.idem_key = txn->>'key';
                IF earlier.request_hash IS DISTINCT FROM hash THEN
                    RAISE EXCEPTION 'key % was used for something else', txn->>'key'
                        USING ERRCODE = 'unique_violation',
                              CONSTRAINT = 'uq_finance_txns_replay';
                END IF;
                RETURN pg_catalog.jsonb_build_object('id', earlier.id, 'is_new', false);
            END IF;
            PERFORM private.require_whole_txn(
                organizer, added, pg_catalog.jsonb_array_length(lines));
            PERFORM private.move_guarded_balances(organizer, lines);
            RETURN pg_catalog.jsonb_build_object('id', added, 'is_new', true);
        END
        """,
    )
    run("GRANT EXECUTE ON FUNCTION private.post_txn(jsonb) TO zeraket_worker")


def _policies() -> None:
    protect(*_TABLES)
    for table in _APPEND_ONLY:
        policy(table, LEDGER, "SELECT", "organizer_id IS NOT NULL")
        policy(table, LEDGER, "INSERT", "organizer_id IS NOT NULL")
    for command in ("SELECT", "INSERT", "UPDATE"):
        policy("finance_guarded_balances", LEDGER, command, "organizer_id IS NOT NULL")
    for table in _TABLES:
        policy(table, "zeraket_app", "SELECT", in_my_organizers("finance.view"))
        policy(table, "zeraket_worker", "SELECT", "true")
    policy("finance_checkpoints", "zeraket_worker", "INSERT", "entries > 0")
