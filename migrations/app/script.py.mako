<%!
    import textwrap


    def docstring(message):
        words = message.replace("\\", "/").replace('"', "'").strip()
        return "\n".join(textwrap.wrap(words, 100)) or "Say here what it does."
%>\
"""${docstring(message or "")}"""

from alembic import op

revision = "${up_revision}"
down_revision = ${f'"{down_revision}"' if down_revision else None}


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.execute("SET LOCAL statement_timeout = '60s'")
