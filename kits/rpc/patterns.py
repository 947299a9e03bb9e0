"""Request-reply, names: a pattern is a topic and the shapes that travel; both sides share the value."""

import re
from typing import Generic, TypeVar

from kits.rpc.values import Shape

Q = TypeVar("Q")
R = TypeVar("R")
_TOPIC = re.compile(r"[A-Za-z0-9._-]{1,249}")


class Pattern(Generic[Q, R]):
    """A request that is answered: its topic, its request, its reply (or the elements of a stream of them).

    `Pattern("create_article", CreateArticle, Article)`; a reply without content is `type(None)`.
    """

    def __init__(self, topic: str, request: type[Q], reply: type[R]) -> None:
        """Raises: ValueError for what cannot be a topic, TypeError for a type that msgspec does not know."""
        self.topic = topic_name(topic)
        self.request = Shape(request)
        self.reply = Shape(reply)


class Event(Generic[Q]):
    """Something that has happened, for whoever reads its topic; nobody answers."""

    def __init__(self, topic: str, event: type[Q]) -> None:
        """Raises: as Pattern."""
        self.topic = topic_name(topic)
        self.event = Shape(event)


def topic_name(text: str) -> str:
    """The text, if Kafka takes it for a topic; raises ValueError otherwise."""
    if not _TOPIC.fullmatch(text) or text in {".", ".."}:
        raise ValueError(f"{text!r} cannot be a topic: use 1 to 249 of A-Z a-z 0-9 . _ -")
    return text
