"""Comments on an article."""

import re

from litestar import Router, delete, get, post
from litestar.middleware import DefineMiddleware

from conduit.contracts.refusals import not_found
from conduit.gateway.api.article_schemas import CommentAnswer, CommentsAnswer
from conduit.gateway.api.examples import COMMENT, COMMENTS, NEW_COMMENT
from conduit.gateway.api.rules import (
    AnyRequest,
    GivenServices,
    IdInPath,
    SlugInPath,
    UserRequest,
    Wrapped,
    api_door,
    reader_of,
)
from conduit.gateway.errors import refused
from conduit.gateway.forms import NewComment
from conduit.gateway.services.profile_service import NOBODY
from kits.web.documents.openapi import SECURED
from kits.web.doors.answers import BytesAnswer, json_answer

_COMMENT = Wrapped("comment")
_ID = re.compile(r"[0-9]{1,18}")


def comment_routes(authentication: DefineMiddleware, identification: DefineMiddleware) -> Router:
    """`/articles/{slug}/comments`; only changes need a token."""
    looks = Router("", route_handlers=[list_comments], middleware=[identification])
    changes = Router(
        "", route_handlers=[add_comment, delete_comment], middleware=[authentication], security=SECURED
    )
    return Router("/articles/{slug:str}/comments", route_handlers=[looks, changes], tags=["comments"])


@get(
    summary="Read the comments",
    response_description="The newest 500, the oldest of them first.",
    operation_class=api_door(404, shows=COMMENTS),
)
async def list_comments(
    request: AnyRequest, slug: SlugInPath, services: GivenServices
) -> BytesAnswer[CommentsAnswer]:
    """What is said of the article."""
    comments = await services.articles.comments(slug)
    authors = (each.author.id for each in comments)
    return json_answer(
        CommentsAnswer.of(comments, await services.profiles.following(reader_of(request), authors))
    )


@post(
    summary="Comment on an article",
    response_description="The comment.",
    operation_class=api_door(400, 401, 404, 413, 415, 422, shows=COMMENT, reads=NEW_COMMENT),
)
async def add_comment(
    request: UserRequest, slug: SlugInPath, services: GivenServices
) -> BytesAnswer[CommentAnswer]:
    """Everybody may read it."""
    form = await _COMMENT.read(request, NewComment)
    comment = await services.articles.add_comment(slug, request.auth.subject, form)
    return json_answer(CommentAnswer.of(comment, NOBODY), status=201)


@delete(
    "/{comment_id:str}",
    status_code=204,
    summary="Delete a comment",
    response_description="It is gone.",
    operation_class=api_door(401, 403, 404, shows=None),
)
async def delete_comment(
    request: UserRequest, slug: SlugInPath, comment_id: IdInPath, services: GivenServices
) -> None:
    """One's own alone."""
    if not _ID.fullmatch(comment_id):
        raise refused("articles", not_found("comment"))
    await services.articles.delete_comment(slug, int(comment_id), request.auth.subject)
