"""Use cases: write, change, list and favour articles."""

from msgspec import UNSET, structs

from conduit.articles.ports import ArticleReader, Articles, HeldArticle
from conduit.articles.service.persons import PersonService
from conduit.articles.slugs import slug_of, slugs_for
from conduit.contracts.articles import (
    Article,
    ArticlePage,
    Author,
    CreateArticle,
    DeleteArticle,
    Favorite,
    Feed,
    Listing,
    UpdateArticle,
)
from conduit.contracts.refusals import forbidden, not_found
from kits.rpc.errors import RpcError


class ArticleService:
    """Every method that takes a slug raises RpcError: 404 `article`."""

    def __init__(self, reader: ArticleReader, persons: PersonService) -> None:
        self._reader = reader
        self._persons = persons

    async def create(self, command: CreateArticle, author: Author, articles: Articles) -> Article:
        """A new article, in the transaction of `articles`; `author` is the command's."""
        tags = sorted(set(command.tag_list))
        for slug in slugs_for(command.title):
            if created_at := await articles.add(command, slug, tags):
                return Article(
                    slug=slug,
                    title=command.title,
                    description=command.description,
                    body=command.body,
                    tag_list=tags,
                    created_at=created_at,
                    updated_at=created_at,
                    favorited=False,
                    favorites_count=0,
                    author=author,
                )
        raise _no_slug()

    async def update(self, command: UpdateArticle, articles: Articles) -> Article:
        """Another text, title or tags, in the transaction of `articles`. Refuses 403 `article`."""
        held = await self._held_by(command.editor, command.slug, articles)
        if command.tag_list is not UNSET:
            command = structs.replace(command, tag_list=sorted(set(command.tag_list)))
        if command.title is UNSET or slug_of(command.title) == slug_of(held.title):
            await articles.change(held, command, None)
            return await self._as_it_stands(command.slug, command.editor, articles)
        for slug in slugs_for(command.title):
            if await articles.change(held, command, slug):
                return await self._as_it_stands(slug, command.editor, articles)
        raise _no_slug()

    async def delete(self, command: DeleteArticle, articles: Articles) -> None:
        """No such article any more, in the transaction of `articles`. Refuses 403 `article`."""
        await articles.delete(await self._held_by(command.editor, command.slug, articles))

    async def favor(self, command: Favorite, articles: Articles) -> Article:
        """One of the reader's favourites, in the transaction of `articles`."""
        await articles.favor(await self._held(command.slug, articles), command.reader)
        return await self._as_it_stands(command.slug, command.reader, articles)

    async def unfavor(self, command: Favorite, articles: Articles) -> Article:
        """None of the reader's favourites, in the transaction of `articles`."""
        await articles.unfavor(await self._held(command.slug, articles), command.reader)
        return await self._as_it_stands(command.slug, command.reader, articles)

    async def article(self, slug: str, reader: str | None) -> Article:
        """One article."""
        return _found(await self._reader.article(slug, reader))

    async def page(self, listing: Listing) -> ArticlePage:
        """The newest that fit; none if nobody has the name that is asked for."""
        names = dict.fromkeys(name for name in (listing.author, listing.favorited) if name is not None)
        ids = await self._persons.ids_of(names)
        if len(ids) < len(names):
            return ArticlePage(articles=[], articles_count=0)
        author_id, fan_id = ids.get(listing.author or ""), ids.get(listing.favorited or "")
        return await self._reader.page(listing, author_id, fan_id)

    async def feed(self, feed: Feed) -> ArticlePage:
        """The newest of some authors."""
        return await self._reader.feed(feed)

    async def tags(self) -> list[str]:
        """Those in use."""
        return list(await self._reader.tags())

    async def _held(self, slug: str, articles: Articles) -> HeldArticle:
        held = await articles.hold(slug)
        if held is None:
            raise not_found("article")
        return held

    async def _held_by(self, editor: str, slug: str, articles: Articles) -> HeldArticle:
        held = await self._held(slug, articles)
        if held.author_id != editor:
            raise forbidden("article")
        return held

    async def _as_it_stands(self, slug: str, reader: str, articles: Articles) -> Article:
        return _found(await articles.article(slug, reader))


def _found(article: Article | None) -> Article:
    if article is None:
        raise not_found("article")
    return article


def _no_slug() -> RpcError:
    return RpcError(503, "slugs_taken", "No free slug was found for this title: ask again.")
