<%!
    import textwrap


    def docstring(message):
        words = message.replace("\\", "/").replace('"', "'").strip()
        return "\n".join(textwrap.wrap(words, 100)) or "Say here what it does."
%>\
"""${docstring(message or "")}"""

from kits.postgres.migration_steps import run

revision = "${up_revision}"
down_revision = ${f'"{down_revision}"' if down_revision else None}


def upgrade() -> None:
    # Every name is qualified: ALTER TABLE {schema}.member ADD COLUMN …
    run()
