"""What was approved and never sent may still be refused, so that no payout waits for ever; nobody
is paid over a rail that pays nobody out; and who asks or decides fills in nothing that the server
does.
"""

from typing import Final

from sync_server.migrations.support import in_my_organizers, run

revision: Final = "0032"
down_revision: Final = "0031"
branch_labels: Final = None
depends_on: Final = None

_STEPS_BEFORE: Final = (
    "('requested', 'approved'), ('requested', 'refused'), ('approved', 'stopped'),"
    " ('approved', 'unknown'), ('stopped', 'approved'), ('stopped', 'refused'),"
    " ('unknown', 'pending'), ('unknown', 'succeeded'), ('unknown', 'failed'),"
    " ('pending', 'succeeded'), ('pending', 'failed'), ('succeeded', 'returned')"
)
_STEPS: Final = f"{_STEPS_BEFORE}, ('approved', 'refused')"
_ACTOR: Final = "coalesce((SELECT private.my_user_id()), (SELECT private.my_service_account_id()))"
_PERSON: Final = "(SELECT private.my_user_id())"
_ASKS: Final = in_my_organizers("payouts.request")
_DECIDES: Final = in_my_organizers("payouts.approve")
# The tables' own checks keep the rail that never paid anybody out: rows of it may be there, and
# what was asked for over it is still to be refused.
_PAYS_OUT: Final = "rail IN ('airtel', 'bank', 'mtn')"
_NEVER_SENT: Final = "attempts = 0 AND sent_at IS NULL"
_ADDED_BEFORE: Final = (
    f"{_ASKS} AND added_by = {_ACTOR} AND name_check = 'unchecked' AND confirmed_by IS NULL"
)
_ADDED: Final = (
    f"{_ADDED_BEFORE} AND {_PAYS_OUT} AND name_checked_at IS NULL AND sealed_told_name IS NULL"
    " AND withdrawn_by IS NULL"
)
_ASKED_BEFORE: Final = f"{_ASKS} AND requested_by = {_ACTOR} AND state = 'requested'"
# The server fills these in, and posts what stands in them.
_UNFILLED: Final = f"{_NEVER_SENT} AND rail_fee = 0 AND provider_reference IS NULL"
_ASKED: Final = (
    f"{_ASKED_BEFORE} AND {_PAYS_OUT} AND {_UNFILLED} AND reason IS NULL AND NOT accepts_name"
    " AND decided_at IS NULL AND next_read_at IS NULL AND state_changed_at = requested_at"
)
_DECIDED_BEFORE: Final = (
    f"{_DECIDES} AND state IN ('approved', 'refused') AND decided_by = {_PERSON}"
)
# What is approved is due at once, and nobody but the server puts it off.
_DECIDED: Final = (
    f"{_DECIDED_BEFORE} AND {_UNFILLED} AND state_changed_at = decided_at"
    " AND next_read_at IS NOT DISTINCT FROM CASE state WHEN 'approved' THEN decided_at END"
)


def upgrade() -> None:
    _replace_steps(
        _STEPS,
        """
            IF OLD.state = 'approved' AND NEW.state = 'refused'
                AND (OLD.attempts > 0 OR OLD.sent_at IS NOT NULL) THEN
                RAISE EXCEPTION 'a payout that was sent is not refused'
                    USING ERRCODE = 'check_violation', CONSTRAINT = 'ck_payouts_step';
            END IF;
            IF NEW.state = OLD.state AND (NEW.decided_by, NEW.decided_at, NEW.accepts_name)
                IS DISTINCT FROM (OLD.decided_by, OLD.decided_at, OLD.accepts_name) THEN
                RAISE EXCEPTION 'who decided on a payout stays as it is until it is decided anew'
                    USING ERRCODE = 'check_violation', CONSTRAINT = 'ck_payouts_step';
            END IF;""",
    )
    waits = f"state IN ('requested', 'stopped') OR (state = 'approved' AND {_NEVER_SENT})"
    _replace_policies(_ADDED, _ASKED, waits, _DECIDED)


def downgrade() -> None:
    _replace_steps(_STEPS_BEFORE)
    waits = "state IN ('requested', 'stopped')"
    _replace_policies(_ADDED_BEFORE, _ASKED_BEFORE, waits, _DECIDED_BEFORE)


def _replace_steps(steps: str, more: str = "") -> None:
    run(
        f"""
        CREATE OR REPLACE FUNCTION private.require_payout_step() RETURNS trigger
        LANGUAGE plpgsql SET search_path = '' AS $function$
        BEGIN
            IF NEW.state <> OLD.state AND (OLD.state, NEW.state) NOT IN ({steps}) THEN
                RAISE EXCEPTION 'a payout that is % does not become %', OLD.state, NEW.state
                    USING ERRCODE = 'check_violation', CONSTRAINT = 'ck_payouts_step';
            END IF;{more}
            RETURN NEW;
        END
        $function$
        """,
    )


def _replace_policies(added: str, asked: str, waits: str, decided: str) -> None:
    run(
        f"ALTER POLICY payout_destinations_app_insert ON payout_destinations WITH CHECK ({added})",
        f"ALTER POLICY payouts_app_insert ON payouts WITH CHECK ({asked})",
        "ALTER POLICY payouts_app_update ON payouts"
        f" USING ({_DECIDES} AND ({waits}) AND requested_by <> {_PERSON})"
        f" WITH CHECK ({decided})",
    )
