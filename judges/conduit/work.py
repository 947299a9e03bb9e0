"""What is asked of both gateways: lists of articles, logins, registrations, new articles."""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp

from judges.conduit.loading import Load, request
from tests.waiting import eventually

ARTICLES = 1_000
_AUTHORS = 5
_SHOWN = 20
_AT_ONCE = 32
_PASSWORD = "correct horse battery"  # noqa: S105 - of users who live for two minutes
_BODY = "x" * 400


@dataclass(frozen=True, slots=True)
class Work:
    """One kind of request."""

    name: str
    load: Load


class Readers:
    """Users of one gateway, who write and read."""

    def __init__(self, url: str, tokens: list[str]) -> None:
        self.members: set[str] = set()
        """What an article in a list has."""
        self._url = url
        self._tokens = tokens
        self._numbers = itertools.count(_AUTHORS)
        self._creation = Load(url, 201, self._articles())

    @property
    def works(self) -> list[Work]:
        """Those that add nothing first, since a faster gateway would make more for itself to read."""
        return [
            Work("article list", Load(self._url, 200, self._lists())),
            Work("a list for each", Load(self._url, 200, self._pages())),
            Work("login", Load(self._url, 200, self._logins())),
            Work("registration", Load(self._url, 201, self._registrations())),
            Work("article creation", self._creation),
        ]

    async def write(self, count: int) -> None:
        """So many articles."""
        run = await self._creation.run(_AT_ONCE, at_least=count)
        assert not run.refused + run.broken, (
            f"{self._url}: {run.refused + run.broken} articles were not taken"
        )

    def _lists(self) -> Iterator[bytes]:
        return itertools.repeat(request("GET", f"/api/articles?limit={_SHOWN}"))

    def _pages(self) -> Iterator[bytes]:
        """No two that are under way are the same."""
        for offset in itertools.cycle(range(500)):
            yield request("GET", f"/api/articles?limit={_SHOWN}&offset={offset}")

    def _logins(self) -> Iterator[bytes]:
        for number in itertools.cycle(range(_AUTHORS)):
            user = {"email": f"user-{number}@example.org", "password": _PASSWORD}
            yield request("POST", "/api/users/login", {"user": user})

    def _registrations(self) -> Iterator[bytes]:
        for number in self._numbers:
            yield request("POST", "/api/users", _user(number))

    def _articles(self) -> Iterator[bytes]:
        for token in itertools.cycle(self._tokens):
            yield request("POST", "/api/articles", _article(next(self._numbers)), token=token)


async def settle(url: str) -> Readers:
    """Let authors write articles with tags, and like the newest; all of it through the gateway's doors."""
    async with aiohttp.ClientSession() as session:
        tokens = []
        for number in range(_AUTHORS):
            answer = await _post(session, f"{url}/api/users", _user(number))
            tokens.append(answer["user"]["token"])
        for number, token in enumerate(tokens):

            async def knows_the_author(number: int = number, token: str = token) -> bool:
                return bool(await _post(session, f"{url}/api/articles", _article(number), token))

            await eventually(knows_the_author, poll_seconds=0.1)
        readers = Readers(url, tokens)
        await readers.write(ARTICLES - _AUTHORS)
        async with session.get(f"{url}/api/articles?limit={_SHOWN}") as page:
            newest = (await page.json())["articles"]
        assert len(newest) == _SHOWN
        readers.members = set(newest[0]) | {f"author.{name}" for name in newest[0]["author"]}
        assert all(len(article["tagList"]) == len(_TAGS) for article in newest)
        for article, token in itertools.product(newest, tokens):
            await _post(session, f"{url}/api/articles/{article['slug']}/favorite", None, token)
    return readers


_TAGS = ["kafka", "postgresql"]


def _user(number: int) -> dict[str, Any]:
    name = f"user-{number}"
    return {"user": {"username": name, "email": f"{name}@example.org", "password": _PASSWORD}}


def _article(number: int) -> dict[str, Any]:
    words = {"title": f"Article {number}", "description": "What it is about", "body": _BODY}
    return {"article": {**words, "tagList": _TAGS}}


async def _post(
    session: aiohttp.ClientSession, url: str, body: Mapping[str, Any] | None, token: str = ""
) -> Any:
    headers = {"Authorization": f"Token {token}"} if token else {}
    # Without a body no type of one, which aiohttp would send.
    left_out = ["Content-Type"] if body is None else []
    async with session.post(url, json=body, headers=headers, skip_auto_headers=left_out) as answer:
        assert answer.status in {200, 201}, f"{url}: {answer.status} {await answer.text()}"
        return await answer.json()
