"""Runs the migrations of this history on the connection that kits.postgres.migrations hands over."""

from alembic import context

connection = context.config.attributes["connection"]
schema = context.config.attributes["schema"]

context.configure(connection=connection, version_table_schema=schema, transaction_per_migration=False)
context.run_migrations()
