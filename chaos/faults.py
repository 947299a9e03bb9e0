"""The faults: each is injected, held, and mended again."""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import aiohttp

from chaos.plan import Kind, Step
from chaos.proxy import Forecast, Weather
from chaos.system import System

_SAY_SECONDS = 30.0
_REFUSED_LOOKS = 150
_LOOK_SECONDS = 0.2


class Faults:
    """Does to the system what the plan says; a call returns when its fault is over and the target is back."""

    def __init__(self, system: System) -> None:
        self._system = system
        self.refused: set[str] = set()
        """Ids of the events that the platform was made to refuse for good."""
        self._hands: Mapping[Kind, Callable[[Step], Awaitable[None]]] = {
            Kind.KILL: self._kill,
            Kind.RESTART: self._restart,
            Kind.PAUSE: self._pause,
            Kind.NETWORK: self._network,
            Kind.PLATFORM: self._platform,
            Kind.CLOCK: self._clock,
            Kind.FULL_DISK: self._full_disk,
            Kind.OPERATOR: self._operate,
        }

    async def inject(self, step: Step) -> None:
        """Raises NotPossibleError where this machine does not allow it."""
        await self._hands[step.kind](step)

    async def _kill(self, step: Step) -> None:
        if step.target in {"postgres", "kafka"}:
            server = self._system.postgres if step.target == "postgres" else self._system.kafka
            await asyncio.to_thread(server.kill)
            await asyncio.sleep(step.hold_seconds)
            await asyncio.to_thread(server.start)
            return
        await self._system.fleet.kill(step.target)
        await self._begin_again(step)

    async def _restart(self, step: Step) -> None:
        await self._system.fleet.stop(step.target)
        await self._begin_again(step)

    async def _begin_again(self, step: Step) -> None:
        await asyncio.sleep(step.hold_seconds)
        self._system.fleet.start(step.target)
        await self._system.fleet.ready(step.target)

    async def _pause(self, step: Step) -> None:
        broker = self._system.kafka.process
        if step.target == "kafka" and broker is not None:
            broker.send_signal(signal.SIGSTOP)
            await asyncio.sleep(step.hold_seconds)
            broker.send_signal(signal.SIGCONT)
            return
        self._system.fleet.pause(step.target)
        await asyncio.sleep(step.hold_seconds)
        self._system.fleet.resume(step.target)

    async def _network(self, step: Step) -> None:
        proxy = self._system.proxies[step.target]
        proxy.change(Forecast(Weather(step.detail["weather"]), step.detail.get("seconds", 0.0)))
        await asyncio.sleep(step.hold_seconds)
        proxy.change(Forecast())

    async def _platform(self, step: Step) -> None:
        await self._switch(step.detail)
        await asyncio.sleep(step.hold_seconds)
        if "reject" in step.detail:
            await self._until_refused()
        await self._switch({})
        if "reject" in step.detail:
            self.refused |= await self._rejected()

    async def _until_refused(self) -> None:
        """A slow machine may need longer than planned until one event has met the refusal."""
        for _ in range(_REFUSED_LOOKS):
            if await self._rejected():
                return
            await asyncio.sleep(_LOOK_SECONDS)

    async def _rejected(self) -> set[str]:
        return set((await self._ask("GET", "/received?rejected="))["rejected"])

    async def _switch(self, switches: Mapping[str, Any]) -> None:
        await self._ask("POST", "/faults", switches)

    async def _ask(self, method: str, path: str, content: Mapping[str, Any] | None = None) -> Any:
        address = self._system.platform_url + path
        timeout = aiohttp.ClientTimeout(_SAY_SECONDS)
        async with (
            aiohttp.ClientSession(timeout=timeout, raise_for_status=True) as session,
            session.request(method, address, json=content) as answer,
        ):
            return await answer.json()

    async def _clock(self, step: Step) -> None:
        self._system.clocks.jump(step.target, step.detail["seconds"])
        await asyncio.sleep(step.hold_seconds)
        self._system.clocks.mend(step.target)

    async def _full_disk(self, step: Step) -> None:
        await asyncio.to_thread(self._system.disk.fill)
        await asyncio.sleep(step.hold_seconds)
        await asyncio.to_thread(self._system.disk.free)
        # A server that could not write its log ahead has ended, as it should.
        await asyncio.to_thread(self._system.postgres.start)

    async def _operate(self, step: Step) -> None:
        await self._system.operate(*step.detail["command"].split(), "--reason", "chaos", "--by", "chaos")
        await asyncio.sleep(step.hold_seconds)
