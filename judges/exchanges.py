"""Judges, exchanges: every shape that a request, a reply or an event has on the wire, by name."""

from typing import Any, NamedTuple

BIG = "Ä" * 100_000


class Exchange(NamedTuple):
    """What a NestJS client is told to do. `do` is "send" or "emit", `to` a topic without its prefix."""

    name: str
    do: str
    to: str
    data: Any


AN_OBJECT = {"title": "Träume", "tags": ["a", "b"], "read": None, "views": 3}
ECHOED = {
    "object": AN_OBJECT,
    "array": [1, "zwei", None, {"three": 3.5}],
    "text": "plain text",
    "empty text": "",
    "text like JSON": '{"not": JSON',
    "number": 42,
    "boolean": True,
    "zero byte first": "\0\0\0\0\7framed",
    "with key and headers": {"key": "k-1", "value": AN_OBJECT, "headers": {"trace": "t-1"}},
}
NOTED = {name: ECHOED[name] for name in ("object", "text", "with key and headers")}
ANSWERED = (
    "object", "array", "text", "void", "null", "number", "boolean",
    "stream at once", "stream over time", "stream that ends late", "stream that breaks",
    "error object", "error text", "error unknown",
)  # fmt: skip

EXCHANGES = (
    *(Exchange(f"request: {name}", "send", "echo", data) for name, data in ECHOED.items()),
    *(Exchange(f"reply: {name}", "send", "answer", name) for name in ANSWERED),
    *(Exchange(f"event: {name}", "emit", "noted", data) for name, data in NOTED.items()),
)
