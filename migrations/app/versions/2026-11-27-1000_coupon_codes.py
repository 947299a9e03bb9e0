"""Coupon codes in one spelling: capital letters, no blanks around them.

Two codes that differ in nothing else stop the migration, which names them: which of them counts is for people
to decide. The collation "C" knows no capital letters but A to Z (another has the Turkish dotted I).
"""

from alembic import op

revision = "2026_11_27_1000"
down_revision = "2026_11_22_1000"

CONTRACT = (
    "an older build writes codes by its catalogue import alone, and is told so if one is in small letters"
)


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.execute("SET LOCAL statement_timeout = '60s'")
    op.execute(
        r"""
        DO $$
        DECLARE
            doubles text;
        BEGIN
            SELECT string_agg(spellings, '; ' ORDER BY spellings) INTO doubles FROM (
                SELECT string_agg(quote_literal(code), ', ' ORDER BY code) AS spellings FROM coupons
                GROUP BY upper(btrim(code, E' \t') COLLATE "C") HAVING count(*) > 1
            ) AS same;
            IF doubles IS NOT NULL THEN
                RAISE EXCEPTION 'coupon codes that differ in case or blanks only: %. They are one code now: '
                    'rename or delete all but one of each, then migrate again', doubles;
            END IF;
        END $$
        """
    )
    # The long search goes first: it locks nothing but the orders that it changes.
    op.execute(
        r"""
        UPDATE orders SET coupon_code = upper(btrim(coupon_code, E' \t') COLLATE "C")
        WHERE coupon_code <> upper(btrim(coupon_code, E' \t') COLLATE "C")
            AND EXISTS (SELECT FROM coupons WHERE code <> upper(btrim(code, E' \t') COLLATE "C"))
        """
    )
    # From here on no order can use a coupon until this is over.
    op.execute("LOCK TABLE coupons IN EXCLUSIVE MODE")
    # One statement: the reference is looked at when both sides have changed.
    op.execute(
        r"""
        WITH renamed AS (
            UPDATE coupons SET code = upper(btrim(code, E' \t') COLLATE "C")
            WHERE code <> upper(btrim(code, E' \t') COLLATE "C")
        )
        UPDATE coupon_uses SET coupon_code = upper(btrim(coupon_code, E' \t') COLLATE "C")
        WHERE coupon_code <> upper(btrim(coupon_code, E' \t') COLLATE "C")
        """
    )
    op.execute(
        """
        UPDATE orders SET coupon_code = coupon_uses.coupon_code FROM coupon_uses
        WHERE coupon_uses.order_id = orders.id AND orders.coupon_code <> coupon_uses.coupon_code
        """
    )
    op.execute(
        r"""
        ALTER TABLE coupons
        ADD CONSTRAINT ck_coupons_code CHECK (code = upper(btrim(code, E' \t') COLLATE "C"))
        """
    )
