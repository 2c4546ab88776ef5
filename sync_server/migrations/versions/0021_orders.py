"""What is on sale, orders and what each ticket of one costs, rules of fees, and promo codes.

`ticket_offers.taken` counts what is held and sold. It is raised by one conditional statement and
checked by the table itself, so no number of buyers at once takes more than there is.
"""

from typing import Final

from sync_server.migrations.support import (
    ANY_MEMBER,
    hide_columns,
    in_my_organizers,
    policy,
    protect,
    run,
)

revision: Final = "0021"
down_revision: Final = "0020"
branch_labels: Final = None
depends_on: Final = None

_TABLES: Final = ("order_lines", "orders", "promo_codes", "ticket_offers", "fee_rules")
_KINDS: Final = "('platform_fee', 'provider_fee', 'tax_on_fees', 'tax_on_tickets')"
_STATES: Final = "('held', 'paid', 'expired', 'cancelled', 'reversed')"
_SHARES: Final = (
    "organizer_share",
    "platform_fee",
    "tax_on_fees",
    "tax_on_tickets",
    "provider_fee",
)
_WITHDRAWN: Final = "status <> 'transferred'"


def upgrade() -> None:
    _fee_rules()
    _ticket_offers()
    _promo_codes()
    _orders()
    _order_lines()
    _repeats()
    protect(*_TABLES)
    _policies()
    _order_policies()
    _issuing()
    _begun_payments()
    _found_by_id()


def downgrade() -> None:
    run(
        "ALTER POLICY payments_worker_insert ON payments"
        " WITH CHECK (state = 'created' AND refunded_amount = 0)",
        "DROP POLICY tickets_worker_insert ON tickets",
        "DROP POLICY tickets_worker_update ON tickets",
        "REVOKE INSERT ON tickets FROM zeraket_worker",
        "REVOKE UPDATE (status, status_reason, status_changed_at) ON tickets FROM zeraket_worker",
        "DROP INDEX ix_payments_id, ix_refunds_id",
        "ALTER TABLE payments DROP COLUMN repeat_hash",
        "ALTER TABLE refunds DROP COLUMN repeat_hash",
        f"DROP TABLE {', '.join(_TABLES)}",
    )


def _currency(table: str) -> str:
    return f"CONSTRAINT ck_{table}_currency CHECK (currency ~ '^[A-Z]{{3}}$')"


def _digest(table: str, column: str) -> str:
    return f"CONSTRAINT ck_{table}_{column} CHECK (octet_length({column}) = 32)"


def _shares(table: str) -> str:
    columns = ", ".join(f"{name} bigint NOT NULL" for name in _SHARES)
    parts = " AND ".join(f"{name} >= 0" for name in _SHARES)
    return (
        f"{columns}, CONSTRAINT ck_{table}_parts CHECK ({parts}),"
        f" CONSTRAINT ck_{table}_shares CHECK (amount = {' + '.join(_SHARES)})"
    )


def _fee_rules() -> None:
    """A rule is changed by its next version. Whose it is stands in two columns of its own, since
    the platform's rules are no organizer's.
    """
    run(
        f"""
        CREATE TABLE fee_rules (
            id uuid NOT NULL,
            version bigint NOT NULL
                CONSTRAINT ck_fee_rules_version CHECK (version BETWEEN 1 AND 1000000),
            name text NOT NULL
                CONSTRAINT ck_fee_rules_name CHECK (name ~ '^[a-z][a-z0-9_]{{0,39}}$'),
            for_organizer_id uuid CONSTRAINT fk_fee_rules_for_organizer_id REFERENCES organizers,
            for_event_id uuid CONSTRAINT ck_fee_rules_scope
                CHECK (for_event_id IS NULL OR for_organizer_id IS NOT NULL),
            kind text NOT NULL CONSTRAINT ck_fee_rules_kind CHECK (kind IN {_KINDS}),
            bearer text NOT NULL
                CONSTRAINT ck_fee_rules_bearer CHECK (bearer IN ('buyer', 'organizer')),
            basis_points bigint NOT NULL
                CONSTRAINT ck_fee_rules_basis_points CHECK (basis_points BETWEEN 0 AND 10000),
            currency text {_currency("fee_rules")},
            fixed_minor_units bigint NOT NULL
                CONSTRAINT ck_fee_rules_fixed_minor_units CHECK (fixed_minor_units >= 0),
            cap_minor_units bigint
                CONSTRAINT ck_fee_rules_cap_minor_units CHECK (cap_minor_units >= 0),
            valid_from timestamptz NOT NULL,
            created_by uuid NOT NULL,
            created_at timestamptz NOT NULL,
            CONSTRAINT pk_fee_rules PRIMARY KEY (id, version),
            CONSTRAINT ck_fee_rules_amounts CHECK (currency IS NOT NULL
                OR (fixed_minor_units = 0 AND cap_minor_units IS NULL))
        )
        """,
        # Of two people who change a rule at once, one is told.
        "CREATE UNIQUE INDEX ix_fee_rules_scope ON fee_rules"
        " (for_organizer_id, for_event_id, name, currency, version) NULLS NOT DISTINCT",
        "CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON fee_rules"
        " FOR EACH STATEMENT EXECUTE FUNCTION private.refuse_change()",
        "ALTER TABLE fee_rules ENABLE ALWAYS TRIGGER refuse_change",
    )


def _ticket_offers() -> None:
    """Apart from ticket types, so that counting tickets rewrites no row that gates' snapshots are
    built from; half of each page is free for it.
    """
    run(
        f"""
        CREATE TABLE ticket_offers (
            organizer_id uuid NOT NULL,
            event_id uuid NOT NULL,
            ticket_type_id uuid NOT NULL,
            currency text NOT NULL {_currency("ticket_offers")},
            price bigint NOT NULL CONSTRAINT ck_ticket_offers_price
                CHECK (price BETWEEN 0 AND 1000000000000),
            quantity bigint NOT NULL,
            taken bigint NOT NULL DEFAULT 0,
            sales_from timestamptz,
            sales_until timestamptz,
            per_buyer_max bigint
                CONSTRAINT ck_ticket_offers_per_buyer_max CHECK (per_buyer_max BETWEEN 1 AND 100),
            changed_at timestamptz NOT NULL,
            CONSTRAINT pk_ticket_offers PRIMARY KEY (organizer_id, event_id, ticket_type_id),
            CONSTRAINT fk_ticket_offers_organizer_id_event_id_ticket_type_id
                FOREIGN KEY (organizer_id, event_id, ticket_type_id) REFERENCES ticket_types,
            CONSTRAINT ck_ticket_offers_taken CHECK (taken BETWEEN 0 AND quantity),
            CONSTRAINT ck_ticket_offers_window CHECK (sales_until > sales_from)
        ) WITH (fillfactor = 50)
        """,
    )


def _promo_codes() -> None:
    run(
        f"""
        CREATE TABLE promo_codes (
            organizer_id uuid NOT NULL,
            id uuid NOT NULL,
            event_id uuid NOT NULL,
            code text NOT NULL
                CONSTRAINT ck_promo_codes_code CHECK (code ~ '^[A-Z0-9-]{{3,40}}$'),
            basis_points bigint
                CONSTRAINT ck_promo_codes_basis_points CHECK (basis_points BETWEEN 1 AND 10000),
            currency text {_currency("promo_codes")},
            fixed_minor_units bigint
                CONSTRAINT ck_promo_codes_fixed_minor_units CHECK (fixed_minor_units > 0),
            uses_max bigint NOT NULL,
            uses bigint NOT NULL DEFAULT 0,
            valid_until timestamptz,
            created_at timestamptz NOT NULL,
            withdrawn_at timestamptz,
            CONSTRAINT pk_promo_codes PRIMARY KEY (organizer_id, id),
            CONSTRAINT uq_promo_codes_organizer_id_event_id_code
                UNIQUE (organizer_id, event_id, code),
            CONSTRAINT fk_promo_codes_organizer_id_event_id
                FOREIGN KEY (organizer_id, event_id) REFERENCES events,
            CONSTRAINT ck_promo_codes_uses CHECK (uses BETWEEN 0 AND uses_max),
            CONSTRAINT ck_promo_codes_discount CHECK (
                (basis_points IS NULL) <> (fixed_minor_units IS NULL)
                AND (currency IS NULL) = (fixed_minor_units IS NULL))
        )
        """,
    )


def _orders() -> None:
    """`charges` are the versions of the rules and what each made, as they were quoted.

    Who buys is sealed; `buyer_hash` counts one buyer's tickets and names nobody.
    """
    run(
        f"""
        CREATE TABLE orders (
            organizer_id uuid NOT NULL,
            id uuid NOT NULL,
            event_id uuid NOT NULL,
            number text NOT NULL,
            channel text NOT NULL
                CONSTRAINT ck_orders_channel CHECK (channel IN ('online', 'box_office')),
            state text NOT NULL CONSTRAINT ck_orders_state CHECK (state IN {_STATES}),
            currency text NOT NULL {_currency("orders")},
            price bigint NOT NULL,
            discount bigint NOT NULL CONSTRAINT ck_orders_discount CHECK (discount >= 0),
            amount bigint NOT NULL,
            {_shares("orders")},
            charges jsonb NOT NULL,
            promo_code_id uuid,
            buyer_hash bytea NOT NULL {_digest("orders", "buyer_hash")},
            sealed_buyer bytea NOT NULL,
            token_hash bytea NOT NULL {_digest("orders", "token_hash")},
            sealed_token bytea NOT NULL,
            repeat_hash bytea NOT NULL {_digest("orders", "repeat_hash")},
            request_hash bytea NOT NULL {_digest("orders", "request_hash")},
            payment_id uuid,
            sold_by uuid,
            created_at timestamptz NOT NULL,
            hold_expires_at timestamptz NOT NULL,
            state_changed_at timestamptz NOT NULL,
            CONSTRAINT pk_orders PRIMARY KEY (organizer_id, id),
            CONSTRAINT uq_orders_organizer_id_repeat_hash UNIQUE (organizer_id, repeat_hash),
            CONSTRAINT fk_orders_organizer_id_event_id
                FOREIGN KEY (organizer_id, event_id) REFERENCES events,
            CONSTRAINT fk_orders_organizer_id_promo_code_id
                FOREIGN KEY (organizer_id, promo_code_id) REFERENCES promo_codes
        )
        """,
        "CREATE UNIQUE INDEX ix_orders_token_hash ON orders (token_hash)",
        "CREATE UNIQUE INDEX ix_orders_number ON orders (number)",
        "CREATE INDEX ix_orders_organizer_id_event_id_buyer_hash ON orders"
        " (organizer_id, event_id, buyer_hash)",
        "CREATE INDEX ix_orders_organizer_id_promo_code_id ON orders"
        " (organizer_id, promo_code_id) WHERE promo_code_id IS NOT NULL",
        "CREATE INDEX ix_orders_hold_expires_at ON orders (hold_expires_at) WHERE state = 'held'",
    )


def _order_lines() -> None:
    """One ticket each. `sealed_claim` opens the ticket for its buyer, who may come back for it."""
    run(
        f"""
        CREATE TABLE order_lines (
            organizer_id uuid NOT NULL,
            order_id uuid NOT NULL,
            line_no bigint NOT NULL
                CONSTRAINT ck_order_lines_line_no CHECK (line_no BETWEEN 1 AND 100),
            ticket_type_id uuid NOT NULL,
            price bigint NOT NULL,
            amount bigint NOT NULL,
            {_shares("order_lines")},
            ticket_id bigint,
            sealed_claim bytea,
            refund_id uuid,
            returned_at timestamptz,
            CONSTRAINT pk_order_lines PRIMARY KEY (organizer_id, order_id, line_no),
            CONSTRAINT fk_order_lines_organizer_id_order_id
                FOREIGN KEY (organizer_id, order_id) REFERENCES orders
        )
        """,
        "CREATE INDEX ix_order_lines_organizer_id_refund_id ON order_lines"
        " (organizer_id, refund_id) WHERE refund_id IS NOT NULL",
    )


def _repeats() -> None:
    """The key under which a payment or a refund was asked for makes no second one."""
    for table in ("payments", "refunds"):
        constraint = f"uq_{table}_organizer_id_repeat_hash"
        run(
            f"ALTER TABLE {table} ADD COLUMN repeat_hash bytea {_digest(table, 'repeat_hash')}",
            f"ALTER TABLE {table} ADD CONSTRAINT {constraint} UNIQUE (organizer_id, repeat_hash)",
        )


def _policies() -> None:
    policy("fee_rules", "zeraket_worker", "SELECT", "true")
    policy("fee_rules", "zeraket_worker", "INSERT", "version > 0")
    policy("ticket_offers", "zeraket_app", "SELECT", in_my_organizers(ANY_MEMBER))
    policy("promo_codes", "zeraket_app", "SELECT", in_my_organizers("event.manage"))
    for table, counter in (("ticket_offers", "taken"), ("promo_codes", "uses")):
        mine = in_my_organizers("event.manage")
        policy(table, "zeraket_app", "INSERT", f"{mine} AND {counter} = 0")
        policy(table, "zeraket_app", "UPDATE", mine)
        policy(table, "zeraket_worker", "SELECT", "true")
        policy(table, "zeraket_worker", "UPDATE", f"{counter} >= 0")
        run(
            f"REVOKE UPDATE ON {table} FROM zeraket_app, zeraket_worker",
            f"GRANT UPDATE ({counter}) ON {table} TO zeraket_worker",
        )
    run(
        # What was taken is counted by the server alone.
        "GRANT UPDATE (currency, price, quantity, sales_from, sales_until, per_buyer_max,"
        " changed_at) ON ticket_offers TO zeraket_app",
        "GRANT UPDATE (uses_max, valid_until, withdrawn_at) ON promo_codes TO zeraket_app",
    )


def _order_policies() -> None:
    for table in ("orders", "order_lines"):
        policy(table, "zeraket_app", "SELECT", in_my_organizers("finance.view"))
        policy(table, "zeraket_worker", "SELECT", "true")
        policy(table, "zeraket_worker", "INSERT", "amount >= 0")
    # A hold is only ever lengthened; a ticket comes with what opens it.
    policy("orders", "zeraket_worker", "UPDATE", "hold_expires_at > created_at")
    policy(
        "order_lines", "zeraket_worker", "UPDATE", "(ticket_id IS NULL) = (sealed_claim IS NULL)"
    )
    hide_columns(
        "orders",
        "zeraket_app",
        "buyer_hash",
        "sealed_buyer",
        "token_hash",
        "sealed_token",
        "repeat_hash",
        "request_hash",
    )
    hide_columns("order_lines", "zeraket_app", "sealed_claim")
    run(
        # What was quoted is never changed.
        "REVOKE UPDATE ON orders, order_lines FROM zeraket_worker",
        "GRANT UPDATE (state, payment_id, hold_expires_at, state_changed_at) ON orders"
        " TO zeraket_worker",
        "GRANT UPDATE (ticket_id, sealed_claim, refund_id, returned_at) ON order_lines"
        " TO zeraket_worker",
    )


def _found_by_id() -> None:
    """Jobs know a payment or a refund by its id alone."""
    for table in ("payments", "refunds"):
        run(f"CREATE UNIQUE INDEX ix_{table}_id ON {table} (id)")


def _begun_payments() -> None:
    """An order's payment is written down as sent in the order's own transaction: one less to wait
    for.
    """
    run(
        "ALTER POLICY payments_worker_insert ON payments"
        " WITH CHECK (state IN ('created', 'unknown') AND refunded_amount = 0)"
    )


def _issuing() -> None:
    """The server issues what was paid, and takes back what was given back."""
    policy("tickets", "zeraket_worker", "INSERT", "generation = 1 AND status = 'valid'")
    policy("tickets", "zeraket_worker", "UPDATE", _WITHDRAWN)
    run(
        "REVOKE UPDATE ON tickets FROM zeraket_worker",
        "GRANT UPDATE (status, status_reason, status_changed_at) ON tickets TO zeraket_worker",
    )
