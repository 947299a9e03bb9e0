"""The documentation pages: they load nothing from any other host and run no script."""

from functools import cache, cached_property
from typing import Any

import msgspec
from litestar import Litestar, Request, Router, get
from litestar.types import ASGIApp

from kits.web.asgi_answers import BytesAnswer
from kits.web.docs_html import DOCS_POLICY, openapi_page, problems_page
from kits.web.openapi import openapi_document
from kits.web.problems import Problems

TITLE = "Order service"
VERSION = "1.0.0"
_DESCRIPTION = (
    "Takes orders and gets every one of them to the data platform, in order, whatever breaks. "
    "Amounts are integers in the currency's minor unit, times are UTC. "
    "What a door does not know it refuses: query parameters, fields, members that stand twice. "
    "A development token: `python -m app token --sub c-1`."
)
_HTML = {"content-type": "text/html; charset=utf-8", "content-security-policy": DOCS_POLICY}


def docs_routes(problems: Problems) -> Router:
    """`/docs`, `/docs/problems` and `/docs/openapi.json`, open to everybody."""

    @cache
    def pages_of(app: Litestar) -> "_Pages":
        return _Pages(app, problems)

    @get(include_in_schema=False)
    async def operations(request: Request[Any, Any, Any]) -> ASGIApp:
        return BytesAnswer(pages_of(request.app).operations, headers=_HTML)

    @get("/problems", include_in_schema=False)
    async def error_codes(request: Request[Any, Any, Any]) -> ASGIApp:
        return BytesAnswer(pages_of(request.app).problems, headers=_HTML)

    @get("/openapi.json", include_in_schema=False)
    async def document(request: Request[Any, Any, Any]) -> ASGIApp:
        return BytesAnswer(pages_of(request.app).document)

    return Router("/docs", route_handlers=[operations, error_codes, document])


class _Pages:
    """The pages of one application, made when first asked for: all its routes are known then."""

    def __init__(self, app: Litestar, problems: Problems) -> None:
        self._app = app
        self._problems = problems

    @cached_property
    def _openapi(self) -> Any:
        return openapi_document(
            self._app, self._problems, title=TITLE, version=VERSION, description=_DESCRIPTION
        )

    @cached_property
    def operations(self) -> bytes:
        return openapi_page(self._openapi).encode()

    @cached_property
    def problems(self) -> bytes:
        return problems_page(TITLE, self._problems.listed()).encode()

    @cached_property
    def document(self) -> bytes:
        return msgspec.json.encode(self._openapi)
