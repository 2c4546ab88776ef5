"""Thousands of rows in a table, a hundred of each owner: so many that a plan shows its worth."""

from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

_ROWS_EACH: Final = 100
_SHARED: Final = "CASE WHEN o.n = 0 THEN t.{0} ELSE md5(o.n || '{0}')::uuid END"
_UNIQUE: Final = {
    "uuid": "gen_random_uuid()",
    "bytea": "sha256(convert_to(o.n || ' ' || r.n || ' ' || random(), 'UTF8'))",
    "text": "'x' || r.n",
    "bigint": "r.n + 1",
    "smallint": "r.n + 1",
}
_ODD: Final = {
    "devices.signing_key": "decode('02', 'hex') || sha256(convert_to(o.n || ' ' || r.n, 'UTF8'))",
    "finance_txns.reverses_txn_id": "NULL",
    "organizers.id": "gen_random_uuid()",
    "orders.number": "'ZG-' || o.n || '-' || r.n",
    "promo_codes.code": "'CODE-' || r.n",
    "payouts.number": "upper(md5(o.n || ' ' || r.n))",
    "stored_objects.bucket": "t.bucket",
    "stored_objects.sha256": "encode(sha256(convert_to(o.n || ' ' || r.n, 'UTF8')), 'hex')",
    "user_openid_identities.subject": "o.n || ' ' || r.n",
    # An event has no more than sixteen.
    "zones.bit": "r.n % 16",
    "zones.event_id": "CASE WHEN o.n = 0 AND r.n < 16 THEN t.event_id ELSE gen_random_uuid() END",
}
_COLUMNS: Final = text("""
    SELECT a.attname::text AS name, format_type(a.atttypid, NULL) AS type,
        EXISTS (SELECT FROM pg_index AS i WHERE i.indrelid = a.attrelid AND i.indisunique
            AND a.attnum = ANY (i.indkey)) AS is_unique
    FROM pg_attribute AS a
    WHERE a.attrelid = CAST(:table AS regclass) AND a.attnum > 0 AND NOT a.attisdropped
    ORDER BY a.attnum
""")


async def crowd(
    superuser: AsyncConnection, table: tuple[str, int], own: tuple[str, Any], places: dict[str, Any]
) -> None:
    """Copy a row of `own`'s (column and value) at `places` to itself and to strangers, until the
    table has so many.

    Nothing looks whether what a row refers to exists.
    """
    (name_of_table, rows_wanted), (column, owner) = table, own
    rows = (await superuser.execute(_COLUMNS, {"table": name_of_table})).all()
    names = [row.name for row in rows]
    there = {name: value for name, value in places.items() if name in names}
    conditions = " AND ".join(f"{name} = :{name}" for name in (column, *there))
    values = [
        _value(name_of_table, column, row.name, row.type if row.is_unique else "") for row in rows
    ]
    await superuser.execute(text("SET session_replication_role = replica"))
    await superuser.execute(
        text(f"""
            INSERT INTO {name_of_table} ({", ".join(names)})
            SELECT {", ".join(values)}
            FROM (SELECT * FROM {name_of_table} WHERE {conditions} LIMIT 1) AS t,
                generate_series(0, {rows_wanted // _ROWS_EACH - 1}) AS o (n),
                generate_series(1, {_ROWS_EACH}) AS r (n)
            ON CONFLICT DO NOTHING
        """),
        {column: owner, **there},
    )
    await superuser.execute(text("RESET session_replication_role"))


def _value(table: str, owner: str, name: str, unique_type: str) -> str:
    odd = _ODD.get(f"{table}.{name}")
    if odd is not None:
        return odd
    if name in {owner, "event_id", "deployment_id"}:
        return _SHARED.format(name)
    return _UNIQUE.get(unique_type, f"t.{name}")
