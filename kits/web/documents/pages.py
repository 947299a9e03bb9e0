"""The pages of `/docs`, rendered once from Litestar's document; they load nothing and run no script."""

from typing import Any

import msgspec
from litestar import Request, Router
from litestar.datastructures import ResponseHeader
from litestar.enums import MediaType
from litestar.exceptions import NotFoundException
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import OpenAPIRenderPlugin

from kits.web.documents.html import DOCS_POLICY, openapi_page, problems_page
from kits.web.documents.openapi import BEARER_TOKENS, openapi_document, operation_id
from kits.web.doors.query import require_strict_query
from kits.web.problems.details import Problems

_Request = Request[Any, Any, Any]
_PROBLEMS = "/problems"


def docs_config(problems: Problems, *, title: str, version: str, description: str) -> OpenAPIConfig:
    """`/docs`, `/docs/problems` and `/docs/openapi.json`, open to everybody."""
    return OpenAPIConfig(
        title=title,
        version=version,
        description=description,
        components=BEARER_TOKENS,
        use_handler_docstrings=True,
        operation_id_creator=operation_id,
        render_plugins=[_Page(title, problems), _Document()],
        openapi_router=Router(
            "/docs",
            route_handlers=[],
            include_in_schema=False,
            before_request=_require_page,
            response_headers=[ResponseHeader("content-security-policy", value=DOCS_POLICY)],
        ),
    )


async def _require_page(request: _Request) -> None:
    if request.scope["path_params"]:
        # The framework answers what is not there with a page of its own.
        raise NotFoundException
    await require_strict_query(request)


class _Page(OpenAPIRenderPlugin):
    def __init__(self, title: str, problems: Problems) -> None:
        super().__init__(path=["/", _PROBLEMS])
        self._problems = problems_page(title, problems.listed()).encode()
        self._operations = b""

    def render(self, request: _Request, _schema: dict[str, Any]) -> bytes:
        if request.scope["path"].endswith(_PROBLEMS):
            return self._problems
        self._operations = self._operations or openapi_page(openapi_document(request.app)).encode()
        return self._operations


class _Document(OpenAPIRenderPlugin):
    def __init__(self) -> None:
        super().__init__(path="/openapi.json", media_type=MediaType.JSON)
        self._document = b""

    def render(self, request: _Request, _schema: dict[str, Any]) -> bytes:
        self._document = self._document or msgspec.json.encode(openapi_document(request.app))
        return self._document
