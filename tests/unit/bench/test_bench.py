"""The bench's own arithmetic: what is sent, what is read, what counts as reached."""

from random import Random

import msgspec
import pytest

from app.api.schemas import OrderRequest
from bench.measuring import Measured
from bench.paced_connection import PacedConnection
from bench.report import goals
from bench.results import Run
from bench.workloads import DEFAULT, HOT, Workload, bodies, full_matrix
from bench.wrk import GeneratorError, read_result


def a_run(per_second: float, *, refused: int = 0, p99_ms: float = 10.0) -> Run:
    """One second of load."""
    return Run(answers=int(per_second), seconds=1.0, refused=refused, broken=0, p50_ms=5.0, p99_ms=p99_ms)


def rng() -> Random:
    """The same numbers every time."""
    return Random(7)  # noqa: S311 - load, no secret


@pytest.mark.parametrize("workload", full_matrix(), ids=lambda workload: workload.key)
def test_every_body_is_an_order_that_the_shop_understands(workload: Workload) -> None:
    """With as many different products as its workload says."""
    for body in bodies(workload, rng())[:50]:
        order = msgspec.json.decode(body, type=OrderRequest)
        assert len({item.product_id for item in order.items}) == len(order.items) == workload.lines
        assert (order.coupon_code is not None) == workload.coupon


def test_the_hot_workload_asks_for_one_product_and_keys_are_unique() -> None:
    """Results are filed by key."""
    products = {msgspec.json.decode(b, type=OrderRequest).items[0].product_id for b in bodies(HOT, rng())}
    assert products == {"p-1"}
    keys = [workload.key for workload in full_matrix()]
    assert len(keys) == len(set(keys))
    assert full_matrix()[: len(DEFAULT)] == DEFAULT


def test_what_the_generator_prints_is_read_and_silence_is_an_error() -> None:
    """The rest of its output does not matter."""
    run = read_result(
        'Running\nRESULT {"answers":10,"seconds":2.0,"refused":1,"broken":0,"p50_ms":1.5,"p99_ms":3.0}\n'
    )
    assert (run.per_second, run.refused) == (5.0, 1)
    with pytest.raises(GeneratorError):
        read_result("unable to connect")


def test_goals_are_ratios_of_medians() -> None:
    """One disturbed round does not decide; error answers do."""
    measured = Measured()
    measured.runs["api/c"] = [a_run(1000), a_run(1000), a_run(10)]
    measured.runs["api/a"] = [a_run(500), a_run(1), a_run(500, refused=2)]
    measured.half_load = [a_run(250, p99_ms=60.0)]
    found = {goal.name: (goal.value, goal.reached) for goal in goals(measured, "api")}
    assert found["(a)/(c) orders / no-op"] == (0.5, True)
    assert found["(e) p99 ms at half load"] == (60.0, False)
    assert found["answers other than 202"] == (2, False)


def test_an_answer_in_pieces_is_one_answer() -> None:
    """It is complete with the last byte of its body."""
    heard: list[int] = []
    connection = PacedConnection(lambda _connection, status: heard.append(status))
    for piece in (b"HTTP/1.1 202 Accepted\r\nContent-", b"Length: 4\r\n\r\n", b"ab"):
        connection.data_received(piece)
        assert heard == []
    connection.data_received(b"cd")
    assert heard == [202]
