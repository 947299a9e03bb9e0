"""Tags."""

from litestar import Router, get

from conduit.gateway.api.examples import TAGS
from conduit.gateway.api.rules import GivenServices, api_door
from conduit.gateway.api.schemas import TagsAnswer
from kits.web.doors.answers import BytesAnswer, json_answer


def tag_routes() -> Router:
    """`/tags`, for everybody."""
    return Router("/tags", route_handlers=[list_tags], tags=["tags"])


@get(summary="List tags", response_description="The most used first.", operation_class=api_door(shows=TAGS))
async def list_tags(services: GivenServices) -> BytesAnswer[TagsAnswer]:
    """The 100 that most articles have."""
    return json_answer(TagsAnswer(await services.articles.tags()))
