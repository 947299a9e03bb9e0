"""PostgreSQL identifiers: names as they stand in a statement that is written as text."""


def quoted(name: str) -> str:
    """A name in double quotes, whatever characters it has."""
    return '"' + name.replace('"', '""') + '"'
