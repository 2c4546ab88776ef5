"""Payouts to organizers. A trigger posts what follows from a payout's state; who asks for money and
who lets it go are two people, and the database makes sure of it.
"""

from typing import Final

from sync_server.migrations.roles import LEDGER
from sync_server.migrations.support import (
    append_only,
    hide_columns,
    in_my_organizers,
    ledger_function,
    policy,
    protect,
    run,
)

revision: Final = "0022"
down_revision: Final = "0021"
branch_labels: Final = None
depends_on: Final = None

_TABLES: Final = ("payout_attempts", "payouts", "payout_destinations", "payout_hold_rules")
_RAILS: Final = "('airtel', 'bank', 'flutterwave', 'mtn')"
_STEPS: Final = (
    "('requested', 'approved'), ('requested', 'refused'), ('approved', 'stopped'),"
    " ('approved', 'unknown'), ('stopped', 'approved'), ('stopped', 'refused'),"
    " ('unknown', 'pending'), ('unknown', 'succeeded'), ('unknown', 'failed'),"
    " ('pending', 'succeeded'), ('pending', 'failed'), ('succeeded', 'returned')"
)
_ACTOR: Final = "coalesce((SELECT private.my_user_id()), (SELECT private.my_service_account_id()))"
_PERSON: Final = "(SELECT private.my_user_id())"
_SEES: Final = " OR ".join(
    in_my_organizers(capability)
    for capability in ("finance.view", "payouts.request", "payouts.approve")
)
_ASKS: Final = in_my_organizers("payouts.request")
_DECIDES: Final = in_my_organizers("payouts.approve")


def upgrade() -> None:
    _hold_rule_table()
    _destination_table()
    _payout_table()
    _attempt_table()
    append_only("payout_attempts", "payout_hold_rules")
    protect(*_TABLES)
    _steps()
    _payout_checks()
    _payout_postings()
    _payout_triggers()
    _policies()
    _ledger_view()
    _restrict_programs("NOT capabilities && '{members.manage,payouts.approve}'::text[]")


def downgrade() -> None:
    _restrict_programs("NOT 'members.manage' = ANY(capabilities)")
    run(
        "DROP VIEW payout_ledger_entries",
        f"DROP TABLE {', '.join(_TABLES)}",
        "DROP FUNCTION private.post_payout()",
        "DROP FUNCTION private.require_payout_step()",
        "DROP FUNCTION private.require_payout_destination(uuid, uuid, text, text)",
        "DROP FUNCTION private.require_nothing_owed(uuid, text)",
    )


def _restrict_programs(condition: str) -> None:
    """Money leaves by two people: no program approves."""
    run(
        "ALTER TABLE service_accounts DROP CONSTRAINT ck_service_accounts_capabilities",
        "ALTER TABLE service_accounts ADD CONSTRAINT ck_service_accounts_capabilities"
        f" CHECK ({condition})",
    )


def _hold_rule_table() -> None:
    """A rule is never changed: the newest version counts."""
    run(
        """
        CREATE TABLE payout_hold_rules (
            organizer_id uuid NOT NULL
                CONSTRAINT fk_payout_hold_rules_organizer_id REFERENCES organizers,
            version bigint NOT NULL
                CONSTRAINT ck_payout_hold_rules_version CHECK (version > 0),
            hold_days bigint NOT NULL
                CONSTRAINT ck_payout_hold_rules_hold_days CHECK (hold_days BETWEEN 0 AND 365),
            reason text NOT NULL CONSTRAINT ck_payout_hold_rules_reason
                CHECK (length(reason) BETWEEN 1 AND 200),
            set_by uuid NOT NULL,
            set_at timestamptz NOT NULL,
            CONSTRAINT pk_payout_hold_rules PRIMARY KEY (organizer_id, version)
        )
        """,
    )


def _destination_table() -> None:
    """Where money may go. What is sealed says whose account it is; one person adds a destination
    and another confirms it.
    """
    run(
        f"""
        CREATE TABLE payout_destinations (
            organizer_id uuid NOT NULL
                CONSTRAINT fk_payout_destinations_organizer_id REFERENCES organizers,
            id uuid NOT NULL,
            rail text NOT NULL CONSTRAINT ck_payout_destinations_rail CHECK (rail IN {_RAILS}),
            currency text NOT NULL CONSTRAINT ck_payout_destinations_currency
                CHECK (currency ~ '^[A-Z]{{3}}$'),
            label text NOT NULL CONSTRAINT ck_payout_destinations_label
                CHECK (length(label) BETWEEN 1 AND 80),
            account_ending text NOT NULL CONSTRAINT ck_payout_destinations_account_ending
                CHECK (length(account_ending) <= 3),
            sealed_account bytea NOT NULL,
            sealed_told_name bytea,
            name_check text NOT NULL CONSTRAINT ck_payout_destinations_name_check
                CHECK (name_check IN ('unchecked', 'same', 'differs', 'inactive', 'untold')),
            name_checked_at timestamptz,
            added_by uuid NOT NULL,
            added_at timestamptz NOT NULL,
            confirmed_by uuid,
            confirmed_at timestamptz,
            withdrawn_by uuid,
            withdrawn_at timestamptz,
            CONSTRAINT pk_payout_destinations PRIMARY KEY (organizer_id, id),
            CONSTRAINT ck_payout_destinations_two_people CHECK (confirmed_by <> added_by),
            CONSTRAINT ck_payout_destinations_confirmed
                CHECK ((confirmed_by IS NULL) = (confirmed_at IS NULL)),
            CONSTRAINT ck_payout_destinations_withdrawn
                CHECK ((withdrawn_by IS NULL) = (withdrawn_at IS NULL))
        )
        """,
    )


def _payout_table() -> None:
    """`reference` is ours; a row is there before the rail hears of it."""
    run(
        f"""
        CREATE TABLE payouts (
            organizer_id uuid NOT NULL,
            id uuid NOT NULL,
            number text NOT NULL CONSTRAINT ck_payouts_number CHECK (number ~ '^[A-Z0-9]{{4,35}}$'),
            destination_id uuid NOT NULL,
            rail text NOT NULL CONSTRAINT ck_payouts_rail CHECK (rail IN {_RAILS}),
            state text NOT NULL CONSTRAINT ck_payouts_state CHECK (state IN ('requested',
                'refused', 'approved', 'stopped', 'unknown', 'pending', 'succeeded', 'failed',
                'returned')),
            reference uuid NOT NULL,
            provider_reference text,
            currency text NOT NULL
                CONSTRAINT ck_payouts_currency CHECK (currency ~ '^[A-Z]{{3}}$'),
            amount bigint NOT NULL CONSTRAINT ck_payouts_amount CHECK (amount > 0),
            rail_fee bigint NOT NULL CONSTRAINT ck_payouts_rail_fee CHECK (rail_fee >= 0),
            reason text CONSTRAINT ck_payouts_reason CHECK (length(reason) <= 200),
            requested_by uuid NOT NULL,
            requested_at timestamptz NOT NULL,
            decided_by uuid,
            decided_at timestamptz,
            accepts_name boolean NOT NULL,
            attempts bigint NOT NULL,
            sent_at timestamptz,
            state_changed_at timestamptz NOT NULL,
            next_read_at timestamptz,
            CONSTRAINT pk_payouts PRIMARY KEY (organizer_id, id),
            CONSTRAINT uq_payouts_organizer_id_reference UNIQUE (organizer_id, reference),
            CONSTRAINT uq_payouts_organizer_id_number UNIQUE (organizer_id, number),
            CONSTRAINT ck_payouts_two_people CHECK (decided_by <> requested_by),
            CONSTRAINT ck_payouts_decided CHECK ((state = 'requested') = (decided_by IS NULL)),
            CONSTRAINT fk_payouts_organizer_id_destination_id
                FOREIGN KEY (organizer_id, destination_id) REFERENCES payout_destinations
        )
        """,
        "CREATE UNIQUE INDEX ix_payouts_reference ON payouts (reference)",
        "CREATE INDEX ix_payouts_provider_reference ON payouts (rail, provider_reference)",
        "CREATE INDEX ix_payouts_organizer_id_destination_id"
        " ON payouts (organizer_id, destination_id)",
        "CREATE INDEX ix_payouts_next_read_at ON payouts (next_read_at)"
        " WHERE next_read_at IS NOT NULL",
    )


def _attempt_table() -> None:
    """Each call of a rail with what it answered, kept as it was."""
    run(
        """
        CREATE TABLE payout_attempts (
            organizer_id uuid NOT NULL,
            payout_id uuid NOT NULL,
            id uuid NOT NULL,
            kind text NOT NULL CONSTRAINT ck_payout_attempts_kind CHECK (kind IN
                ('name_check', 'submission', 'poll', 'callback', 'operator')),
            finding text NOT NULL,
            code text CONSTRAINT ck_payout_attempts_code CHECK (length(code) <= 200),
            sealed_answers bytea,
            milliseconds bigint NOT NULL,
            started_at timestamptz NOT NULL,
            CONSTRAINT pk_payout_attempts PRIMARY KEY (organizer_id, payout_id, id),
            CONSTRAINT fk_payout_attempts_organizer_id_payout_id
                FOREIGN KEY (organizer_id, payout_id) REFERENCES payouts
        )
        """,
    )


def _steps() -> None:
    """What was paid is never failed afterwards, whoever writes it."""
    run(
        f"""
        CREATE FUNCTION private.require_payout_step() RETURNS trigger
        LANGUAGE plpgsql SET search_path = '' AS $function$
        BEGIN
            IF NEW.state <> OLD.state AND (OLD.state, NEW.state) NOT IN ({_STEPS}) THEN
                RAISE EXCEPTION 'a payout that is % does not become %', OLD.state, NEW.state
                    USING ERRCODE = 'check_violation', CONSTRAINT = 'ck_payouts_step';
            END IF;
            RETURN NEW;
        END
        $function$
        """,
        "REVOKE ALL ON FUNCTION private.require_payout_step() FROM PUBLIC",
        "CREATE TRIGGER require_step BEFORE UPDATE ON payouts FOR EACH ROW"
        " EXECUTE FUNCTION private.require_payout_step()",
        "ALTER TABLE payouts ENABLE ALWAYS TRIGGER require_step",
    )


def _payout_checks() -> None:
    ledger_function(
        "require_payout_destination(organizer uuid, destination uuid, rail text, currency text)",
        "void",
        """
        BEGIN
            IF NOT EXISTS (
                SELECT FROM public.payout_destinations AS d
                WHERE d.organizer_id = organizer AND d.id = destination
                  AND d.rail = require_payout_destination.rail
                  AND d.currency = require_payout_destination.currency
                  AND d.confirmed_at IS NOT NULL AND d.withdrawn_at IS NULL
            ) THEN
                RAISE EXCEPTION 'destination % may not be paid to', destination
                    USING ERRCODE = 'check_violation', CONSTRAINT = 'ck_payouts_destination';
            END IF;
        END
        """,
    )
    # Posting has locked the row of what is available: of two requests the second sees the first.
    ledger_function(
        "require_nothing_owed(organizer uuid, currency text)",
        "void",
        """
        DECLARE
            available bigint;
            owed bigint;
        BEGIN
            SELECT -held.balance INTO available FROM public.finance_guarded_balances AS held
            WHERE held.organizer_id = organizer AND held.account = 'organizer_available'
              AND held.currency = require_nothing_owed.currency;
            SELECT sum(e.amount) INTO owed FROM public.finance_entries AS e
            WHERE e.organizer_id = organizer AND e.account = 'organizer_receivable'
              AND e.currency = require_nothing_owed.currency;
            IF available < coalesce(owed, 0) THEN
                RAISE EXCEPTION 'the organizer owes what would be paid out'
                    USING ERRCODE = 'check_violation', CONSTRAINT = 'ck_payouts_owed';
            END IF;
        END
        """,
    )


def _payout_postings() -> None:
    """The same postings as sync_server/ledger/postings.py; a test compares both."""
    ledger_function(
        "post_payout()",
        "trigger",
        """
        DECLARE
            available constant text := 'organizer_available';
            transit constant text := 'payout_in_transit:' || NEW.rail;
            source constant text := CASE NEW.rail WHEN 'bank' THEN 'bank:payouts'
                ELSE 'provider_float:' || NEW.rail END;
        BEGIN
            IF TG_OP = 'INSERT' OR NEW.state = 'approved' THEN
                PERFORM private.require_payout_destination(
                    NEW.organizer_id, NEW.destination_id, NEW.rail, NEW.currency);
            END IF;
            IF TG_OP = 'INSERT' THEN
                PERFORM private.post_for(NEW.organizer_id, 'payout_requested',
                    'payout_requested:' || NEW.id,
                    private.ledger_line(available, NEW.currency, NEW.amount)
                    || private.ledger_line(transit, NEW.currency, -NEW.amount));
                PERFORM private.require_nothing_owed(NEW.organizer_id, NEW.currency);
            ELSIF NEW.state = 'succeeded' THEN
                PERFORM private.post_for(NEW.organizer_id, 'payout_confirmed',
                    'payout_confirmed:' || NEW.id,
                    private.ledger_line(transit, NEW.currency, NEW.amount)
                    || private.ledger_line('payout_fee:' || NEW.rail, NEW.currency, NEW.rail_fee)
                    || private.ledger_line(source, NEW.currency, -(NEW.amount + NEW.rail_fee)));
            ELSIF NEW.state IN ('failed', 'refused') THEN
                PERFORM private.post_for(NEW.organizer_id, 'payout_failed',
                    'payout_failed:' || NEW.id,
                    private.ledger_line(transit, NEW.currency, NEW.amount)
                    || private.ledger_line(available, NEW.currency, -NEW.amount));
            ELSIF NEW.state = 'returned' THEN
                PERFORM private.post_for(NEW.organizer_id, 'payout_returned',
                    'payout_returned:' || NEW.id,
                    private.ledger_line(source, NEW.currency, NEW.amount)
                    || private.ledger_line(available, NEW.currency, -NEW.amount));
            END IF;
            RETURN NULL;
        END
        """,
    )


def _payout_triggers() -> None:
    run(
        "CREATE TRIGGER post_requested_payout AFTER INSERT ON payouts FOR EACH ROW"
        " EXECUTE FUNCTION private.post_payout()",
        "ALTER TABLE payouts ENABLE ALWAYS TRIGGER post_requested_payout",
        "CREATE TRIGGER post_payout AFTER UPDATE OF state ON payouts FOR EACH ROW"
        " WHEN (OLD.state IS DISTINCT FROM NEW.state) EXECUTE FUNCTION private.post_payout()",
        "ALTER TABLE payouts ENABLE ALWAYS TRIGGER post_payout",
    )


def _policies() -> None:
    _destination_policies()
    _payout_policies()
    for table in ("payout_attempts", "payout_hold_rules"):
        policy(table, "zeraket_app", "SELECT", _SEES)
    for table in _TABLES:
        policy(table, "zeraket_worker", "SELECT", "true")
    policy("payout_attempts", "zeraket_worker", "INSERT", "milliseconds >= 0")
    policy("payout_hold_rules", "zeraket_worker", "INSERT", "version > 0")
    hide_columns("payout_attempts", "zeraket_app", "sealed_answers")


def _destination_policies() -> None:
    table = "payout_destinations"
    policy(table, "zeraket_app", "SELECT", _SEES)
    added = f"added_by = {_ACTOR} AND name_check = 'unchecked' AND confirmed_by IS NULL"
    policy(table, "zeraket_app", "INSERT", f"{_ASKS} AND {added}")
    run(
        # What was withdrawn stays withdrawn.
        f"CREATE POLICY {table}_app_update ON {table} FOR UPDATE TO zeraket_app"
        f" USING ({_DECIDES} AND withdrawn_at IS NULL)"
        f" WITH CHECK ({_DECIDES} AND {_PERSON} IN (confirmed_by, withdrawn_by))",
        f"GRANT UPDATE (confirmed_by, confirmed_at, withdrawn_by, withdrawn_at) ON {table}"
        " TO zeraket_app",
    )
    policy(table, "zeraket_worker", "UPDATE", "withdrawn_at IS NULL")
    policy(table, LEDGER, "SELECT", "true")
    hide_columns(table, "zeraket_app", "sealed_account", "sealed_told_name")
    run(
        f"REVOKE SELECT ON {table} FROM {LEDGER}",  # noqa: S608 - names of ours
        f"GRANT SELECT (organizer_id, id, rail, currency, confirmed_at, withdrawn_at) ON {table}"
        f" TO {LEDGER}",
        f"REVOKE UPDATE ON {table} FROM zeraket_worker",
        f"GRANT UPDATE (sealed_told_name, name_check, name_checked_at) ON {table}"
        " TO zeraket_worker",
    )


def _payout_policies() -> None:
    """People ask and decide under their own names; the server only does what was decided."""
    policy("payouts", "zeraket_app", "SELECT", _SEES)
    asked = f"{_ASKS} AND requested_by = {_ACTOR} AND state = 'requested'"
    policy("payouts", "zeraket_app", "INSERT", asked)
    run(
        "CREATE POLICY payouts_app_update ON payouts FOR UPDATE TO zeraket_app"
        f" USING ({_DECIDES} AND state IN ('requested', 'stopped') AND requested_by <> {_PERSON})"
        f" WITH CHECK ({_DECIDES} AND state IN ('approved', 'refused') AND decided_by = {_PERSON})",
        "GRANT UPDATE (state, decided_by, decided_at, accepts_name, reason, state_changed_at,"
        " next_read_at) ON payouts TO zeraket_app",
        "CREATE POLICY payouts_worker_update ON payouts FOR UPDATE TO zeraket_worker"
        " USING (state <> 'requested') WITH CHECK (state <> 'requested')",
        "GRANT UPDATE (state, provider_reference, rail_fee, reason, attempts, sent_at,"
        " state_changed_at, next_read_at) ON payouts TO zeraket_worker",
    )


def _ledger_view() -> None:
    """Which postings belong to a payout: their keys say so, and a table would say it twice."""
    run(
        """
        CREATE VIEW payout_ledger_entries WITH (security_invoker = true) AS
        SELECT p.organizer_id, p.id AS payout_id, t.id AS txn_id, t.kind, t.recorded_at,
               e.line_no, e.account, e.currency, e.amount
        FROM payouts AS p
        JOIN finance_txns AS t ON t.organizer_id = p.organizer_id AND t.idem_key = ANY (ARRAY[
            'payout_requested:' || p.id, 'payout_confirmed:' || p.id,
            'payout_failed:' || p.id, 'payout_returned:' || p.id])
        JOIN finance_entries AS e ON e.organizer_id = t.organizer_id AND e.txn_id = t.id
        """,
        "GRANT SELECT ON payout_ledger_entries TO zeraket_app, zeraket_worker",
    )
