"""What others may ask of articles, and what articles listen to."""

from conduit.articles.service.articles import ArticleService
from conduit.articles.service.comments import CommentService
from conduit.articles.service.persons import PersonService
from conduit.articles.store.articles import SqlArticles
from conduit.articles.store.comments import SqlComments
from conduit.contracts.articles import (
    ADD_COMMENT,
    CREATE_ARTICLE,
    DELETE_ARTICLE,
    DELETE_COMMENT,
    FAVORITE_ARTICLE,
    GET_ALL_ARTICLES,
    GET_ARTICLE,
    GET_COMMENTS,
    GET_FEED,
    GET_TAGS,
    UNFAVORITE_ARTICLE,
    UPDATE_ARTICLE,
    AddComment,
    Article,
    ArticleOf,
    ArticlePage,
    Comment,
    CommentsOf,
    CreateArticle,
    DeleteArticle,
    DeleteComment,
    Favorite,
    Feed,
    Listing,
    UpdateArticle,
)
from conduit.contracts.users import USER_CHANGED, UserChanged
from kits.rpc.call import Call
from kits.rpc.handlers import event_pattern, message_pattern
from kits.rpc_service.storage import storage_refusals


class ArticleController:
    """Each change happens once, however often its request comes."""

    def __init__(self, articles: ArticleService, persons: PersonService) -> None:
        self._articles = articles
        self._persons = persons

    @message_pattern(CREATE_ARTICLE)
    async def create(self, command: CreateArticle, call: Call) -> Article:
        """A new article."""
        with storage_refusals():
            # Before the transaction: auth may have to be asked.
            author = await self._persons.author(command.author)
            async with call.once() as work:
                return await self._articles.create(command, author, SqlArticles(work))

    @message_pattern(UPDATE_ARTICLE)
    async def update(self, command: UpdateArticle, call: Call) -> Article:
        """Another text, title or tags."""
        with storage_refusals():
            async with call.once() as work:
                return await self._articles.update(command, SqlArticles(work))

    @message_pattern(DELETE_ARTICLE)
    async def delete(self, command: DeleteArticle, call: Call) -> None:
        """No such article any more."""
        with storage_refusals():
            async with call.once() as work:
                await self._articles.delete(command, SqlArticles(work))

    @message_pattern(FAVORITE_ARTICLE)
    async def favor(self, command: Favorite, call: Call) -> Article:
        """One favourite more."""
        with storage_refusals():
            async with call.once() as work:
                return await self._articles.favor(command, SqlArticles(work))

    @message_pattern(UNFAVORITE_ARTICLE)
    async def unfavor(self, command: Favorite, call: Call) -> Article:
        """One favourite less."""
        with storage_refusals():
            async with call.once() as work:
                return await self._articles.unfavor(command, SqlArticles(work))

    @message_pattern(GET_ARTICLE)
    async def article(self, query: ArticleOf) -> Article:
        """One article."""
        with storage_refusals():
            return await self._articles.article(query.slug, query.reader)

    @message_pattern(GET_ALL_ARTICLES)
    async def page(self, query: Listing) -> ArticlePage:
        """Some of all."""
        with storage_refusals():
            return await self._articles.page(query)

    @message_pattern(GET_FEED)
    async def feed(self, query: Feed) -> ArticlePage:
        """Some of whom the reader follows."""
        with storage_refusals():
            return await self._articles.feed(query)

    @message_pattern(GET_TAGS)
    async def tags(self, _: None) -> list[str]:
        """Those in use."""
        with storage_refusals():
            return await self._articles.tags()

    # Through an outage of the database of about an hour: a change that is let go would be missed for long.
    @event_pattern(USER_CHANGED, retries=1_000)
    async def keep(self, event: UserChanged) -> None:
        """A user is new, or changed."""
        await self._persons.keep(event)


class CommentController:
    """Each change happens once, however often its request comes."""

    def __init__(self, comments: CommentService, persons: PersonService) -> None:
        self._comments = comments
        self._persons = persons

    @message_pattern(ADD_COMMENT)
    async def add(self, command: AddComment, call: Call) -> Comment:
        """A new comment."""
        with storage_refusals():
            # Before the transaction: auth may have to be asked.
            author = await self._persons.author(command.author)
            async with call.once() as work:
                return await self._comments.add(command, author, SqlComments(work))

    @message_pattern(DELETE_COMMENT)
    async def delete(self, command: DeleteComment, call: Call) -> None:
        """No such comment any more."""
        with storage_refusals():
            async with call.once() as work:
                await self._comments.delete(command, SqlComments(work))

    @message_pattern(GET_COMMENTS)
    async def comments(self, query: CommentsOf) -> list[Comment]:
        """What is said of an article."""
        with storage_refusals():
            return await self._comments.of(query.slug)
