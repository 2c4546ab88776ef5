"""Stored files and who may read them; what is being removed, so that nobody stores it meanwhile."""

from typing import Final

from sync_server.migrations.roles import OWNER, RESOLVER
from sync_server.migrations.support import (
    ANY_MEMBER,
    in_my_organizers,
    policy,
    protect,
    resolver_function,
    resolver_reads,
    run,
)

revision: Final = "0013"
down_revision: Final = "0012"
branch_labels: Final = None
depends_on: Final = None


def upgrade() -> None:
    _object_table()
    _variant_table()
    _removal_table()
    _policies()
    _public_reader()
    _removal_guard()


def downgrade() -> None:
    run(
        "DROP FUNCTION private.public_object(text)",
        "DROP TABLE stored_object_variants, stored_objects, content_removals",
        "DROP FUNCTION private.refuse_content_in_removal()",
        "DROP FUNCTION private.lock_content(uuid, text, text)",
    )


def _object_table() -> None:
    """A row is there before its content (`stored_at` is empty), and after it (`deleted_at`)."""
    run(
        f"""
        CREATE TABLE stored_objects (
            organizer_id uuid NOT NULL
                CONSTRAINT fk_stored_objects_organizer_id REFERENCES organizers,
            id uuid NOT NULL,
            bucket text NOT NULL CONSTRAINT ck_stored_objects_bucket CHECK (bucket IN
                ('marketing-media', 'organizer-documents', 'statements')),
            sha256 text NOT NULL CONSTRAINT ck_stored_objects_sha256 CHECK ({_IS_HASH}),
            source_sha256 text NOT NULL
                CONSTRAINT ck_stored_objects_source_sha256 CHECK (source_{_IS_HASH}),
            size_bytes bigint NOT NULL CONSTRAINT ck_stored_objects_size CHECK (size_bytes > 0),
            media_type text NOT NULL,
            width bigint,
            height bigint,
            name text NOT NULL
                CONSTRAINT ck_stored_objects_name CHECK (length(name) BETWEEN 1 AND 200),
            created_by uuid,
            created_at timestamptz NOT NULL,
            stored_at timestamptz,
            deleted_at timestamptz,
            CONSTRAINT pk_stored_objects PRIMARY KEY (organizer_id, id)
        )
        """,
        "CREATE UNIQUE INDEX ix_stored_objects_content"
        " ON stored_objects (organizer_id, bucket, sha256) WHERE deleted_at IS NULL",
        "CREATE INDEX ix_stored_objects_source"
        " ON stored_objects (organizer_id, bucket, source_sha256) WHERE deleted_at IS NULL",
        "CREATE INDEX ix_stored_objects_bucket_id ON stored_objects (organizer_id, bucket, id)",
        "CREATE INDEX ix_stored_objects_bucket_sha256 ON stored_objects (bucket, sha256)",
        "CREATE INDEX ix_stored_objects_pending"
        " ON stored_objects (created_at) WHERE stored_at IS NULL AND deleted_at IS NULL",
    )


def _variant_table() -> None:
    """Smaller copies of a public picture; they live and go with it."""
    run(
        f"""
        CREATE TABLE stored_object_variants (
            organizer_id uuid NOT NULL,
            object_id uuid NOT NULL,
            width bigint NOT NULL,
            height bigint NOT NULL,
            sha256 text NOT NULL CONSTRAINT ck_stored_object_variants_sha256 CHECK ({_IS_HASH}),
            size_bytes bigint NOT NULL,
            media_type text NOT NULL,
            CONSTRAINT pk_stored_object_variants PRIMARY KEY (organizer_id, object_id, width),
            CONSTRAINT fk_stored_object_variants_object
                FOREIGN KEY (organizer_id, object_id) REFERENCES stored_objects
        )
        """,
        "CREATE INDEX ix_stored_object_variants_sha256 ON stored_object_variants (sha256)",
    )


def _removal_table() -> None:
    run(
        f"""
        CREATE TABLE content_removals (
            organizer_id uuid NOT NULL,
            bucket text NOT NULL,
            sha256 text NOT NULL CONSTRAINT ck_content_removals_sha256 CHECK ({_IS_HASH}),
            began_at timestamptz NOT NULL DEFAULT now(),
            CONSTRAINT pk_content_removals PRIMARY KEY (organizer_id, bucket, sha256)
        )
        """,
    )


def _policies() -> None:
    protect("stored_objects", "stored_object_variants", "content_removals")
    policy("stored_objects", "zeraket_app", "SELECT", _readable())
    policy("stored_objects", "zeraket_app", "INSERT", f"({_writable()}) AND {_BY_MYSELF}")
    policy("stored_objects", "zeraket_app", "UPDATE", _writable())
    policy("stored_objects", "zeraket_worker", "SELECT", "true")
    policy("stored_objects", "zeraket_worker", "INSERT", _OF_THE_SERVER)
    policy("stored_objects", "zeraket_worker", "UPDATE", f"{_OF_THE_SERVER} OR stored_at IS NULL")
    run(
        "REVOKE UPDATE ON stored_objects FROM zeraket_app, zeraket_worker",
        "GRANT UPDATE (stored_at, deleted_at) ON stored_objects TO zeraket_app, zeraket_worker",
    )
    variants = "stored_object_variants"
    policy(variants, "zeraket_app", "SELECT", in_my_organizers(ANY_MEMBER))
    policy(variants, "zeraket_app", "INSERT", in_my_organizers("event.manage"))
    policy(variants, "zeraket_worker", "SELECT", "true")
    policy("content_removals", "zeraket_worker", "SELECT", "true")
    policy("content_removals", "zeraket_worker", "INSERT", "began_at = now()")
    policy("content_removals", "zeraket_worker", "DELETE", "began_at <= now()")


def _readable() -> str:
    return _any_of(
        ("marketing-media", ANY_MEMBER),
        ("organizer-documents", "members.manage"),
        ("statements", "finance.view"),
    )


def _writable() -> str:
    return _any_of(("marketing-media", "event.manage"), ("organizer-documents", "members.manage"))


def _any_of(*rights: tuple[str, str | None]) -> str:
    return " OR ".join(
        f"(bucket = '{bucket}' AND {in_my_organizers(capability)})" for bucket, capability in rights
    )


def _public_reader() -> None:
    """Nobody needs a token for what is public; the function knows nothing else."""
    resolver_reads(
        "stored_objects",
        "organizer_id",
        "id",
        "bucket",
        "sha256",
        "size_bytes",
        "media_type",
        "stored_at",
        "deleted_at",
    )
    resolver_reads(
        "stored_object_variants",
        "organizer_id",
        "object_id",
        "sha256",
        "size_bytes",
        "media_type",
    )
    resolver_function(
        "public_object(content_hash text)",
        "TABLE (organizer_id uuid, size_bytes bigint, media_type text)",
        """
        SELECT found.organizer_id, found.size_bytes, found.media_type
        FROM (
            SELECT original.organizer_id, original.id, original.size_bytes, original.media_type
            FROM public.stored_objects AS original
            WHERE original.bucket = 'marketing-media' AND original.sha256 = content_hash
              AND original.stored_at IS NOT NULL AND original.deleted_at IS NULL
            UNION ALL
            SELECT variant.organizer_id, original.id, variant.size_bytes, variant.media_type
            FROM public.stored_object_variants AS variant
            JOIN public.stored_objects AS original
              ON original.organizer_id = variant.organizer_id AND original.id = variant.object_id
            WHERE original.bucket = 'marketing-media' AND variant.sha256 = content_hash
              AND original.stored_at IS NOT NULL AND original.deleted_at IS NULL
        ) AS found
        ORDER BY found.id DESC
        LIMIT 1
        """,
        "zeraket_app",
    )


def _removal_guard() -> None:
    """Whoever wants to store content and whoever wants to remove it meet at one lock: the row is
    refused while the removal lasts, and the removal while there is a row.
    """
    resolver_reads("content_removals", "organizer_id", "bucket", "sha256")
    run(
        """
        CREATE FUNCTION private.lock_content(organizer uuid, bucket text, sha256 text)
        RETURNS void LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = ''
        AS $function$
        SELECT pg_catalog.pg_advisory_xact_lock(
            pg_catalog.hashtextextended(organizer::text || '/' || bucket || '/' || sha256, 13))
        $function$
        """,
        """
        CREATE FUNCTION private.refuse_content_in_removal() RETURNS trigger
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = ''
        AS $function$
        DECLARE
            place constant text DEFAULT coalesce(to_jsonb(NEW)->>'bucket', 'marketing-media');
        BEGIN
            PERFORM private.lock_content(NEW.organizer_id, place, NEW.sha256);
            IF EXISTS (
                SELECT FROM public.content_removals AS removal
                WHERE removal.organizer_id = NEW.organizer_id
                  AND removal.bucket = place AND removal.sha256 = NEW.sha256
            ) THEN
                RAISE EXCEPTION 'this content is being removed'
                    USING ERRCODE = 'lock_not_available';
            END IF;
            RETURN NEW;
        END
        $function$
        """,
    )
    for signature, roles in (
        ("lock_content(uuid, text, text)", f"{OWNER}, {RESOLVER}, zeraket_worker"),
        ("refuse_content_in_removal()", OWNER),
    ):
        run(
            f"ALTER FUNCTION private.{signature} OWNER TO {RESOLVER}",
            f"REVOKE ALL ON FUNCTION private.{signature} FROM PUBLIC",
            f"GRANT EXECUTE ON FUNCTION private.{signature} TO {roles}",
        )
    for table in ("stored_objects", "stored_object_variants"):
        run(
            f"CREATE TRIGGER refuse_content_in_removal BEFORE INSERT ON {table}"
            " FOR EACH ROW EXECUTE FUNCTION private.refuse_content_in_removal()",
        )


_IS_HASH: Final = "sha256 ~ '^[0-9a-f]{64}$'"
_OF_THE_SERVER: Final = "(bucket = 'statements' AND created_by IS NULL)"
_BY_MYSELF: Final = (
    "created_by = coalesce((SELECT private.my_user_id()), (SELECT private.my_service_account_id()))"
)
