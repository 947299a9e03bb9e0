"""Ordered queue, port: where the items go."""

import asyncio
from typing import Protocol

from kits.ordered_queue.item import Claim
from kits.ordered_queue.result import Result


class Sink(Protocol):
    """Takes one item of a key at a time; it may gather the items of several keys."""

    @property
    def oldest_seconds(self) -> float:
        """The age of the oldest send that has no result, if only its age tells of an outage; else 0.0."""
        ...

    def send(self, claim: Claim) -> asyncio.Future[Result]:
        """Begin to send; never blocks.

        Nothing leaves after `claim.until`: it is read again at the moment of sending, and the future of what
        is too late then is cancelled. An exception of the future counts as failed.
        """
        ...
