"""A stream that runs: what strangers write, clocks that differ, and the sales made anew beside it."""

import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
import pytest_asyncio

from contracts.envelope import headers_of
from contracts.sales import SalesOfMinuteV1, encode_sales
from devservices.ports import choose_free
from kits.kafka.admin import TopicAdmin, TopicSpec
from kits.kafka.records import TopicPartition
from kits.kafka.security import KafkaSecurity
from services.sales.builds import Build
from services.sales.container import Container
from services.sales.stream.reading import MAX_EVENT_BYTES
from services.sales.stream.topology import Sale
from tests.commands import run_command
from tests.conftest import fresh_database
from tests.integration.kafka.raw_batches import RawName, send_batches
from tests.sale_events import START, Placed, counted, generated
from tests.sales.harness import Streams, container_of, produce, shown, streams, write
from tests.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")


class Running:
    """One stream, the serving role beside it, and every order that the topic has seen so far."""

    def __init__(self, stream: Streams, container: Container, database_url: str) -> None:
        self.stream = stream
        self.container = container
        self.database_url = database_url
        self.orders: list[Placed] = []

    async def place(self, orders: list[Placed]) -> None:
        """Their events, and wait until they are shown."""
        self.orders += orders
        await produce(
            self.stream.kafka_servers, self.stream.build.source, [each.created() for each in orders]
        )
        await self.is_right()

    async def is_right(self) -> None:
        """The table shows what was ordered, in the end."""

        async def right() -> bool:
            return await shown(self.container) == counted(self.orders)

        await eventually(right, poll_seconds=0.1)

    async def command(self, *words: str) -> tuple[int, str]:
        """A command of the sales."""
        environment = {**self.stream.environment(), "DATABASE_URL": self.database_url}
        done = await run_command("services.sales", *words, given=b"", **environment)
        return done.code, done.out + done.err


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(
    tmp_path_factory: pytest.TempPathFactory, kafka_servers: str, postgres_server_url: str
) -> AsyncIterator[Running]:
    """Both roles, on a topic whose records carry their writers' times."""
    source = f"sales-{uuid.uuid4().hex[:8]}"
    admin = TopicAdmin(bootstrap_servers=kafka_servers, security=KafkaSecurity(), client_id="test")
    larger = {"max.message.bytes": str(3 * 1_048_576)}
    await admin.ensure_topics([TopicSpec(source, 3, config=larger)])
    async for url in fresh_database(postgres_server_url, ""):
        async with streams(tmp_path_factory.mktemp("stream"), kafka_servers, source) as stream:
            stream.start("one")
            container = container_of(stream, url)
            await container.history().migrate(container.engine())
            await container.lifecycle().start()
            yield Running(stream, container, url)
            await container.lifecycle().stop()


async def test_unreadable_records_become_dead_letters_with_their_place_and_the_others_go_on(
    running: Running,
) -> None:
    """Null, broken, of another format, of another key, too large; even one whose headers cannot be read."""
    stream, (one, two) = running.stream, generated(2, seed=11)
    event, key = one.created(), one.order_id.encode()
    headers = list(headers_of(event))
    broken = [
        (key, None, headers),
        (key, b"{", headers),
        (key, b"\x00\x00\x00\x00\x07avro?", headers),
        (b"another", event.payload, headers),
        (key, b'"' + b"x" * MAX_EVENT_BYTES + b'"', headers),
    ]
    await write(stream.kafka_servers, stream.build.source, broken)
    odd = [(key, event.payload, [(RawName(b"\xff\xfe"), b"1"), *headers])]
    await send_batches(stream.kafka_servers, TopicPartition(stream.build.source, 0), odd)
    await running.place([one, two])

    async def all_of_them() -> bool:
        return len(await stream.records(stream.build.dead_letters)) == len(broken) + 1

    await eventually(all_of_them, poll_seconds=0.2)
    letters = await stream.records(stream.build.dead_letters)
    codes = {id(each): dict(each.headers)["dlq_error_code"].decode() for each in letters}
    assert sorted((codes[id(each)], each.value or b"") for each in letters) == [
        ("empty_value", b""),
        ("other_key", event.payload),
        ("too_large", b""),
        ("undecodable_value", b"\x00\x00\x00\x00\x07avro?"),
        ("undecodable_value", b"{"),
        ("unreadable_headers", event.payload),
    ]
    for letter in letters:
        named = dict(letter.headers)
        has_headers = codes[id(letter)] != "unreadable_headers"
        assert named.get("ce_id") == (event.event_id.encode() if has_headers else None)
        assert named["dlq_group"] == stream.build.group.encode()
        place = named["dlq_topic"], int(named["dlq_partition"]), int(named["dlq_offset"])
        source = await stream.records(stream.build.source)
        (found,) = [each for each in source if (each.partition, each.offset) == place[1:]]
        assert (place[0], found.key) == (stream.build.source.encode(), letter.key)
    assert await stream.number("one", "sales_stream_dead_letters_total") == len(broken) + 1


async def test_records_of_strangers_in_the_topics_of_the_sales_change_nothing_and_stop_nobody(
    running: Running,
) -> None:
    """Between the steps of the stream, in its results, and among the large orders."""
    stream, build = running.stream, running.stream.build
    (one, *more) = generated(20, seed=12)
    await running.place([one])
    (key,) = counted([one])
    (sold,) = [value for name, value in (await stream.told()).items() if name == key]
    lie = SalesOfMinuteV1(minute=key[:17], currency=one.currency, orders=sold[0] + 5, pieces=999, revenue=1)
    sale = msgspec.json.encode(Sale(str(uuid.uuid4()), key[:17], one.currency, 1, 7))
    junk: list[tuple[bytes | None, bytes | None, list[tuple[str, bytes]]]]
    junk = [(None, b"", []), (b"\xff\xfe", b"\xff", []), (b"k", b"{}", []), (b"k", b"[1,2,3,4,5]", [])]
    await write(stream.kafka_servers, build.by_minute, [*junk, (b"another", sale, [])])
    await write(stream.kafka_servers, build.large, junk)
    await write(
        stream.kafka_servers,
        build.sales,
        [
            # A compacted topic takes no record without a key.
            *junk[1:],
            (f"{key}x".encode(), encode_sales(lie), []),
            (key.encode(), encode_sales(lie)[:-1], []),
            (key.encode(), None, []),
            (key.encode(), encode_sales(lie).replace(b'"pieces":999', b'"pieces":0'), []),
            (key.encode(), encode_sales(lie).replace(b'"orders":', b'"orders":-'), []),
        ],
    )
    await running.place(more)
    left_out = running.container.table_metrics().left_out
    await eventually(lambda: left_out.value == 8)
    assert await stream.number("one", "sales_stream_engine_starts_total") == 1


async def test_clocks_that_differ_move_no_order_into_another_minute(running: Running) -> None:
    """An order's own time counts, whatever the brokers' clock and the writers' say, decades apart."""
    now = datetime.now(UTC).replace(microsecond=0)
    past, future = START.replace(year=1999), START.replace(year=2099)
    orders: list[Placed] = []
    for seed, start in enumerate((past, future, now + timedelta(hours=5), now - timedelta(days=40))):
        orders += generated(5, seed=20 + seed, minutes=1, start=start)
    await running.place(orders)


async def test_a_rebuild_beside_the_running_stream_ends_in_a_switch_and_the_former_build_is_removed(
    running: Running,
) -> None:
    """What is shown is right before, at and after the switch, and the running stream is not touched."""
    stream = running.stream
    second = Build("v2", stream.build.source)
    await running.place(generated(200, seed=13))
    # A wrong row, as a bug of an earlier build might have left it: a reason for a rebuild.
    await write(stream.kafka_servers, stream.build.sales, [wrong_row(running)])

    async def is_wrong() -> bool:
        return await shown(running.container) != counted(running.orders)

    await eventually(is_wrong)
    code, said = await running.command("rebuild", "--remove", "v1")
    assert (code, "in force" in said) == (1, True), said
    code, said = await running.command("rebuild", "--as", "v2")
    assert (code, "SALES_STREAM_BUILD=v2" in said) == (0, True), said
    await running.is_right()
    assert await stream.told(second) == counted(running.orders)
    code, said = await running.command("rebuild", "--as", "v1")
    assert (code, "choose another name" in said) == (1, True), said
    code, said = await running.command("rebuild", "--remove", "v1")
    assert (code, "still streamed" in said) == (1, True), said

    assert await stream.stop("one"), stream.processes["one"].last_lines()
    stream.start("two", SALES_STREAM_BUILD="v2")
    await running.place(generated(50, seed=14))
    code, said = await running.command("rebuild", "--remove", "v1")
    assert code == 0, said
    assert await stream.records(stream.build.sales) == []
    code, said = await running.command("builds")
    assert (code, said.split()) == (0, ["BUILD", "STATE", "v1", "removed", "v2", "in_force"])
    await running.is_right()


def wrong_row(running: Running) -> tuple[bytes, bytes, list[tuple[str, bytes]]]:
    """Of the right shape, for a minute that has sales, with too many of them."""
    key, (orders, pieces, revenue) = next(iter(counted(running.orders).items()))
    sales = SalesOfMinuteV1(
        minute=key[:17], currency=key[18:], orders=orders + 1, pieces=pieces + 1, revenue=revenue
    )
    return key.encode(), encode_sales(sales), []


async def test_a_stream_without_kafka_waits_says_so_and_ends_when_it_is_asked_to(tmp_path: Path) -> None:
    """It does not end by itself; SIGTERM ends it cleanly within ten seconds."""
    (closed,) = choose_free(1)
    async with streams(tmp_path, f"127.0.0.1:{closed}", "order-events") as stream:
        stream.start("alone")

        async def is_unready() -> bool:
            status, said = await stream.page("alone", "/readyz")
            return status == 503 and "No broker answers" in said

        await eventually(is_unready, poll_seconds=0.2)
        assert (await stream.page("alone", "/livez"))[0] == 200
        assert await stream.stop("alone"), stream.processes["alone"].last_lines()
