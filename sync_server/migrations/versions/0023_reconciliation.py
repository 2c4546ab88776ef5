"""What providers' statements say, and what the daily reconciliation found: only ever added to, and
the server's own.
"""

from typing import Final

from sync_server.migrations.support import append_only, policy, protect, run

revision: Final = "0023"
down_revision: Final = "0022"
branch_labels: Final = None
depends_on: Final = None

_TABLES: Final = ("recon_items", "recon_runs", "statement_lines", "statement_files")
_PROVIDERS: Final = "('airtel', 'bank', 'flutterwave', 'mtn', 'pesapal')"


def upgrade() -> None:
    _reconciliation_tables()
    _statement_tables()
    append_only(*_TABLES)
    protect(*_TABLES)
    for table in _TABLES:
        policy(table, "zeraket_worker", "SELECT", "true")
    policy("recon_runs", "zeraket_worker", "INSERT", "ended_at >= started_at")
    policy("recon_items", "zeraket_worker", "INSERT", "item_no > 0")
    policy("statement_files", "zeraket_worker", "INSERT", "lines >= 0")
    policy("statement_lines", "zeraket_worker", "INSERT", "fee >= 0")


def downgrade() -> None:
    run(f"DROP TABLE {', '.join(_TABLES)}")


def _reconciliation_tables() -> None:
    run(
        """
        CREATE TABLE recon_runs (
            id uuid CONSTRAINT pk_recon_runs PRIMARY KEY,
            source text NOT NULL
                CONSTRAINT ck_recon_runs_source CHECK (source IN ('schedule', 'operator')),
            started_at timestamptz NOT NULL,
            ended_at timestamptz NOT NULL,
            counts jsonb NOT NULL
                CONSTRAINT ck_recon_runs_counts CHECK (jsonb_typeof(counts) = 'object'),
            drifts bigint NOT NULL CONSTRAINT ck_recon_runs_drifts CHECK (drifts >= 0),
            notes bigint NOT NULL CONSTRAINT ck_recon_runs_notes CHECK (notes >= 0)
        )
        """,
        """
        CREATE TABLE recon_items (
            run_id uuid NOT NULL CONSTRAINT fk_recon_items_run_id REFERENCES recon_runs,
            item_no bigint NOT NULL,
            check_name text NOT NULL,
            finding text NOT NULL,
            severity text NOT NULL
                CONSTRAINT ck_recon_items_severity CHECK (severity IN ('drift', 'note')),
            books_of uuid,
            subject text NOT NULL,
            currency text,
            expected bigint,
            found bigint,
            CONSTRAINT pk_recon_items PRIMARY KEY (run_id, item_no)
        )
        """,
    )


def _statement_tables() -> None:
    """What providers say moved; of a line only references and amounts are kept, and nobody's
    telephone. The same line in two files is one line.
    """
    run(
        f"""
        CREATE TABLE statement_files (
            sha256 bytea CONSTRAINT pk_statement_files PRIMARY KEY
                CONSTRAINT ck_statement_files_sha256 CHECK (octet_length(sha256) = 32),
            provider text NOT NULL CONSTRAINT ck_statement_files_provider
                CHECK (provider IN {_PROVIDERS}),
            account text NOT NULL CONSTRAINT ck_statement_files_account
                CHECK (length(account) BETWEEN 1 AND 60),
            name text NOT NULL CONSTRAINT ck_statement_files_name CHECK (length(name) <= 200),
            lines bigint NOT NULL,
            imported_at timestamptz NOT NULL
        )
        """,
        f"""
        CREATE TABLE statement_lines (
            provider text NOT NULL CONSTRAINT ck_statement_lines_provider
                CHECK (provider IN {_PROVIDERS}),
            account text NOT NULL,
            line_key text NOT NULL CONSTRAINT ck_statement_lines_line_key
                CHECK (length(line_key) BETWEEN 1 AND 200),
            kind text NOT NULL CONSTRAINT ck_statement_lines_kind CHECK (kind IN
                ('collection', 'refund', 'disbursement', 'fee', 'settlement', 'other')),
            reference text,
            provider_reference text,
            currency text NOT NULL
                CONSTRAINT ck_statement_lines_currency CHECK (currency ~ '^[A-Z]{{3}}$'),
            amount bigint NOT NULL,
            fee bigint NOT NULL CONSTRAINT ck_statement_lines_fee CHECK (fee >= 0),
            booked_at timestamptz NOT NULL,
            file_sha256 bytea NOT NULL
                CONSTRAINT fk_statement_lines_file_sha256 REFERENCES statement_files,
            CONSTRAINT pk_statement_lines PRIMARY KEY (provider, account, line_key)
        )
        """,
        "CREATE INDEX ix_statement_lines_file_sha256 ON statement_lines (file_sha256)",
    )
