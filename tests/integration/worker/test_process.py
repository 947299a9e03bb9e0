"""The worker as a process: start, signals, settings, exit codes."""

import json
import signal
import socket
from pathlib import Path

from tests.integration.worker.harness import Pipeline, arrived
from tests.integration.worker.processes import a_free_port, finished, worker_process
from tests.unit.worker.events import an_order
from tests.waiting import eventually


async def test_sigterm_drains_and_exits_0_and_nothing_is_repeated_afterwards(
    pipeline: Pipeline, tmp_path: Path
) -> None:
    """In the middle of its work: calls in flight end, the inbox is written, the offsets are committed."""
    await pipeline.platform.faults(latencyMs=200)
    await pipeline.write(
        event for seq in range(1, 6) for n in range(60) for event in an_order(f"o-{n}", seq, seq)
    )
    async with worker_process(pipeline, DATA_PLATFORM_BATCH_SIZE="3") as worker:
        await arrived(pipeline, 30)
        worker.signal(signal.SIGTERM)
        assert await worker.ended() == 0
        assert "worker_stopped" in worker.log
    assert (await pipeline.platform.received())["count"] < 300
    await pipeline.platform.faults()
    log_file = tmp_path / "worker.log"
    async with worker_process(pipeline, LOG_LEVEL="debug", LOG_FILE=str(log_file)) as worker:
        await eventually(worker.is_ready)
        assert await worker.status("/livez") == 200
        assert await worker.status("/metrics") == 200
        await arrived(pipeline, 300)
        worker.signal(signal.SIGINT)
        assert await worker.ended() == 0
    summary = await pipeline.platform.received()
    assert (summary["count"], summary["duplicates"], summary["orderViolations"]) == (300, 0, 0)
    lines = [json.loads(line) for line in log_file.read_text().splitlines()]
    told = {(line["logger"], line["process"]) for line in lines if line["event"] == "event_delivered"}
    assert told == {("worker.groups.data_platform.sink", "worker")}


async def test_a_second_signal_ends_it_at_once(pipeline: Pipeline) -> None:
    """Who asks twice does not want to wait for calls that hang."""
    await pipeline.platform.faults(timeout=True, applyThenFail=True)
    await pipeline.write(an_order("o-1", 1))
    async with worker_process(pipeline, LOG_LEVEL="debug") as worker:

        async def is_draining() -> bool:
            return await worker.status("/readyz") == 503

        await arrived(pipeline, 1)
        worker.signal(signal.SIGTERM)
        await eventually(is_draining)
        worker.signal(signal.SIGTERM)
        assert await worker.ended() == 128 + signal.SIGTERM


async def test_it_waits_for_kafka_alive_and_unready(pipeline: Pipeline) -> None:
    """Only the database is required to start; SIGTERM still ends it with 0."""
    async with worker_process(pipeline, KAFKA_BOOTSTRAP_SERVERS="127.0.0.1:1") as worker:

        async def is_unready() -> bool:
            return await worker.status("/readyz") == 503

        await eventually(is_unready)
        await eventually(lambda: "former_worker_awaited" in worker.log)
        assert await worker.status("/livez") == 200
        worker.signal(signal.SIGTERM)
        assert await worker.ended() == 0


async def test_bad_settings_end_it_with_2_and_every_problem_is_told() -> None:
    """All at once; values are not repeated, they may be secret."""
    code, out, err = await finished(
        DATABASE_URL="mysql://user:hidden@host/db",
        DATA_PLATFORM_URL="platform:80",
        WORKER_PORT="99999999",
        LOG_LEVEL="loud",
        KAFKA_SECURITY_PROTOCOL="SASL_SSL",
    )
    assert (code, out) == (2, "")
    for name in ("KAFKA_BOOTSTRAP_SERVERS", "DATA_PLATFORM_URL", "WORKER_PORT", "LOG_LEVEL"):
        assert name in err
    assert "hidden" not in err


async def test_missing_settings_of_all_kinds_are_told_together() -> None:
    """Also those that depend on each other."""
    code, _, err = await finished(KAFKA_SECURITY_PROTOCOL="SASL_SSL")
    assert code == 2
    for told in ("DATABASE_URL", "KAFKA_BOOTSTRAP_SERVERS", "DATA_PLATFORM_URL", "SASL username"):
        assert told in err


async def test_an_unknown_group_is_wrong_usage() -> None:
    """The names that there are stand in the answer."""
    code, out, err = await finished("data-plattform")
    assert (code, out) == (2, "")
    assert "data-platform" in err


async def test_help_goes_to_stdout() -> None:
    """With exit code 0."""
    code, out, _ = await finished("--help")
    assert code == 0
    assert "migrate" in out


async def test_an_unreachable_database_ends_it_after_a_bounded_wait() -> None:
    """With a clear line and an exit code that is not 0."""
    code, _, err = await finished(
        DATABASE_URL="postgresql://nobody@127.0.0.1:1/none",
        KAFKA_BOOTSTRAP_SERVERS="127.0.0.1:1",
        DATA_PLATFORM_URL="http://127.0.0.1:1",
        DATABASE_WAIT_SECONDS="1",
        WORKER_PORT=str(a_free_port()),
    )
    assert code == 1
    assert "database_awaited" in err
    assert "database_not_ready" in err


async def test_a_database_without_tables_says_what_to_run(empty_database_url: str) -> None:
    """And `migrate` makes them, printing the revision and nothing else."""
    settings = {
        "DATABASE_URL": empty_database_url,
        "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
        "DATA_PLATFORM_URL": "http://127.0.0.1:1",
        "DATABASE_WAIT_SECONDS": "0.2",
        "WORKER_PORT": str(a_free_port()),
    }
    code, _, err = await finished(**settings)
    assert code == 1
    assert "python -m worker migrate" in err
    code, _, err = await finished("dlq", "list", DATABASE_URL=empty_database_url)
    assert (code, err.count("python -m worker migrate"), "Traceback" in err) == (1, 1, False)
    code, out, _ = await finished("migrate", DATABASE_URL=empty_database_url)
    assert (code, len(out.split())) == (0, 1)
    again = await finished("migrate", DATABASE_URL=empty_database_url)
    assert again[:2] == (0, out)


async def test_a_taken_port_ends_it_with_one_sentence(database_url: str) -> None:
    """Which says what to change."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        code, _, err = await finished(
            DATABASE_URL=database_url,
            KAFKA_BOOTSTRAP_SERVERS="127.0.0.1:1",
            DATA_PLATFORM_URL="http://127.0.0.1:1",
            WORKER_PORT=str(taken.getsockname()[1]),
        )
    assert code == 1
    assert "WORKER_PORT" in err
    assert "Traceback" not in err


async def test_a_platform_that_refuses_every_call_ends_it_with_3(pipeline: Pipeline) -> None:
    """Unready before, and with nothing dead: after the token is mended everything arrives."""
    await pipeline.platform.faults(status=401)
    async with worker_process(pipeline, WORKER_HALT_SECONDS="6") as worker:
        await eventually(worker.is_ready)
        await pipeline.write(event for n in range(20) for event in an_order(f"o-{n}", 2))

        async def is_unready() -> bool:
            return await worker.status("/readyz") == 503

        await eventually(is_unready)
        assert await worker.ended() == 3
        assert "worker_halted" in worker.log
    assert await pipeline.rows("SELECT count(*), sum(attempts) FROM delivery.inbox_event") == [(40, 0)]
    assert not await pipeline.rows("SELECT 1 FROM delivery.inbox_event WHERE dead_at IS NOT NULL")
    await pipeline.platform.faults()
    async with pipeline.worker():
        await arrived(pipeline, 40)
    assert (await pipeline.platform.received())["orderViolations"] == 0
