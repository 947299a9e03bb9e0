"""Auth: users that are made once, tokens for the right password alone, an event for every version."""

import asyncio
import traceback
from pathlib import Path
from typing import Any

from argon2 import PasswordHasher
from structlog.testing import capture_logs

from conduit.auth.keys import PUBLIC_FILE, write_keys
from conduit.contracts.sealing import fresh_reply_key, seal_password
from conduit.contracts.tokens import AUDIENCE, ISSUER
from conduit.contracts.users import (
    DESCRIBE_USER,
    DESCRIBE_USERNAME,
    GET_USER,
    USER_CHANGED,
    USER_CREATION,
    VALIDATE_USER,
    Credentials,
    SignedIn,
    UserChanged,
    UserNamed,
    UserWithId,
)
from kits.kafka.records import OutgoingRecord
from kits.observability.traces import trace_id
from kits.rpc.wire import traceparent_of
from kits.web.tokens.verifier import TokenVerifier
from tests.conduit_users import LONG, PASSWORD, auth_world, refusal_of, sealing_key
from tests.waiting import eventually

FORMER = PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1)


async def test_who_registers_is_signed_in_and_known_to_everybody(
    empty_database_url: str, tmp_path: Path
) -> None:
    """The token is the user's, for whom only the gateway's key verifies it; the event is of version 1."""
    async with auth_world(empty_database_url, tmp_path) as here:
        answer = await here.register("ann")
        user = answer.user
        assert (user.username, user.email, user.bio, user.image, user.version) == (
            "ann", "ann@example.com", None, None, 1,
        )  # fmt: skip
        verifier = TokenVerifier(issuer=ISSUER, audience=AUDIENCE, jwks_file=str(tmp_path / PUBLIC_FILE))
        assert verifier.verify(here.token(answer)).subject == user.id
        assert verifier.verify(here.token(await here.login("Ann@Example.COM"))).subject == user.id
        assert await here.asker.send(GET_USER, UserWithId(id=user.id), timeout=LONG) == user
        known = UserChanged(id=user.id, username="ann", bio=None, image=None, version=1)
        assert await here.asker.send(DESCRIBE_USER, UserWithId(id=user.id), timeout=LONG) == known
        assert await here.asker.send(DESCRIBE_USERNAME, UserNamed(username="ann"), timeout=LONG) == known
        for asking in (
            here.asker.send(GET_USER, UserWithId(id="nobody"), timeout=LONG),
            here.asker.send(DESCRIBE_USER, UserWithId(id="nobody"), timeout=LONG),
            here.asker.send(DESCRIBE_USERNAME, UserNamed(username="Ann"), timeout=LONG),
            here.update("nobody", bio="x"),
        ):
            assert await refusal_of(asking) == (404, "user", "not found")
        await eventually(lambda: here.told(user.id) == [known])
        (event,) = here.kafka.records(USER_CHANGED.topic)
        (request,) = here.kafka.records(USER_CREATION.topic)
        assert trace_id(traceparent_of(event)) == trace_id(traceparent_of(request)) != ""


async def test_a_name_and_an_address_belong_to_one_user_also_when_many_want_them_at_once(
    empty_database_url: str, tmp_path: Path
) -> None:
    """Addresses are the same in any case of their letters; who is refused leaves nothing behind."""
    async with auth_world(empty_database_url, tmp_path) as here:
        many = await asyncio.gather(*(here.register("ann") for _ in range(8)), return_exceptions=True)
        (ann,) = [each for each in many if isinstance(each, SignedIn)]
        assert {str(each) for each in many if isinstance(each, Exception)} <= {
            "409 username_has_already_been_taken: has already been taken",
            "409 email_has_already_been_taken: has already been taken",
        }
        taken = (409, "email", "has already been taken")
        assert await refusal_of(here.register("bob", email="ANN@example.com")) == taken
        assert await refusal_of(here.register("ann", email="b@example.com")) == (409, "username", taken[2])
        bob = await here.register("bob")
        assert await refusal_of(here.update(bob.user.id, email="aNN@example.com", bio="x")) == taken
        assert await refusal_of(here.update(bob.user.id, username="ann")) == (409, "username", taken[2])
        assert (await here.update(bob.user.id, email="BOB@example.com")).email == "BOB@example.com"
        assert await here.rows("SELECT username, bio FROM account ORDER BY username") == [
            ("ann", None), ("bob", None),
        ]  # fmt: skip
        assert await here.rows("SELECT count(*) FROM user_event") == [(2,)]
        assert [each.version for each in here.told(ann.user.id)] == [1]


async def test_a_wrong_password_and_an_unknown_address_look_the_same(
    empty_database_url: str, tmp_path: Path
) -> None:
    """A password sealed for other keys is a fault of the gateway, and says so."""
    async with auth_world(empty_database_url, tmp_path) as here:
        await here.register("ann")
        invalid = (401, "credentials", "invalid")
        assert await refusal_of(here.login("ann@example.com", "correct horse batterY")) == invalid
        assert await refusal_of(here.login("nobody@example.com")) == invalid
        assert await refusal_of(here.login("ann@example.com", "")) == invalid
        for password, words in (
            ("", "can't be blank"),
            ("1234567", "is too short (minimum is 8 characters)"),
            ("x" * 129, "is too long (maximum is 128 characters)"),
        ):
            assert await refusal_of(here.register("bob", password=password)) == (422, "password", words)
        for password in ("12345678", "ü" * 128):
            await here.register(f"u{len(password)}", password=password)
            await here.login(f"u{len(password)}@example.com", password)
        other = tmp_path / "other"
        write_keys(other)
        strange = seal_password(PASSWORD, fresh_reply_key(), sealing_key(other))
        words = "was sealed for another key: restart the gateway with auth's keys"
        for sealed in (strange, "AAAA", "A"):
            credentials = Credentials(email="ann@example.com", password=sealed)
            asking = here.asker.send(VALIDATE_USER, credentials, timeout=LONG)
            assert await refusal_of(asking) == (422, "password", words)


async def test_each_change_that_others_see_is_a_version_and_each_version_an_event_in_order(
    empty_database_url: str, tmp_path: Path
) -> None:
    """A new address or password is told to nobody; the former password is good no more."""
    async with auth_world(empty_database_url, tmp_path) as here:
        user_id = (await here.register("ann")).user.id
        for changes, version in (
            ({"bio": "writes\nlong"}, 2),
            ({"bio": "writes\nlong"}, 2),
            ({"image": "https://example.com/a.png", "username": "Ann"}, 3),
            ({"bio": ""}, 4),
            ({"bio": None}, 4),
            ({"image": None}, 5),
            ({"email": "new@example.com"}, 5),
            ({"password": "another password"}, 5),
            ({}, 5),
        ):
            assert (await here.update(user_id, **changes)).version == version
        assert await refusal_of(here.login("new@example.com")) == (401, "credentials", "invalid")
        assert await refusal_of(here.login("ann@example.com", "another password")) == (
            401, "credentials", "invalid",
        )  # fmt: skip
        user = (await here.login("new@example.com", "another password")).user
        assert (user.username, user.bio, user.image, user.version) == ("Ann", None, None, 5)
        for bad, path in (({"username": None}, "$.username"), ({"password": "short"}, "password")):
            assert (await refusal_of(here.update(user_id, **bad)))[:2] == (422, path)
        await eventually(lambda: len(here.told(user_id)) == 5)
        assert [(each.version, each.username, each.bio, each.image) for each in here.told(user_id)] == [
            (1, "ann", None, None),
            (2, "ann", "writes\nlong", None),
            (3, "Ann", "writes\nlong", "https://example.com/a.png"),
            (4, "Ann", None, "https://example.com/a.png"),
            (5, "Ann", None, None),
        ]


async def test_the_same_request_again_makes_no_second_user_and_gets_the_first_reply(
    empty_database_url: str, tmp_path: Path
) -> None:
    """Also when both are under way at once."""
    async with auth_world(empty_database_url, tmp_path) as here:
        user_id = (await here.register("ann")).user.id
        (request,) = here.kafka.records(USER_CREATION.topic)
        again = OutgoingRecord(request.topic, request.key, request.value, request.headers)
        for _ in range(2):
            here.kafka.write(again)
        replies = "conduit-test.reply"
        await eventually(lambda: len(here.kafka.records(replies)) == 3)
        assert len({each.value for each in here.kafka.records(replies)}) == 1
        assert await here.rows("SELECT id FROM account") == [(user_id,)]
        assert await here.rows("SELECT count(*) FROM user_event") == [(1,)]


async def test_a_hash_of_former_parameters_is_made_anew_at_the_next_login(
    empty_database_url: str, tmp_path: Path
) -> None:
    """With the password that was right, and only then."""
    async with auth_world(empty_database_url, tmp_path) as here:
        await here.register("ann")
        former = FORMER.hash(PASSWORD)
        await here.rows("UPDATE account SET password_hash = :former", former=former)
        await refusal_of(here.login("ann@example.com", "wrong password"))
        assert await here.rows("SELECT password_hash FROM account") == [(former,)]
        await here.login("ann@example.com")
        ((new,),) = await here.rows("SELECT password_hash FROM account")
        assert new.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
        await here.login("ann@example.com")
        assert await here.rows("SELECT password_hash FROM account") == [(new,)]


async def test_republishing_tells_the_newest_of_every_user_once_more(
    empty_database_url: str, tmp_path: Path
) -> None:
    """Also of what the outbox has forgotten; the event has the same bytes."""
    async with auth_world(empty_database_url, tmp_path) as here:
        ids = [(await here.register(name)).user.id for name in ("ann", "bob")]
        await here.update(ids[0], bio="x")
        await eventually(lambda: [len(here.told(each)) for each in ids] == [2, 1])

        async def all_is_done() -> bool:
            return await here.rows("SELECT count(*) FROM user_event WHERE done_at IS NULL") == [(0,)]

        await eventually(all_is_done)
        await here.rows("DELETE FROM user_event WHERE key = :id", id=ids[1])
        assert await here.container.republishing().all() == 2
        await eventually(lambda: [len(here.told(each)) for each in ids] == [3, 2])
        for each in ids:
            assert here.told(each)[-1] == here.told(each)[-2]


async def test_without_its_tables_a_request_is_refused_in_a_sentence_and_works_again_afterwards(
    empty_database_url: str, tmp_path: Path
) -> None:
    """503 for every pattern; nothing of the database's own words."""
    async with auth_world(empty_database_url, tmp_path) as here:
        user_id = (await here.register("ann")).user.id
        await here.rows("ALTER TABLE account RENAME TO gone")
        for asking in (
            here.register("bob"),
            here.login("ann@example.com"),
            here.update(user_id, bio="x"),
            here.asker.send(GET_USER, UserWithId(id=user_id), timeout=LONG),
            here.asker.send(DESCRIBE_USERNAME, UserNamed(username="ann"), timeout=LONG),
        ):
            assert await refusal_of(asking) == (503, "", "The database cannot be used now: ask again.")
        await here.rows("ALTER TABLE gone RENAME TO account")
        assert (await here.login("ann@example.com")).user.id == user_id


async def test_no_topic_no_log_and_no_table_has_a_password_or_a_token(
    empty_database_url: str, tmp_path: Path
) -> None:
    """Whatever goes well, is refused, or breaks."""
    with capture_logs() as lines:
        async with auth_world(empty_database_url, tmp_path) as here:
            answer = await here.register("ann", password="first passphrase")
            await here.update(answer.user.id, password="second passphrase")
            second = await here.login("ann@example.com", "second passphrase")
            await refusal_of(here.login("ann@example.com", "third passphrase"))
            await refusal_of(here.register("ann", password="fourth passphrase"))
            broken = Credentials(email="ann@example.com", password="AAAA")
            await refusal_of(here.asker.send(VALIDATE_USER, broken, timeout=LONG))
            # A fault of our own is logged with its trace.
            await here.rows("UPDATE account SET password_hash = '$argon2id$broken'")
            assert (await refusal_of(here.login("ann@example.com", "fifth passphrase")))[0] == 500
            tokens = [here.token(answer), here.token(second)]
            records = [each for log in here.kafka.logs.values() for each in log]
            travelled = b"".join(
                part or b""
                for each in records
                for part in (each.key, each.value, *(value for _, value in each.headers))
            )
            stored = await here.rows("SELECT id || encode(coalesce(reply, ''), 'escape') FROM rpc_request")
            stored += await here.rows("SELECT CAST(account AS text) FROM account")
    said = "".join(_shown(line) for line in lines) + repr(stored)
    assert "rpc_handler_failed" in said
    assert "sealed_for_another_key" in said
    for secret in (*tokens, "passphrase"):
        assert secret not in said
        assert secret.encode() not in travelled
    assert b"argon2id" not in travelled
    assert answer.user.id.encode() in travelled


def _shown(line: Any) -> str:
    error = line.get("exc_info")
    trace = "".join(traceback.format_exception(error)) if isinstance(error, BaseException) else ""
    return f"{line}{trace}"
