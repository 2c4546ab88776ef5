"""What was asked for under a key is kept with a payment and with a refund, so that the key makes no
answer to another request; of a refund in cash the lines are all that is kept.
"""

from typing import Final

from sync_server.migrations.support import run

revision: Final = "0029"
down_revision: Final = "0028"
branch_labels: Final = None
depends_on: Final = None


def upgrade() -> None:
    _keep("payments", "request_hash")
    _keep("refunds", "request_hash")
    _keep("order_lines", "refund_request_hash")
    run("GRANT UPDATE (refund_request_hash) ON order_lines TO zeraket_worker")


def downgrade() -> None:
    run(
        "ALTER TABLE payments DROP COLUMN request_hash",
        "ALTER TABLE refunds DROP COLUMN request_hash",
        "ALTER TABLE order_lines DROP COLUMN refund_request_hash",
    )


def _keep(table: str, column: str) -> None:
    run(
        f"ALTER TABLE {table} ADD COLUMN {column} bytea"
        f" CONSTRAINT ck_{table}_{column} CHECK (octet_length({column}) = 32)"
    )
