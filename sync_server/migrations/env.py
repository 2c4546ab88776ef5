"""What Alembic runs on a connection that the runner has locked and given to the owner role."""

from alembic import context

from sync_server.migrations.metadata import metadata
from sync_server.migrations.runner import VERSION_SCHEMA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata(),
    version_table_schema=VERSION_SCHEMA,
    transaction_per_migration=True,
)
with context.begin_transaction():
    context.run_migrations()
