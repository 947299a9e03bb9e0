"""Paging: the cursor is opaque, and ours."""

import re

import pytest

from app.api.paging import make_cursor, read_cursor
from kits.web.problems.details import ProblemError

PRODUCT_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@pytest.mark.parametrize("product_id", ["p", "p-1", "p-12", "A.b_c-9"])
def test_a_cursor_leads_back_to_its_product(product_id: str) -> None:
    assert read_cursor(make_cursor(product_id), PRODUCT_ID) == product_id


@pytest.mark.parametrize("cursor", ["", "x", "é", "AAAA", "====", "cC0xCg", "/w", "a" * 200])
def test_a_cursor_of_somebody_else_is_refused(cursor: str) -> None:
    with pytest.raises(ProblemError) as refused:
        read_cursor(cursor, PRODUCT_ID)
    assert refused.value.errors[0].parameter == "cursor"
