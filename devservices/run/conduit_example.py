"""What `run` shows of conduit: somebody registers, writes an article, and it is found through both doors."""

import json
import shlex
from typing import Any

from devservices.errors import JourneyError
from devservices.run.children import Children
from devservices.run.http import Answer, call

_PASSWORD = "correct horse battery"  # noqa: S105 - of a user whom everybody may be
_AUTHOR = {"username": "gildong", "email": "gildong@example.org", "password": _PASSWORD}
_READER = {"username": "grace", "email": "grace@example.org", "password": _PASSWORD}
_ARTICLE = {
    "title": "Four processes and a broker",
    "description": "How they ask each other",
    "body": "Each question is a record, and so is each answer.",
    "tagList": ["kafka"],
}
_QUERY = "{ articles(limit: 5) { slug title favoritesCount author { username } } }"


class ConduitExample:
    """See offered.Example."""

    def introduce(self, url: str, api: str, token: str, children: Children) -> list[str]:  # noqa: ARG002
        """Register, or come again; write, and read."""
        account = _account(url)
        posted = call("POST", f"{url}/api/articles", token=account["token"], content={"article": _ARTICLE})
        slug = _taken(posted, {201}, "The article was not taken")["article"]["slug"]
        found = call("GET", f"{url}/api/articles/{slug}")
        author = _taken(found, {200}, "The article is not shown")["article"]["author"]["username"]
        asked = call("POST", f"{url}/graphql", content={"query": _QUERY})
        answered = _taken(asked, {200}, "GraphQL does not answer")
        if slug not in {article["slug"] for article in answered["data"]["articles"] or ()}:
            raise JourneyError(f"GraphQL does not show the article {slug}: {answered}")
        return [
            f"Conduit has the article {slug} by {author}, over REST and over GraphQL:",
            f"  curl {url}/api/articles/{slug}",
            f"  {_graphql(url)}",
        ]

    def commands(self, url: str, api: str) -> list[str]:  # noqa: ARG002
        """A registration, the list, and a query."""
        body = shlex.quote(json.dumps({"user": _READER}))
        return [
            "Register with conduit, and read its articles over REST and over GraphQL:",
            f"  curl -i -H 'Content-Type: application/json' -d {body} {url}/api/users",
            f"  curl {url}/api/articles",
            f"  {_graphql(url)}",
        ]


def _account(url: str) -> Any:
    registered = call("POST", f"{url}/api/users", content={"user": _AUTHOR})
    if registered.status == 409:
        # An earlier run has registered the author.
        registered = call("POST", f"{url}/api/users/login", content={"user": _AUTHOR})
    return _taken(registered, {200, 201}, "Conduit's author was not taken")["user"]


def _taken(answer: Answer, statuses: set[int], otherwise: str) -> Any:
    if answer.status not in statuses:
        raise JourneyError(f"{otherwise} ({answer.status}): {answer.body}")
    return answer.body


def _graphql(url: str) -> str:
    body = shlex.quote(json.dumps({"query": _QUERY}))
    return f"curl -H 'Content-Type: application/json' -d {body} {url}/graphql"
