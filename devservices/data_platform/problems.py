"""Refusals of the reference data platform, each with a reason that a person can read."""

from aiohttp import web


class Refusal(Exception):  # noqa: N818 - an answer, not a fault
    """A request that is answered with this status and reason."""

    def __init__(self, status: int, reason: str, *, retry_after: int | None = None) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.retry_after = retry_after

    def response(self) -> web.Response:
        """The answer as JSON: `{"reason": …}`."""
        headers = {"Retry-After": str(self.retry_after)} if self.retry_after is not None else None
        return web.json_response({"reason": self.reason}, status=self.status, headers=headers)
