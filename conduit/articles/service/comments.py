"""Use cases: say something of an article, and take it back."""

from conduit.articles.ports import CommentReader, Comments
from conduit.contracts.articles import AddComment, Author, Comment, DeleteComment
from conduit.contracts.refusals import forbidden, not_found


class CommentService:
    """Every method raises RpcError: 404 `article`."""

    def __init__(self, reader: CommentReader) -> None:
        self._reader = reader

    async def add(self, command: AddComment, author: Author, comments: Comments) -> Comment:
        """A new comment, in the transaction of `comments`; `author` is the command's."""
        article_id = await self._article_id(command.slug, comments)
        comment_id, created_at = await comments.add(article_id, command.author, command.body)
        return Comment(
            id=comment_id, created_at=created_at, updated_at=created_at, body=command.body, author=author
        )

    async def delete(self, command: DeleteComment, comments: Comments) -> None:
        """No such comment any more, in the transaction of `comments`. Refuses 404, 403 `comment`."""
        article_id = await self._article_id(command.slug, comments)
        author_id = await comments.hold_author(article_id, command.id)
        if author_id is None:
            raise not_found("comment")
        if author_id != command.editor:
            raise forbidden("comment")
        await comments.delete(command.id)

    async def of(self, slug: str) -> list[Comment]:
        """What is said of an article."""
        found = await self._reader.comments(slug)
        if found is None:
            raise not_found("article")
        return list(found)

    async def _article_id(self, slug: str, comments: Comments) -> int:
        article_id = await comments.hold_article(slug)
        if article_id is None:
            raise not_found("article")
        return article_id
