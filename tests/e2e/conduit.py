"""Conduit for tests of the whole: its processes, and somebody who asks the gateway."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from tests.conduit_processes import ROLES, ConduitProcesses
from tests.waiting import eventually, patient

PASSWORD = "password123"
# Of each service: more of them would be a test of the machine.
_CALLERS = 2


@dataclass(frozen=True)
class Answer:
    """What the gateway answered, and after how many seconds."""

    status: int
    body: Any
    seconds: float

    @property
    def errors(self) -> Any:
        return self.body.get("errors", {})


@dataclass
class Conduit(ConduitProcesses):
    """The processes, and a session of HTTP."""

    http: aiohttp.ClientSession = field(kw_only=True)

    async def ask(
        self, method: str, path: str, body: Any = None, *, token: str = "", **headers: str
    ) -> Answer:
        """One request to the gateway, `/api/…` or `/graphql`."""
        told = headers | ({"authorization": f"Token {token}"} if token else {})
        limit = aiohttp.ClientTimeout(total=patient(60))
        began = time.monotonic()
        async with self.http.request(
            method, self.url + path, json=body, headers=told, timeout=limit
        ) as answer:
            shown = await answer.json(content_type=None) if answer.status != 204 else None
        return Answer(answer.status, shown, time.monotonic() - began)

    async def graphql(self, query: str, *, token: str = "") -> Answer:
        """One GraphQL request."""
        return await self.ask("POST", "/graphql", {"query": query}, token=token)

    async def login(self, username: str, password: str = PASSWORD) -> Answer:
        """A login."""
        user = {"email": f"{username}@example.com", "password": password}
        return await self.ask("POST", "/api/users/login", {"user": user})

    async def register(self, username: str, password: str = PASSWORD) -> str:
        """A user; the token."""
        user = {"username": username, "email": f"{username}@example.com", "password": password}
        answer = await self.ask("POST", "/api/users", {"user": user})
        assert answer.status == 201, answer
        return str(answer.body["user"]["token"])

    async def write_article(self, title: str, token: str) -> Answer:
        """An article."""
        article = {"title": title, "description": "About it", "body": "Text", "tagList": ["a", "b"]}
        return await self.ask("POST", "/api/articles", {"article": article}, token=token)

    async def thaw_and_answer(self, role: str) -> None:
        """SIGCONT, and wait until it is ready again."""
        self.thaw(role)
        await self.answers(role, status=200)

    async def end_all(self) -> dict[str, int | None]:
        """SIGTERM to all, and their exit codes."""
        for role in ROLES:
            await self.end(role)
        return {role: self.processes[role].exit_code for role in ROLES}


@asynccontextmanager
async def running(
    directory: Path, database_url: str, kafka_servers: str, **settings: str
) -> AsyncIterator[Conduit]:
    """All four, ready; ended at the end of the block."""
    async with aiohttp.ClientSession() as http:
        conduit = Conduit(directory, database_url, kafka_servers, settings, http=http)
        try:
            await conduit.start_all()
            yield conduit
        finally:
            conduit.stop()


async def at_once(conduit: Conduit, service: str, method: str, path: str, token: str = "") -> None:
    """Ask for what this service alone says until the gateway refuses without asking, naming it each time."""

    async def not_asked() -> bool:
        answer = await conduit.ask(method, path, token=token)
        assert answer.status == 503
        assert service in answer.errors
        return "was not asked" in str(answer.errors)

    await eventually(not_asked)


@dataclass
class Load:
    """Callers that ask each service for what it alone says, one request after the other."""

    conduit: Conduit
    token: str
    answers: dict[str, list[Answer]] = field(default_factory=dict)

    async def _ask(self, service: str, path: str) -> None:
        while True:
            answer = await self.conduit.ask("GET", path, token=self.token)
            self.answers[service].append(answer)

    @asynccontextmanager
    async def going(self, username: str) -> AsyncIterator[None]:
        """Within the block."""
        paths = {"auth": "/api/user", "articles": "/api/tags", "profiles": f"/api/profiles/{username}"}
        self.answers = {service: [] for service in paths}
        callers = [
            asyncio.create_task(self._ask(service, path))
            for service, path in paths.items()
            for _ in range(_CALLERS)
        ]
        try:
            yield
        finally:
            for caller in callers:
                caller.cancel()
            await asyncio.gather(*callers, return_exceptions=True)

    async def all_is_well(self) -> None:
        """Wait until each service has answered ten times in a row."""

        def well() -> bool:
            return all(
                [answer.status for answer in answers[-10:]] == [200] * 10 for answers in self.answers.values()
            )

        for answers in self.answers.values():
            answers.clear()
        await eventually(well)

    async def of_the_others(self, away: str) -> dict[str, list[Answer]]:
        """Fifty answers of each other service, all asked for from now on."""
        for answers in self.answers.values():
            answers.clear()
        others = {service: answers for service, answers in self.answers.items() if service != away}
        # The first ones may have been asked for before.
        await eventually(lambda: all(len(answers) >= 50 + _CALLERS for answers in others.values()))
        return {service: answers[_CALLERS:] for service, answers in others.items()}
