"""JSON over HTTP to the processes of this run, each call bounded."""

import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any

TIMEOUT_SECONDS = 10.0
# The processes are on this machine: a proxy from the environment would only be in the way.
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True, slots=True)
class Answer:
    """Status and decoded body; status 0 means that nobody answered."""

    status: int
    body: Any


def call(method: str, url: str, *, token: str | None = None, content: Any = None) -> Answer:
    """One request. A body that is no JSON comes back as text."""
    headers = {"Accept": "application/json"}
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    data = None
    if content is not None:
        headers["Content-Type"] = "application/json"
        data = json.dumps(content).encode()
    request = urllib.request.Request(url, data=data, headers=headers, method=method)
    try:
        with OPENER.open(request, timeout=TIMEOUT_SECONDS) as response:
            return Answer(response.status, _decode(response.read()))
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, _decode(error.read()))
    except OSError as error:
        return Answer(0, str(error))


def _decode(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return body.decode(errors="replace")
