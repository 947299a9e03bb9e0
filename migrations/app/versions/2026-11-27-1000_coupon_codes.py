"""Coupon codes in one spelling: capital letters, no blanks around them.

Two codes that differ in nothing else stop the migration, which names them: which of them counts is for people
to decide. The collation "C" knows no capital letters but A to Z (another has the Turkish dotted I).
"""

from kits.postgres.migration_steps import run

revision = "2026_11_27_1000"
down_revision = "2026_11_22_1000"

CONTRACT = (
    "an older build writes codes by its catalogue import alone, and is told so if one is in small letters"
)


def upgrade() -> None:
    run(
        r"""
        DO $$
        DECLARE
            doubles text;
        BEGIN
            SELECT string_agg(spellings, '; ' ORDER BY spellings) INTO doubles FROM (
                SELECT string_agg(quote_literal(code), ', ' ORDER BY code) AS spellings FROM {schema}.coupons
                GROUP BY upper(btrim(code, E' \t') COLLATE "C") HAVING count(*) > 1
            ) AS same;
            IF doubles IS NOT NULL THEN
                RAISE EXCEPTION 'coupon codes that differ in case or blanks only: %. They are one code now: '
                    'rename or delete all but one of each, then migrate again', doubles;
            END IF;
        END $$
        """,
        # The long search goes first: it locks nothing but the orders that it changes.
        r"""
        UPDATE {schema}.orders SET coupon_code = upper(btrim(coupon_code, E' \t') COLLATE "C")
        WHERE coupon_code <> upper(btrim(coupon_code, E' \t') COLLATE "C")
            AND EXISTS (SELECT FROM {schema}.coupons WHERE code <> upper(btrim(code, E' \t') COLLATE "C"))
        """,
        # From here on no order can use a coupon until this is over.
        "LOCK TABLE {schema}.coupons IN EXCLUSIVE MODE",
        # One statement: the reference is looked at when both sides have changed.
        r"""
        WITH renamed AS (
            UPDATE {schema}.coupons SET code = upper(btrim(code, E' \t') COLLATE "C")
            WHERE code <> upper(btrim(code, E' \t') COLLATE "C")
        )
        UPDATE {schema}.coupon_uses SET coupon_code = upper(btrim(coupon_code, E' \t') COLLATE "C")
        WHERE coupon_code <> upper(btrim(coupon_code, E' \t') COLLATE "C")
        """,
        """
        UPDATE {schema}.orders AS o SET coupon_code = used.coupon_code FROM {schema}.coupon_uses AS used
        WHERE used.order_id = o.id AND o.coupon_code <> used.coupon_code
        """,
        r"""
        ALTER TABLE {schema}.coupons
        ADD CONSTRAINT ck_coupons_code CHECK (code = upper(btrim(code, E' \t') COLLATE "C"))
        """,
    )
