"""`python -m app …` as an operator meets it: exit codes, one-sentence errors, results on stdout."""

import asyncio
from functools import partial

import jwt
import pytest

from devservices.ports import choose_free
from tests.commands import run_command

SECRET = "s" * 32


app = partial(run_command, "app")


async def test_missing_and_wrong_settings_are_all_told_at_once_with_exit_code_2() -> None:
    """One look, one edit; no value is repeated, since it may be a password."""
    done = await app(API_PORT="99999", ORDER_TTL_SECONDS="soon", DATABASE_URL="mysql://u:hunter2@h/d")
    assert done.code == 2
    for name in ("API_PORT", "ORDER_TTL_SECONDS", "KAFKA_BOOTSTRAP_SERVERS"):
        assert name in done.err
    assert "hunter2" not in done.err
    done = await app(KAFKA_BOOTSTRAP_SERVERS="h:1", DATABASE_URL="mysql://u:hunter2@h/d", JWT_SECRET="short")
    assert done.code == 2
    assert "DATABASE_URL" in done.err
    assert "JWT_SECRET" in done.err
    assert "hunter2" not in done.err


@pytest.mark.parametrize("words", [(), ("migrate",), ("seed",)])
async def test_a_database_that_does_not_answer_is_waited_for_and_then_told(words: tuple[str, ...]) -> None:
    """Bounded tries, each with a line in the log, then one sentence and a code other than zero."""
    done = await app(
        *words,
        DATABASE_URL="postgresql://u:hunter2@127.0.0.1:1/shop",
        DATABASE_WAIT_SECONDS="2",
        KAFKA_BOOTSTRAP_SERVERS="127.0.0.1:1",
        JWT_SECRET=SECRET,
    )
    assert done.code == 1
    assert "database_unreachable" in done.err
    assert "does not answer" in done.err.splitlines()[-1]
    assert "hunter2" not in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize("name", ["API_PORT", "OPS_PORT"])
async def test_a_taken_port_is_told_in_one_sentence(database_url: str, name: str) -> None:
    """And nothing was started."""
    server = await asyncio.start_server(lambda _reader, _writer: None, "127.0.0.1", 0)
    (free,) = choose_free(1)
    taken = server.sockets[0].getsockname()[1]
    async with server:
        done = await app(
            DATABASE_URL=database_url,
            KAFKA_BOOTSTRAP_SERVERS="127.0.0.1:1",
            JWT_SECRET=SECRET,
            API_PORT=str(taken if name == "API_PORT" else free),
            OPS_PORT=str(taken if name == "OPS_PORT" else free),
        )
    assert done.code == 1
    assert str(taken) in done.err.splitlines()[-1]
    assert "Traceback" not in done.err


async def test_migrate_and_seed_may_be_repeated(empty_database_url: str) -> None:
    """The result is one line on stdout; the second time changes nothing."""
    first = await app("migrate", DATABASE_URL=empty_database_url)
    second = await app("migrate", DATABASE_URL=empty_database_url)
    assert (first.code, first.out) == (second.code, second.out)
    assert len(first.out.splitlines()) == 1
    seeded = await app("seed", DATABASE_URL=empty_database_url)
    again = await app("seed", DATABASE_URL=empty_database_url)
    assert "20 products" in seeded.out
    assert "nothing was changed" in again.out
    more = await app("seed", "--products", "25", "--stock", "7", DATABASE_URL=empty_database_url)
    assert "25 products" in more.out


async def test_two_migrations_at_once_wait_for_each_other(empty_database_url: str) -> None:
    """Two hosts deploy at the same moment."""
    both = await asyncio.gather(*(app("migrate", DATABASE_URL=empty_database_url) for _ in range(2)))
    assert [done.code for done in both] == [0, 0]


async def test_token_prints_one_line_that_the_service_accepts() -> None:
    """It needs nothing but the secret."""
    done = await app("token", "--sub", "c-1", "--scope", "orders:fulfil", JWT_SECRET=SECRET)
    assert done.code == 0
    claims = jwt.decode(
        done.out.strip(), SECRET, algorithms=["HS256"], audience="orders", issuer="order-pipeline"
    )
    assert (claims["sub"], claims["scope"]) == ("c-1", "orders:fulfil")


async def test_wrong_usage_ends_with_exit_code_2() -> None:
    """As every command line does."""
    assert (await app("token")).code == 2
    assert (await app("conquer")).code == 2
    assert (await app("seed", "--products", "0", DATABASE_URL="postgresql://h/d")).code == 2
