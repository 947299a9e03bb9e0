"""Stream: the streaming role from start to end: topics, engine, probes, signals, a bounded end."""

import asyncio

from kits.observability.health import Health
from kits.observability.logs import get_logger
from kits.process.background import Supervisor
from kits.process.signals import stop_on_signals
from kits.web.probes import ProbeServer
from services.sales.builds import Build
from services.sales.stream.process import EngineProcess
from services.sales.stream.watch import StreamTopics, StreamWatch

log = get_logger(__name__)


class StreamRunner:
    """Kafka unreachable never stops a start: the probes answer, and all else is tried until it works."""

    def __init__(
        self,
        *,
        build: Build,
        topics: StreamTopics,
        engine: EngineProcess,
        watch: StreamWatch,
        health: Health,
        probes: ProbeServer,
    ) -> None:
        self._build = build
        self._topics = topics
        self._engine = engine
        self._watch = watch
        self._health = health
        self._probes = probes

    async def run(self) -> int:
        """Stream until a signal. Returns 0.

        Raises:
            AddressError: nobody can listen where the probes should be.
        """
        with stop_on_signals() as signals:
            supervisor = Supervisor()
            supervisor.start("stream-watch", self._watch.run)
            end_probes = asyncio.Event()
            probes = asyncio.create_task(self._probes.run(end_probes))
            streaming = asyncio.create_task(self._stream(signals.asked))
            draining = asyncio.create_task(self._drain(signals.asked))
            try:
                log.info("stream_started", build=self._build.name, group=self._build.group)
                await asyncio.wait({probes, streaming}, return_when=asyncio.FIRST_COMPLETED)
                # Only an address that is taken ends the probes first: the engine has to end too.
                signals.asked.set()
                await streaming
            finally:
                draining.cancel()
                end_probes.set()
                await supervisor.stop()
                await probes
        log.info("stream_stopped")
        return 0

    async def _stream(self, stop: asyncio.Event) -> None:
        ensuring = asyncio.create_task(self._topics.ensure())
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait({ensuring, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not ensuring.done():
            ensuring.cancel()
        elif not stop.is_set():
            ensuring.result()
            await self._engine.run(stop)

    async def _drain(self, stop: asyncio.Event) -> None:
        # Unready first: whoever looks while the engine ends sees it.
        await stop.wait()
        self._health.drain()
