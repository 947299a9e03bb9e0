"""Passwords: hashed as OWASP asks, two at once, a bounded queue, and nothing of them in any repr."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator

import pytest
from argon2 import PasswordHasher, extract_parameters

from conduit.auth.passwords import Passwords
from conduit.auth.ports import Account, Verdict
from conduit.auth.service import NewPassword
from conduit.contracts.sealing import Secrets
from kits.rpc.deadlines import current_deadline
from kits.rpc.errors import RpcError
from tests.waiting import eventually


@pytest.fixture
async def passwords() -> AsyncIterator[Passwords]:
    made = Passwords()
    yield made
    await made.stop()


async def test_a_hash_has_the_parameters_that_are_recommended_and_a_salt_of_its_own(
    passwords: Passwords,
) -> None:
    """OWASP's second choice for argon2id: 19 MiB, two passes, one lane."""
    one, other = await asyncio.gather(passwords.hash("correct horse"), passwords.hash("correct horse"))
    assert one != other
    found = extract_parameters(one)
    assert (found.type.name, found.memory_cost, found.time_cost, found.parallelism) == ("ID", 19_456, 2, 1)
    assert await passwords.check("correct horse", one) == Verdict(is_right=True)
    assert await passwords.check("correct horsE", one) == Verdict(is_right=False)
    assert await passwords.check("", one) == Verdict(is_right=False)


async def test_what_nobody_has_is_checked_against_a_hash_of_the_same_cost(passwords: Passwords) -> None:
    """Whether an address is known shows neither in the answer nor in what it costs."""
    assert extract_parameters(passwords._decoy) == extract_parameters(await passwords.hash("x"))
    assert await passwords.check("anything", None) == Verdict(is_right=False)


async def test_the_same_word_in_another_unicode_form_is_the_same_password(passwords: Passwords) -> None:
    """As another keyboard types it."""
    stored = await passwords.hash("pässword")
    assert (await passwords.check("pa\u0308ssword", stored)).is_right


async def test_a_hash_of_former_parameters_is_made_anew_for_the_right_password_alone(
    passwords: Passwords,
) -> None:
    """The new one has the parameters in force."""
    former = PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1).hash("correct horse")
    assert (await passwords.check("wrong horse", former)).rehashed is None
    rehashed = (await passwords.check("correct horse", former)).rehashed
    assert rehashed is not None
    assert await passwords.check("correct horse", rehashed) == Verdict(is_right=True)


async def test_two_run_at_once_64_wait_and_the_next_is_refused(passwords: Passwords) -> None:
    """Who gives up makes room, and afterwards everything goes on."""
    gate, running = threading.Event(), []

    def job() -> int:
        running.append(threading.current_thread().name)
        gate.wait()
        return len(running)

    tasks = [asyncio.create_task(passwords._run(job)) for _ in range(66)]
    try:
        await eventually(lambda: len(running) == 2)
        with pytest.raises(RpcError) as refused:
            await passwords.hash("one too many")
        assert (refused.value.status, refused.value.code) == (503, "overloaded")
        assert len(running) == 2
        tasks[-1].cancel()
        await asyncio.gather(tasks[-1], return_exceptions=True)
        late = asyncio.create_task(passwords.hash("there is room"))
        with pytest.raises(RpcError):
            await asyncio.gather(*(passwords.hash("again") for _ in range(2)))
    finally:
        gate.set()
    await asyncio.gather(*tasks[:-1], late)
    assert len(running) == 65


async def test_who_would_wait_for_longer_than_the_caller_is_refused_at_once(passwords: Passwords) -> None:
    """By how long the last ones took; with a thread free nobody is refused, so slow ones are forgotten."""
    passwords._job_seconds = 125.0
    gate = threading.Event()
    until = current_deadline.set(time.time() + 1_000.0)
    try:
        # Two run; with caution the sixth is done after 875 s of the 1,000, the seventh after 1,000.
        tasks = [asyncio.create_task(passwords._run(gate.wait)) for _ in range(6)]
        await eventually(lambda: len(passwords._jobs) == 6)
        with pytest.raises(RpcError) as refused:
            await passwords.hash("too late")
        assert (refused.value.status, refused.value.code) == (503, "overloaded")
        gate.set()
        await asyncio.gather(*tasks)
        passwords._job_seconds = 3_600.0
        for _ in range(60):
            await passwords._run(lambda: None)
        assert passwords._job_seconds < 1.0
    finally:
        gate.set()
        current_deadline.reset(until)


def test_no_repr_shows_a_password_a_hash_or_a_key() -> None:
    """Whatever ends up in a log by its repr."""
    key = b"k" * 32
    account = Account(
        id="u", username="ann", email="a@b", password_hash="hunter2", bio=None, image=None, version=1,
        changed_at=None,  # type: ignore[arg-type]
    )  # fmt: skip
    for shown in (
        repr(account),
        repr(NewPassword("hunter2", key)),
        repr(Verdict(is_right=True, rehashed="hunter2")),
        repr(Secrets("hunter2", key)),
    ):
        assert "hunter2" not in shown
        assert "kkk" not in shown
