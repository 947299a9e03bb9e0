"""PostgreSQL migrations: what one step runs, in whichever schema its history lives."""

from alembic import op

from kits.postgres.identifiers import quoted


def run(*statements: str) -> None:
    """Run the statements of a step; `{schema}` in them is the history's schema.

    Every name is qualified by it: a search_path is the role's, and may lead anywhere. A step that queues for
    a lock stops every order behind it: it gives up after 3 s, and is tried again as a whole.
    """
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.execute("SET LOCAL statement_timeout = '60s'")
    schema = quoted(op.get_context().opts["version_table_schema"])
    for statement in statements:
        op.execute(statement.replace("{schema}", schema))
