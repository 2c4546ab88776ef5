"""Lists of what is a person's own, and of alarms, are read in their order from an index. What the
books' and the worker's policies on money say is something a row can break.
"""

from typing import Final

from sync_server.migrations.roles import LEDGER
from sync_server.migrations.support import run

revision: Final = "0020"
down_revision: Final = "0019"
branch_labels: Final = None
depends_on: Final = None

_PERSONS: Final = ("user_openid_identities", "user_passkeys")
_ANY_ROW: Final = "organizer_id IS NOT NULL"
_GUARDED: Final = (
    "organizer_id IS NOT NULL AND split_part(account, ':', 1)"
    " IN ('buyer_credit', 'organizer_available', 'organizer_reserve')"
)
_READ_BY_THE_LEDGER: Final = (
    "finance_entries",
    "finance_guarded_balances",
    "finance_txns",
    "payments",
)
_ADDED_BY_THE_LEDGER: Final = (
    ("finance_entries", "xid > 0"),
    ("finance_guarded_balances", _GUARDED),
    ("finance_txns", "xid > 0"),
)
_CHANGED: Final = (
    ("finance_guarded_balances", LEDGER, _GUARDED, _ANY_ROW),
    ("payments", "zeraket_worker", "refunded_amount BETWEEN 0 AND amount", "amount > 0"),
    ("refunds", "zeraket_worker", "attempts >= 0", "amount > 0"),
)


def upgrade() -> None:
    for table in _PERSONS:
        run(
            f"DROP INDEX ix_{table}_user_id",
            f"CREATE INDEX ix_{table}_user_id ON {table} (user_id, id)",
        )
    run("CREATE INDEX ix_alarms_in_order ON alarms ((cleared_at IS NOT NULL), id DESC)")
    for table in _READ_BY_THE_LEDGER:
        run(f"ALTER POLICY {table}_ledger_select ON {table} USING (true)")
    for table, check in _ADDED_BY_THE_LEDGER:
        run(f"ALTER POLICY {table}_ledger_insert ON {table} WITH CHECK ({check})")
    for table, role, now, _ in _CHANGED:
        _change(table, role, now)


def downgrade() -> None:
    for table, role, _, before in _CHANGED:
        _change(table, role, before)
    for table, _ in _ADDED_BY_THE_LEDGER:
        run(f"ALTER POLICY {table}_ledger_insert ON {table} WITH CHECK ({_ANY_ROW})")
    for table in _READ_BY_THE_LEDGER:
        run(f"ALTER POLICY {table}_ledger_select ON {table} USING ({_ANY_ROW})")
    run("DROP INDEX ix_alarms_in_order")
    for table in _PERSONS:
        run(
            f"DROP INDEX ix_{table}_user_id",
            f"CREATE INDEX ix_{table}_user_id ON {table} (user_id)",
        )


def _change(table: str, role: str, condition: str) -> None:
    name = f"{table}_{role.removeprefix('zeraket_')}_update"
    run(f"ALTER POLICY {name} ON {table} USING ({condition}) WITH CHECK ({condition})")
