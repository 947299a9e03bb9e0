"""Scopes: what a token allows beyond being somebody."""

import pytest

from kits.web.problems.details import ProblemError
from kits.web.tokens.scopes import require_scope
from kits.web.tokens.verifier import Identity


def test_a_token_with_the_scope_lets_its_holder_go_on() -> None:
    """Others beside it do not matter."""
    require_scope(Identity("c-1", frozenset({"orders:read", "orders:fulfil"})), "orders:fulfil")


@pytest.mark.parametrize("scopes", [[], ["orders"], ["orders:fulfilment"], ["ORDERS:FULFIL"], ["*"]])
def test_without_exactly_this_scope_it_is_403_and_names_what_is_missing(scopes: list[str]) -> None:
    """As RFC 6750 asks, so that a client knows which token to get."""
    with pytest.raises(ProblemError) as refused:
        require_scope(Identity("c-1", frozenset(scopes)), "orders:fulfil")
    assert refused.value.code == "forbidden"
    assert refused.value.headers == {
        "www-authenticate": 'Bearer error="insufficient_scope", scope="orders:fulfil"'
    }
