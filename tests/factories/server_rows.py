"""One row in every table that is the server's own, put there by the superuser: each beside a row
that the worker may read and must not touch, so that a policy which lets it is noticed.
"""

from secrets import token_bytes, token_hex
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from tests.factories.tenants import Tenant

_STATEMENTS: Final = (
    # Roles without a meaning, so that a right to end admins is no right to end those.
    "ALTER TABLE user_roles DROP CONSTRAINT IF EXISTS ck_user_roles_role",
    "INSERT INTO user_roles (user_id, role) VALUES (:user, 'admin'), (:user, 'other')",
    "INSERT INTO user_passwords VALUES (:user, '$argon2id$v=19$', now())",
    "INSERT INTO user_passwords VALUES (:member, 'in the open', now())",
    """
    INSERT INTO email_tokens VALUES
        (gen_random_uuid(), 'sign_up', :address, 'Grace', 'en', :hash, now(), 'infinity', NULL),
        (gen_random_uuid(), 'sign_up', :address, 'Grace', 'en', :other, now(), '-infinity', NULL)
    """,
    """
    INSERT INTO user_devices VALUES
        (gen_random_uuid(), :user, :hash, now(), 'infinity', NULL),
        (gen_random_uuid(), :user, :other, now(), '-infinity', NULL)
    """,
    "INSERT INTO user_totp VALUES (:user, :hash, now(), 0), (:member, :hash, now(), -1)",
    """
    INSERT INTO openid_flows (id, provider, token_hash, state_hash, nonce, sealed_code_verifier,
        language, created_at, expires_at)
    VALUES (gen_random_uuid(), 'google', :hash, :hash, '', '', 'en', now(), 'infinity'),
        (gen_random_uuid(), 'google', :other, :other, '', '', 'en', now(), '-infinity')
    """,
    """
    INSERT INTO user_openid_identities VALUES (gen_random_uuid(), :member, 'google', 'issuer',
        :address, 'Moses@example.org', now(), now())
    """,
    "ALTER TABLE user_passkeys DROP CONSTRAINT IF EXISTS ck_user_passkeys_sign_count",
    """
    INSERT INTO user_passkeys VALUES (gen_random_uuid(), :member, :hash, :hash, -1, '{}', 'Phone',
        false, false, now(), NULL)
    """,
    """
    INSERT INTO passkey_challenges VALUES
        (gen_random_uuid(), 'assertion', NULL, :hash, now(), 'infinity', NULL),
        (gen_random_uuid(), 'assertion', NULL, :other, now(), '-infinity', NULL)
    """,
    "INSERT INTO attempt_counters VALUES (:hash, now(), 1), (:other, now(), 0)",
    "INSERT INTO proof_uses VALUES (:hash, '-infinity'), (:other, 'infinity')",
    """
    INSERT INTO outbox (organizer_id, kind, channels, payload, published_at) VALUES
        (:organizer, 'old', '{}', '{}', '-infinity'), (:organizer, 'new', '{}', '{}', 'infinity')
    """,
    # Of another cluster's numbering.
    """
    INSERT INTO outbox (organizer_id, kind, channels, payload, published_at, xid)
    VALUES (:organizer, 'restored', '{}', '{}', 'infinity', 1000000000000)
    """,
    """
    INSERT INTO organizer_invitations (organizer_id, id, address, capabilities, token_hash,
        invited_by, created_at, expires_at, accepted_by)
    VALUES (:organizer, gen_random_uuid(), :address, '{}', :hash, :user, now(), now(), :user)
    """,
    """
    INSERT INTO organizer_invitations (organizer_id, id, address, capabilities, token_hash,
        invited_by, created_at, expires_at, accepted_by, accepted_at)
    VALUES (:organizer, gen_random_uuid(), :address, '{}', :other, :user, now(), now(), :member,
        now())
    """,
    """
    INSERT INTO finance_guarded_balances VALUES
        (:organizer, 'organizer_available', 'UGX', -1), (:organizer, 'bank', 'UGX', -1)
    """,
    """
    INSERT INTO finance_checkpoints
        (organizer_id, account, currency, numbering, below_xid, balance, entries, made_at)
    VALUES (:organizer, 'organizer_available', 'UGX', private.ledger_numbering(), 1, -1, 1, now()),
        (:organizer, 'organizer_available', 'UGX', 'elsewhere', 1, -2, 1, now())
    """,
    """
    WITH header AS (
        INSERT INTO finance_txns (organizer_id, id, kind, idem_key, request_hash, n_lines,
            occurred_at)
        VALUES (:organizer, gen_random_uuid(), 'capture', 'a sale', :hash, 2, now())
        RETURNING organizer_id, id
    )
    INSERT INTO finance_entries (organizer_id, txn_id, line_no, n_lines, account, currency, amount)
    SELECT organizer_id, id, line_no, 2, account, 'UGX', amount FROM header,
        (VALUES (1, 'bank', 1), (2, 'organizer_available', -1)) AS line (line_no, account, amount)
    """,
    """
    WITH payment AS (
        INSERT INTO payments (organizer_id, id, event_id, order_id, provider, state, reference,
            currency, amount, organizer_share, platform_fee, tax_on_fees, tax_on_tickets,
            provider_fee, sealed_request, created_at, expires_at, state_changed_at)
        SELECT organizer_id, gen_random_uuid(), id, id, 'mtn', 'created', gen_random_uuid(), 'UGX',
            1, 1, 0, 0, 0, 0, :hash, now(), now(), now()
        FROM events WHERE organizer_id = :organizer LIMIT 1
        RETURNING organizer_id, id
    )
    INSERT INTO payment_readings (organizer_id, payment_id, id, source, finding, milliseconds,
        read_at)
    SELECT organizer_id, id, gen_random_uuid(), 'poll', 'pending', 1, now() FROM payment
    """,
    """
    INSERT INTO refunds (organizer_id, id, payment_id, state, reference, amount, organizer_share,
        platform_fee, tax_on_fees, tax_on_tickets, provider_fee, reason, requested_at,
        state_changed_at)
    SELECT organizer_id, gen_random_uuid(), id, 'requested', gen_random_uuid(), 1, 1, 0, 0, 0, 0,
        'rain', now(), now()
    FROM payments WHERE organizer_id = :organizer
    """,
    # One destination and one payout that the founder decides on, and one of each of the founder's.
    """
    INSERT INTO payout_destinations (organizer_id, id, rail, currency, label, account_ending,
        sealed_account, name_check, added_by, added_at, confirmed_by, confirmed_at)
    VALUES (:organizer, gen_random_uuid(), 'mtn', 'UGX', 'MTN', '456', :hash, 'same', :member,
        now(), :user, now())
    """,
    """
    INSERT INTO payout_destinations (organizer_id, id, rail, currency, label, account_ending,
        sealed_account, name_check, added_by, added_at, withdrawn_by, withdrawn_at)
    VALUES (:organizer, gen_random_uuid(), 'mtn', 'UGX', 'MTN', '457', :hash, 'unchecked', :user,
        now(), :member, now())
    """,
    """
    UPDATE finance_guarded_balances SET balance = balance - 3
    WHERE organizer_id = :organizer AND account = 'organizer_available'
    """,
    """
    INSERT INTO payouts (organizer_id, id, number, destination_id, rail, state, reference,
        currency, amount, rail_fee, requested_by, requested_at, accepts_name, attempts,
        state_changed_at)
    SELECT organizer_id, gen_random_uuid(), 'PO1' || who.n, id, 'mtn', 'requested',
        gen_random_uuid(), 'UGX', 1, 0, who.person, now(), false, 0, now()
    FROM payout_destinations, (VALUES (1, CAST(:user AS uuid)), (2, :member), (3, :user))
        AS who (n, person)
    WHERE organizer_id = :organizer AND confirmed_at IS NOT NULL
    """,
    """
    UPDATE payouts SET state = 'approved', decided_by = :member, decided_at = now()
    WHERE organizer_id = :organizer AND number = 'PO13'
    """,
    """
    INSERT INTO payout_attempts
    SELECT organizer_id, id, gen_random_uuid(), 'poll', 'pending', NULL, :hash, 1, now()
    FROM payouts WHERE organizer_id = :organizer
    """,
    "INSERT INTO payout_hold_rules VALUES (:organizer, 1, 7, 'first event', :user, now())",
    "INSERT INTO statement_files VALUES (:hash, 'mtn', 'main', 'a file', 1, now())",
    """
    INSERT INTO statement_lines (provider, account, line_key, kind, currency, amount, fee,
        booked_at, file_sha256)
    VALUES ('mtn', 'main', :address, 'collection', 'UGX', 1, 0, now(), :hash)
    """,
    """
    WITH run AS (
        INSERT INTO recon_runs VALUES (gen_random_uuid(), 'schedule', now(), now(), '{}', 0, 0)
        RETURNING id
    )
    INSERT INTO recon_items SELECT id, 1, 'trial_balance', 'differs', 'drift', NULL, 'UGX' FROM run
    """,
    """
    INSERT INTO bank_movements VALUES (:hash, DEFAULT, 'account', 'UGX', 1, 'CRDT', false, NULL,
        '', '', '', '', NULL, NULL)
    """,
    "INSERT INTO bank_transfer_statuses VALUES (:hash, DEFAULT, '', '', '', '', 'ACTC', '{}', '')",
    "INSERT INTO bank_balances VALUES (:hash, DEFAULT, 'account', 'id', 'UGX', 1, now())",
    """
    INSERT INTO ticket_offers (organizer_id, event_id, ticket_type_id, currency, price, quantity,
        changed_at)
    SELECT organizer_id, event_id, id, 'UGX', 1, 1, now()
    FROM ticket_types WHERE organizer_id = :organizer
    """,
    """
    INSERT INTO promo_codes (organizer_id, id, event_id, code, basis_points, uses_max, created_at)
    SELECT organizer_id, gen_random_uuid(), id, 'EARLY', 1, 1, now()
    FROM events WHERE organizer_id = :organizer
    """,
    """
    INSERT INTO fee_rules (id, version, name, for_organizer_id, kind, bearer, basis_points,
        fixed_minor_units, valid_from, created_by, created_at)
    VALUES (gen_random_uuid(), 1, 'a_fee', :organizer, 'platform_fee', 'buyer', 1, 0, now(), :user,
        now())
    """,
    """
    WITH sale AS (
        INSERT INTO orders (organizer_id, id, event_id, number, channel, state, currency, price,
            discount, amount, organizer_share, platform_fee, tax_on_fees, tax_on_tickets,
            provider_fee, charges, buyer_hash, sealed_buyer, token_hash, sealed_token, repeat_hash,
            request_hash, created_at, hold_expires_at, state_changed_at)
        SELECT organizer_id, gen_random_uuid(), id, :address, 'online', 'held', 'UGX', 1, 0, 1, 1,
            0, 0, 0, 0, '[]', :hash, :hash, :hash, :hash, :hash, :hash, now(), 'infinity', now()
        FROM events WHERE organizer_id = :organizer LIMIT 1
        RETURNING organizer_id, id
    )
    INSERT INTO order_lines (organizer_id, order_id, line_no, ticket_type_id, price, amount,
        organizer_share, platform_fee, tax_on_fees, tax_on_tickets, provider_fee)
    SELECT organizer_id, id, 1, id, 1, 1, 1, 0, 0, 0, 0 FROM sale
    """,
    """
    INSERT INTO refund_accounts
    SELECT organizer_id, gen_random_uuid(), id, 1, '2345', :hash, NULL, now()
    FROM orders WHERE organizer_id = :organizer
    """,
    """
    INSERT INTO refunds (organizer_id, id, payment_id, state, reference, amount, organizer_share,
        platform_fee, tax_on_fees, tax_on_tickets, provider_fee, reason, requested_at,
        state_changed_at, attempts)
    SELECT organizer_id, gen_random_uuid(), id, 'requested', gen_random_uuid(), 1, 1, 0, 0, 0, 0,
        'rain', now(), now(), -1
    FROM payments WHERE organizer_id = :organizer
    """,
    """
    INSERT INTO returned_receipts
    SELECT organizer_id, id, 'bank', 'FT1', now(), now(), :hash, :hash
    FROM payments WHERE organizer_id = :organizer
    """,
    "ALTER TABLE payments DROP CONSTRAINT IF EXISTS ck_payments_refunded_amount",
    """
    INSERT INTO payments (organizer_id, id, event_id, order_id, provider, state, reference,
        currency, amount, organizer_share, platform_fee, tax_on_fees, tax_on_tickets,
        provider_fee, refunded_amount, sealed_request, created_at, expires_at, state_changed_at)
    SELECT organizer_id, gen_random_uuid(), id, id, 'mtn', 'created', gen_random_uuid(), 'UGX',
        1, 1, 0, 0, 0, 0, 2, :hash, now(), now(), now()
    FROM events WHERE organizer_id = :organizer LIMIT 1
    """,
    """
    INSERT INTO alarms VALUES
        (gen_random_uuid(), 'stuck', :address, '{}', now(), now()),
        (gen_random_uuid(), 'late', :address, '{}', 'infinity', now())
    """,
    "INSERT INTO outbox_readers VALUES (:address, 1, 1, now()), ('late' || :address, -1, 1, now())",
    """
    INSERT INTO cron_ticks VALUES (left(:address, 60), now(), 'inside', now()),
        (left(:address, 60), '-infinity', 'inside', '-infinity')
    """,
    """
    INSERT INTO webhook_inbox VALUES
        ('mtn', :address, :hash, gen_random_uuid(), now(), 'none', :hash, false),
        ('mtn', :address, :other, gen_random_uuid(), '-infinity', 'none', :hash, true)
    """,
    """
    INSERT INTO stored_objects VALUES
        (:organizer, gen_random_uuid(), 'statements', encode(:hash, 'hex'), encode(:hash, 'hex'),
            1, 'text/csv', NULL, NULL, 'November', NULL, now(), now(), NULL),
        (:organizer, gen_random_uuid(), 'marketing-media', encode(:other, 'hex'),
            encode(:other, 'hex'), 1, 'image/png', 1, 1, 'Poster', :user, now(), NULL, NULL)
    """,
    """
    INSERT INTO content_removals VALUES
        (:organizer, 'marketing-media', encode(:hash, 'hex'), now()),
        (:organizer, 'marketing-media', encode(:other, 'hex'), 'infinity')
    """,
    """
    INSERT INTO jobs.pgqueuer (priority, status, entrypoint)
    VALUES (0, 'queued', :address), (0, 'picked', :address), (0, 'failed', :address)
    """,
    """
    INSERT INTO jobs.pgqueuer_log (created, job_id, status, priority, entrypoint)
    VALUES (now(), 1, 'queued', 0, :address), ('-infinity', 1, 'queued', 0, :address)
    """,
    "INSERT INTO jobs.pgqueuer_schedules (expression, entrypoint) VALUES (:address, :address)",
    """
    INSERT INTO jobs.pgqueuer_statistics (count, priority, status, entrypoint)
    VALUES (1, 0, 'queued', :address)
    """,
    """
    INSERT INTO audit_blocks VALUES (:address, 1, 1, gen_random_uuid(), 1, gen_random_uuid(), 1,
        :hash, :hash, now(), :signature, '')
    """,
)


async def fill_server_tables(administrator: AsyncConnection, tenant: Tenant) -> None:
    """Insert rows that belong to a tenant's founder and to its newest member."""
    member = await administrator.scalar(
        text("SELECT user_id FROM organizer_members WHERE organizer_id = :id AND user_id <> :user"),
        {"id": tenant.organizer_id, "user": tenant.founder.user_id},
    )
    values = {
        "organizer": tenant.organizer_id,
        "user": tenant.founder.user_id,
        "member": member,
        "address": f"{token_hex(8)}@example.org",
        "hash": token_bytes(32),
        "other": token_bytes(32),
        "signature": token_bytes(64),
    }
    for statement in _STATEMENTS:
        used = {name: value for name, value in values.items() if f":{name}" in statement}
        await administrator.execute(text(statement), used)
