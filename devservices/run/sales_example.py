"""What `run` shows of the sales: the minute in which its own orders were placed."""

from collections.abc import Mapping, Sequence
from typing import Any

from devservices.errors import JourneyError
from devservices.run.children import Children
from devservices.run.http import call

_SECONDS = 60.0


class SalesExample:
    """See offered.Example."""

    def introduce(self, url: str, _api: str, _token: str, children: Children) -> list[str]:
        """Wait until the stream has counted orders of this run."""
        if not children.wait_until(lambda: bool(_minutes(url)), within_seconds=_SECONDS):
            raise JourneyError("The sales show no order: read the logs of sales and sales-stream.")
        last = _minutes(url)[-1]
        sold = f"{last['orders']} orders, {last['pieces']} pieces, {last['revenue']} {last['currency']}"
        return [f"Sales of the minute {last['minute']}: {sold}.", f"  curl {url}/sales"]

    def commands(self, url: str, _api: str) -> list[str]:
        """The sales of the last day."""
        return ["See what was ordered in every minute of the last day:", f"  curl {url}/sales"]


def _minutes(url: str) -> Sequence[Mapping[str, Any]]:
    answer = call("GET", f"{url}/sales")
    return answer.body["items"] if answer.status == 200 else []
