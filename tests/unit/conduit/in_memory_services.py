"""auth, articles and profiles in memory, asked as over Kafka: every request is written and read again."""

import json
from base64 import urlsafe_b64encode
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from jwt.algorithms import ECAlgorithm
from msgspec import UNSET
from msgspec.structs import asdict, replace

from conduit.contracts import articles as a
from conduit.contracts import profiles as p
from conduit.contracts import users as u
from conduit.contracts.refusals import forbidden, not_found, refusal, taken
from conduit.contracts.sealing import open_password, seal_token
from conduit.contracts.tokens import ALGORITHM, AUDIENCE, ISSUER
from kits.rpc.deadlines import DEFAULT_SECONDS, current_deadline
from kits.rpc.errors import RpcError, RpcTimeoutError
from kits.rpc.patterns import Pattern
from kits.rpc.values import UnreadableValueError

NOW = datetime(2026, 11, 28, 12, 0, 0, 123_456, tzinfo=UTC)
SIGNING = ec.generate_private_key(ec.SECP256R1())
SEALING = X25519PrivateKey.generate()


def write_keys(folder: Path, sealing: X25519PrivateKey = SEALING) -> Path:
    """The file with the public keys, as auth's command makes it."""
    signs = ECAlgorithm.to_jwk(SIGNING.public_key(), as_dict=True) | {"kid": "s-1", "use": "sig"}
    x = urlsafe_b64encode(sealing.public_key().public_bytes_raw()).rstrip(b"=").decode()
    seals = {"kty": "OKP", "crv": "X25519", "x": x, "kid": "e-1", "use": "enc"}
    path = folder / "gateway.json"
    path.write_text(json.dumps({"keys": [signs, seals]}))
    return path


def a_token(user_id: str, **claims: Any) -> str:
    """A token as auth makes it."""
    expires = datetime.now(UTC) + timedelta(days=7)
    said = {"sub": user_id, "iss": ISSUER, "aud": AUDIENCE, "exp": expires, **claims}
    return jwt.encode(said, SIGNING, algorithm=ALGORITHM, headers={"kid": "s-1"})


class InMemoryServices:
    """Stands in for RpcClient and the three processes behind it. What `away` names answers nobody."""

    def __init__(self) -> None:
        self.away: set[str] = set()
        self.failure: RpcError | Exception | None = None
        self.sent: list[tuple[str, bytes]] = []
        self.timeouts: list[float] = []
        self.deadlines: list[float | None] = []
        self.users: dict[str, u.User] = {}
        self.passwords: dict[str, str] = {}
        self.follows: set[tuple[str, str]] = set()
        self.articles: dict[str, tuple[str, a.Article]] = {}
        self.favorites: set[tuple[str, str]] = set()
        self.comments: dict[int, tuple[str, str, a.Comment]] = {}
        self.number = 0

    @property
    def patterns(self) -> list[str]:
        """The patterns that were asked, in order."""
        return [topic for topic, _ in self.sent]

    async def send(
        self,
        pattern: Pattern[Any, Any],
        request: Any,
        *,
        key: str | None = None,
        timeout: float | None = None,
    ) -> Any:
        """As RpcClient."""
        data = pattern.request.write(request) or b""
        self.sent.append((pattern.topic, data))
        seconds = DEFAULT_SECONDS if timeout is None else timeout
        self.timeouts.append(seconds)
        self.deadlines.append(current_deadline.get())
        if self.failure is not None:
            raise self.failure
        service, handler = self._handlers()[pattern.topic]
        if service in self.away:
            raise RpcTimeoutError(pattern.topic, seconds)
        try:
            read = pattern.request.read(data or None)
        except UnreadableValueError as error:
            raise RpcError(422, "unreadable_request", error.reason, error.path) from error
        return pattern.reply.read(pattern.reply.write(handler(read)))

    def _handlers(self) -> dict[str, tuple[str, Callable[[Any], Any]]]:
        return {
            u.USER_CREATION.topic: ("auth", self._register),
            u.VALIDATE_USER.topic: ("auth", self._log_in),
            u.GET_USER.topic: ("auth", lambda asked: self._user(asked.id)),
            u.USER_UPDATE.topic: ("auth", self._update_user),
            p.GET_PROFILE.topic: ("profiles", lambda asked: self._profile(asked.username, asked.reader)),
            p.FOLLOW_USER.topic: ("profiles", self._follow),
            p.UNFOLLOW_USER.topic: ("profiles", self._unfollow),
            p.GET_FOLLOWED.topic: ("profiles", self._followed),
            p.GET_FOLLOWED_AMONG.topic: ("profiles", self._followed_among),
            a.CREATE_ARTICLE.topic: ("articles", self._create),
            a.GET_ARTICLE.topic: ("articles", lambda asked: self._article(asked.slug, asked.reader)),
            a.GET_ALL_ARTICLES.topic: ("articles", self._list),
            a.GET_FEED.topic: ("articles", self._feed),
            a.UPDATE_ARTICLE.topic: ("articles", self._update),
            a.DELETE_ARTICLE.topic: ("articles", self._delete),
            a.FAVORITE_ARTICLE.topic: ("articles", self._favorite),
            a.UNFAVORITE_ARTICLE.topic: ("articles", self._unfavorite),
            a.ADD_COMMENT.topic: ("articles", self._comment),
            a.GET_COMMENTS.topic: ("articles", self._comments),
            a.DELETE_COMMENT.topic: ("articles", self._delete_comment),
            a.GET_TAGS.topic: ("articles", self._tags),
        }

    # auth

    def _register(self, asked: u.UserCreation) -> u.SignedIn:
        self._require_free(asked.username, asked.email, "")
        user_id = f"u-{len(self.users) + 1}"
        secrets = open_password(asked.password, SEALING)
        self.passwords[user_id] = secrets.password
        self.users[user_id] = u.User(
            id=user_id, username=asked.username, email=asked.email, bio=None, image=None, version=1
        )
        return u.SignedIn(user=self.users[user_id], token=seal_token(a_token(user_id), secrets.reply_key))

    def _require_free(self, username: Any, email: Any, but: str) -> None:
        for user in self.users.values():
            if user.id != but and user.username == username:
                raise taken("username")
            if user.id != but and user.email == email:
                raise taken("email")

    def _log_in(self, asked: u.Credentials) -> u.SignedIn:
        secrets = open_password(asked.password, SEALING)
        for user in self.users.values():
            if user.email == asked.email and self.passwords[user.id] == secrets.password:
                return u.SignedIn(user=user, token=seal_token(a_token(user.id), secrets.reply_key))
        raise refusal(401, "credentials", "invalid")

    def _user(self, user_id: str) -> u.User:
        if user_id not in self.users:
            raise not_found("user")
        return self.users[user_id]

    def _update_user(self, asked: u.UserUpdate) -> u.User:
        user = self._user(asked.id)
        self._require_free(asked.username, asked.email, asked.id)
        changes = {name: value for name, value in asdict(asked).items() if value is not UNSET}
        if password := changes.pop("password", None):
            self.passwords[user.id] = open_password(password, SEALING).password
        self.users[user.id] = replace(user, **changes)
        return self.users[user.id]

    # profiles

    def _named(self, username: str) -> u.User:
        for user in self.users.values():
            if user.username == username:
                return user
        raise not_found("profile")

    def _profile(self, username: str, reader: str | None) -> p.Profile:
        user = self._named(username)
        return p.Profile(
            username=username, bio=user.bio, image=user.image, following=(reader, user.id) in self.follows
        )

    def _follow(self, asked: p.Follow) -> p.Profile:
        user = self._named(asked.username)
        if user.id == asked.follower:
            raise refusal(422, "profile", "is yourself")
        self.follows.add((asked.follower, user.id))
        return self._profile(asked.username, asked.follower)

    def _unfollow(self, asked: p.Follow) -> p.Profile:
        self.follows.discard((asked.follower, self._named(asked.username).id))
        return self._profile(asked.username, asked.follower)

    def _followed(self, asked: p.FollowedBy) -> p.Followed:
        return p.Followed(users=[user for by, user in sorted(self.follows) if by == asked.reader])

    def _followed_among(self, asked: p.FollowedAmong) -> p.Followed:
        return p.Followed(users=[user for user in asked.users if (asked.reader, user) in self.follows])

    # articles

    def _author(self, user_id: str) -> a.Author:
        user = self._user(user_id)
        return a.Author(id=user.id, username=user.username, bio=user.bio, image=user.image)

    def _create(self, asked: a.CreateArticle) -> a.Article:
        author = self._author(asked.author)
        self.number += 1
        slug = f"{asked.title.lower().replace(' ', '-')}-{self.number}"
        moment = NOW + timedelta(seconds=self.number)
        article = a.Article(
            slug=slug,
            title=asked.title,
            description=asked.description,
            body=asked.body,
            tag_list=asked.tag_list,
            created_at=moment,
            updated_at=moment,
            favorited=False,
            favorites_count=0,
            author=author,
        )
        self.articles[slug] = asked.author, article
        return article

    def _article(self, slug: str, reader: str | None) -> a.Article:
        if slug not in self.articles:
            raise not_found("article")
        author, article = self.articles[slug]
        count = sum(each == slug for _, each in self.favorites)
        return replace(
            article,
            author=self._author(author),
            favorited=(reader, slug) in self.favorites,
            favorites_count=count,
        )

    def _owned(self, slug: str, editor: str) -> a.Article:
        article = self._article(slug, editor)
        if self.articles[slug][0] != editor:
            raise forbidden("article")
        return article

    def _page(self, slugs: list[str], reader: str | None, limit: int, offset: int) -> a.ArticlePage:
        newest = list(reversed(slugs))
        shown = [self._article(slug, reader) for slug in newest[offset : offset + limit]]
        members = a.ArticleSummary.__struct_fields__
        summaries = [a.ArticleSummary(**{name: getattr(each, name) for name in members}) for each in shown]
        return a.ArticlePage(articles=summaries, articles_count=len(newest))

    def _list(self, asked: a.Listing) -> a.ArticlePage:
        fans = {user.username: user.id for user in self.users.values()}
        slugs = [
            slug
            for slug, (author, article) in self.articles.items()
            if asked.tag in (None, *article.tag_list)
            and asked.author in (None, self.users[author].username)
            and (asked.favorited is None or (fans.get(asked.favorited), slug) in self.favorites)
        ]
        return self._page(slugs, asked.reader, asked.limit, asked.offset)

    def _feed(self, asked: a.Feed) -> a.ArticlePage:
        slugs = [slug for slug, (author, _) in self.articles.items() if author in asked.authors]
        return self._page(slugs, asked.reader, asked.limit, asked.offset)

    def _update(self, asked: a.UpdateArticle) -> a.Article:
        article = self._owned(asked.slug, asked.editor)
        changes = {name: value for name, value in asdict(asked).items() if value is not UNSET}
        del changes["slug"], changes["editor"]
        article = replace(article, **changes, updated_at=article.updated_at + timedelta(seconds=1))
        self.articles[asked.slug] = asked.editor, article
        return article

    def _delete(self, asked: a.DeleteArticle) -> None:
        self._owned(asked.slug, asked.editor)
        del self.articles[asked.slug]

    def _favorite(self, asked: a.Favorite) -> a.Article:
        self._article(asked.slug, None)
        self.favorites.add((asked.reader, asked.slug))
        return self._article(asked.slug, asked.reader)

    def _unfavorite(self, asked: a.Favorite) -> a.Article:
        self.favorites.discard((asked.reader, asked.slug))
        return self._article(asked.slug, asked.reader)

    def _comment(self, asked: a.AddComment) -> a.Comment:
        self._article(asked.slug, None)
        number = len(self.comments) + 1
        comment = a.Comment(
            id=number, created_at=NOW, updated_at=NOW, body=asked.body, author=self._author(asked.author)
        )
        self.comments[number] = asked.slug, asked.author, comment
        return comment

    def _comments(self, asked: a.CommentsOf) -> list[a.Comment]:
        self._article(asked.slug, None)
        return [comment for slug, _, comment in self.comments.values() if slug == asked.slug]

    def _delete_comment(self, asked: a.DeleteComment) -> None:
        self._article(asked.slug, None)
        slug, author, _ = self.comments.get(asked.id, ("", "", None))
        if slug != asked.slug:
            raise not_found("comment")
        if author != asked.editor:
            raise forbidden("comment")
        del self.comments[asked.id]

    def _tags(self, _asked: None) -> list[str]:
        return sorted({tag for _, article in self.articles.values() for tag in article.tag_list})
