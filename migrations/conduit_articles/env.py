"""Runs the migrations of this history on the connection that kits.postgres.migrations hands over."""

from alembic import context

attributes = context.config.attributes

context.configure(
    connection=attributes["connection"],
    version_table=attributes["version_table"],
    version_table_schema=attributes["schema"],
    transaction_per_migration=False,
)
context.run_migrations()
