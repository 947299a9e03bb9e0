"""PostgreSQL row locks: takes those that are free, and names those that another session holds."""

from sqlalchemy import ARRAY, Column, bindparam, func, select

from kits.postgres.driver import DriverStatement


def lock_free_rows(key: "Column[str]") -> DriverStatement:
    """Locks those rows out of `:keys` that are free, in key order, and returns the keys of the others.

    It never waits for a row. A key that has no row is not returned; a row that came into being meanwhile may
    be, as one that is deleted.
    """
    asked = key == func.any(bindparam("keys", type_=ARRAY(key.type)))
    free = select(key).where(asked).order_by(key).with_for_update(skip_locked=True).cte("free")
    return DriverStatement(select(key).where(asked, key.not_in(select(free.c[key.name]))))
