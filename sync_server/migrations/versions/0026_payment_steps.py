"""Which state of a payment and of a refund may follow which: what was paid is never unmade, and
what was given back is never taken into the books again, whoever writes it.
"""

from typing import Final

from sync_server.migrations.support import run

revision: Final = "0026"
down_revision: Final = "0025"
branch_labels: Final = None
depends_on: Final = None

_ONCE_OPEN: Final = ("created", "unknown", "pending")
_OF_PAYMENTS: Final = (
    ("created", "unknown"),
    *((state, "pending") for state in ("created", "unknown")),
    *(
        (state, after)
        for state in _ONCE_OPEN
        for after in ("succeeded", "mismatched", "failed", "expired")
    ),
    *((state, after) for state in ("failed", "expired") for after in ("succeeded", "mismatched")),
    *(("succeeded", after) for after in ("disputed", "reversed")),
    *(("disputed", after) for after in ("succeeded", "reversed")),
)
_OF_REFUNDS: Final = (
    ("requested", "unknown"),
    *((state, "pending") for state in ("requested", "unknown")),
    *(
        (state, after)
        for state in ("requested", "unknown", "pending")
        for after in ("succeeded", "failed")
    ),
)


def upgrade() -> None:
    _require_steps("payments", "payment", _OF_PAYMENTS)
    _require_steps("refunds", "refund", _OF_REFUNDS)


def downgrade() -> None:
    for table, word in (("payments", "payment"), ("refunds", "refund")):
        run(
            f"DROP TRIGGER require_step ON {table}",
            f"DROP FUNCTION private.require_{word}_step()",
        )


def _require_steps(table: str, word: str, steps: tuple[tuple[str, str], ...]) -> None:
    function = f"private.require_{word}_step()"
    allowed = ", ".join(f"('{before}', '{after}')" for before, after in steps)
    run(
        f"""
        CREATE FUNCTION {function} RETURNS trigger
        LANGUAGE plpgsql SET search_path = '' AS $function$
        BEGIN
            IF NEW.state <> OLD.state AND (OLD.state, NEW.state) NOT IN ({allowed}) THEN
                RAISE EXCEPTION 'a {word} that is % does not become %', OLD.state, NEW.state
                    USING ERRCODE = 'check_violation', CONSTRAINT = 'ck_{table}_step';
            END IF;
            RETURN NEW;
        END
        $function$
        """,
        f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC",
        f"CREATE TRIGGER require_step BEFORE UPDATE ON {table} FOR EACH ROW"
        f" EXECUTE FUNCTION {function}",
        f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER require_step",
    )
