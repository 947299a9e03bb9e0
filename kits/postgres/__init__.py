"""PostgreSQL: engines, errors, migrations."""
