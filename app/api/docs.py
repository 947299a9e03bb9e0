"""The documentation of the shop's doors, made from them."""

from litestar.openapi import OpenAPIConfig

from kits.web.documents.pages import docs_config
from kits.web.problems.details import Problems

_DESCRIPTION = (
    "Takes orders and gets every one of them to the data platform, in order, whatever breaks. "
    "Amounts are integers in the currency's minor unit, times are UTC. "
    "What a door does not know it refuses: query parameters, fields, members that stand twice. "
    "A development token: `python -m app token --sub c-1`."
)


def shop_docs(problems: Problems) -> OpenAPIConfig:
    """`/docs`, `/docs/problems` and `/docs/openapi.json`, open to everybody."""
    return docs_config(problems, title="Order service", version="1.0.0", description=_DESCRIPTION)
