"""A service in a process of its own, for tests that kill it: `SERVERS DATABASE PREFIX [MODE]`."""

import asyncio
import os
import signal
import sys

from sqlalchemy import text

from kits.kafka.producer import RecordProducer
from kits.observability.logs import configure_logging
from kits.observability.metrics import Metrics
from kits.postgres.driver import DriverConnection, DriverStatement
from kits.postgres.engine import create_engine
from kits.postgres.request_ledger import SqlRequestEntry, SqlRequestLedger, request_ledger_table
from kits.postgres.schema import metadata
from kits.rpc.call import Call
from kits.rpc.handlers import message_pattern
from kits.rpc.metrics import ServerMetrics
from kits.rpc.over_kafka import rpc_producer, rpc_server
from tests.rpc_services import Article, Patterns, brokers_of

_INSERT = DriverStatement(text("INSERT INTO article (title) VALUES (:title) RETURNING number"))


class Fatal(SqlRequestLedger):
    """Dies between the COMMIT and the reply."""

    async def begin(self, request_id: str) -> SqlRequestEntry:
        entry = await super().begin(request_id)
        finish = entry.finish

        async def finish_and_die(reply: bytes | None) -> None:
            await finish(reply)
            os.kill(os.getpid(), signal.SIGKILL)

        entry.finish = finish_and_die  # type: ignore[method-assign]
        return entry


def main(servers: str, database: str, prefix: str, mode: str = "") -> None:
    patterns = Patterns(prefix)

    class Articles:
        """Makes articles, each once."""

        @message_pattern(patterns.create)
        async def create(self, article: Article, call: Call) -> Article:
            async with call.once() as work:
                connection: DriverConnection = work
                ((number,),) = await connection.fetch(_INSERT, {"title": article.title})
                return Article(article.title, number)

    async def serve() -> None:
        engine = create_engine(database, application_name="articles")
        kind = Fatal if mode == "kill-after-commit" else SqlRequestLedger
        ledger = kind(engine, request_ledger_table(metadata()))
        brokers = brokers_of(servers, f"{prefix}articles")
        producer: RecordProducer = rpc_producer(brokers)
        server = rpc_server(
            brokers, producer, ServerMetrics(Metrics()), [Articles()],
            group=patterns.group, ledger=ledger, instance_id="slot-1",
        )  # fmt: skip
        await producer.start()
        await server.start()
        await asyncio.Event().wait()

    configure_logging(process="articles")
    asyncio.run(serve())


if __name__ == "__main__":
    main(*sys.argv[1:])
