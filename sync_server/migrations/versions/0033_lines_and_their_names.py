"""A line of a statement is known by all its names, tells whether money came or went, and may be one
that says otherwise of what was kept before; what was taken back from us is a kind of its own.
"""

from typing import Final

from sync_server.migrations.support import run

revision: Final = "0033"
down_revision: Final = "0032"
branch_labels: Final = None
depends_on: Final = None

_KINDS: Final = ("collection", "refund", "disbursement", "fee", "settlement", "other")


def upgrade() -> None:
    # Lines from before have none, and are found by the key that they were kept under.
    run(
        "ALTER TABLE bank_movements ADD COLUMN other_keys bytea[]",
        "CREATE INDEX ix_bank_movements_other_keys ON bank_movements USING gin (other_keys)",
        """
        ALTER TABLE statement_lines
            ADD COLUMN other_keys text[],
            ADD COLUMN direction text CONSTRAINT ck_statement_lines_direction
                CHECK (direction IN ('credit', 'debit')),
            ADD COLUMN differs_from text
        """,
        "CREATE INDEX ix_statement_lines_other_keys ON statement_lines USING gin (other_keys)",
    )
    _kinds(*_KINDS, "reversal")
    run("ALTER TABLE statement_lines VALIDATE CONSTRAINT ck_statement_lines_kind")


def downgrade() -> None:
    """Lines of the kind that is no longer known stay: nothing is taken from a statement."""
    _kinds(*_KINDS)
    run(
        "ALTER TABLE bank_movements DROP COLUMN other_keys",
        """
        ALTER TABLE statement_lines
            DROP COLUMN other_keys, DROP COLUMN direction, DROP COLUMN differs_from
        """,
    )


def _kinds(*kinds: str) -> None:
    named = ", ".join(f"'{kind}'" for kind in kinds)
    run(
        f"""
        ALTER TABLE statement_lines
            DROP CONSTRAINT ck_statement_lines_kind,
            ADD CONSTRAINT ck_statement_lines_kind CHECK (kind IN ({named})) NOT VALID
        """
    )
