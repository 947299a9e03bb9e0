"""The shapes of RealWorld's bodies, and an example of each body and answer, for the document."""

import msgspec

from conduit.contracts.profiles import Profile
from conduit.contracts.refusals import BLANK
from conduit.gateway.api.article_schemas import (
    ArticleAnswer,
    ArticlesAnswer,
    ArticleSummaryView,
    ArticleView,
    AuthorView,
    CommentAnswer,
    CommentsAnswer,
    CommentView,
)
from conduit.gateway.api.schemas import ErrorsAnswer, ProfileAnswer, TagsAnswer, UserAnswer, UserView
from conduit.gateway.forms import (
    AccountChanges,
    ArticleChanges,
    Login,
    NewArticle,
    NewComment,
    Registration,
)


class RegistrationBody(msgspec.Struct, frozen=True):
    """`POST /users`."""

    user: Registration


class LoginBody(msgspec.Struct, frozen=True):
    """`POST /users/login`."""

    user: Login


class AccountBody(msgspec.Struct, frozen=True):
    """`PUT /user`."""

    user: AccountChanges


class NewArticleBody(msgspec.Struct, frozen=True):
    """`POST /articles`."""

    article: NewArticle


class ArticleChangesBody(msgspec.Struct, frozen=True):
    """`PUT /articles/{slug}`."""

    article: ArticleChanges


class NewCommentBody(msgspec.Struct, frozen=True):
    """`POST /articles/{slug}/comments`."""

    comment: NewComment


SLUG = "a-walk-in-the-hills"
USERNAME = "ada"
_EMAIL = "ada@example.com"
_PASSWORD = "correct horse battery"  # noqa: S105 - an example
_MOMENT = "2026-11-21T07:00:00.000Z"
_TITLE = "A walk in the hills"
_TAGS = ["hills", "walking"]
_IMAGE = "https://example.com/ada.png"

ERRORS = ErrorsAnswer(errors={"body": [BLANK]})
REGISTRATION = RegistrationBody(Registration(username=USERNAME, email=_EMAIL, password=_PASSWORD))
LOGIN = LoginBody(Login(email=_EMAIL, password=_PASSWORD))
ACCOUNT = AccountBody(
    AccountChanges(email=_EMAIL, username=USERNAME, password=_PASSWORD, bio="I walk.", image=_IMAGE)
)
NEW_ARTICLE = NewArticleBody(NewArticle(title=_TITLE, description="Where to go.", body="Up.", tag_list=_TAGS))
ARTICLE_CHANGES = ArticleChangesBody(
    ArticleChanges(title=_TITLE, description="Where to go.", body="Up, then down.", tag_list=_TAGS)
)
NEW_COMMENT = NewCommentBody(NewComment(body="Well said."))

USER = UserAnswer(UserView(email=_EMAIL, token="eyJ…", username=USERNAME, bio=None, image=None))  # noqa: S106
PROFILE = ProfileAnswer(Profile(username=USERNAME, bio=None, image=None, following=False))
_AUTHOR = AuthorView(username=USERNAME, bio=None, image=None, following=False)
_SUMMARY = ArticleSummaryView(
    slug=SLUG,
    title=_TITLE,
    description="Where to go.",
    tag_list=_TAGS,
    created_at=_MOMENT,
    updated_at=_MOMENT,
    favorited=False,
    favorites_count=0,
    author=_AUTHOR,
)
ARTICLE = ArticleAnswer(ArticleView(body="Up.", **msgspec.structs.asdict(_SUMMARY)))
ARTICLES = ArticlesAnswer([_SUMMARY], 1)
_COMMENT = CommentView(id=1, created_at=_MOMENT, updated_at=_MOMENT, body="Well said.", author=_AUTHOR)
COMMENT = CommentAnswer(_COMMENT)
COMMENTS = CommentsAnswer([_COMMENT])
TAGS = TagsAnswer(_TAGS)
