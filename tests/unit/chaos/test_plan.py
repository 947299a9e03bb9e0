"""The plan of a campaign: the same for the same seed, and never less than was promised."""

from argparse import ArgumentParser

import msgspec

from chaos.plan import PAUSES_SESSION_MS, Kind, Plan, make_plan, smoke_plan
from chaos.proxy import Weather
from devservices.data_platform.faults import parse_plan
from worker.cli import operating


def count(plan: Plan, kind: Kind, *targets: str) -> int:
    """How many faults of this kind, on these targets or on any."""
    return sum(step.kind is kind and (not targets or step.target in targets) for step in plan.steps)


def test_a_seed_gives_the_same_plan_and_another_seed_another_one() -> None:
    """Whoever has the seed of a failed campaign can run it again."""
    assert make_plan(7, 10) == make_plan(7, 10)
    assert make_plan(7, 10) != make_plan(8, 10)


def test_a_short_campaign_has_as_many_faults_as_it_promises() -> None:
    """Whatever the seed: 30 SIGKILLs, 10 broker outages, 5 database restarts, 5 pauses."""
    for seed in range(20):
        plan = make_plan(seed, 10)
        assert count(plan, Kind.KILL) >= 30
        assert count(plan, Kind.KILL, "kafka") >= 10
        assert count(plan, Kind.KILL, "postgres") >= 5
        assert count(plan, Kind.PAUSE) >= 5
        assert {"api-1", "api-2", "worker-1", "worker-2", "postgres", "kafka", "platform", "inbox"} == {
            step.target for step in plan.steps
        }


def test_a_worker_freezes_for_longer_than_anything_that_it_holds() -> None:
    """Leases, sessions and time-outs are all over when it wakes up."""
    pauses = [step for step in make_plan(7, 10).steps if step.kind is Kind.PAUSE]
    assert max(step.hold_seconds for step in pauses if step.target.startswith("worker")) >= 40


def test_a_longer_campaign_has_more_rounds_each_in_its_own_order() -> None:
    """Sixty minutes are six of them."""
    plan = make_plan(7, 60)
    assert len(plan.steps) == 6 * len(make_plan(7, 10).steps)
    first, second = [phase.lanes for phase in plan.phases if "everything" in phase.name][:2]
    assert first != second


def test_the_broker_is_paused_only_under_a_long_session_and_killed_only_under_a_short_one() -> None:
    """A paused broker would be fenced, a killed one would be long in coming back."""
    for phase in make_plan(7, 30).phases:
        for step in (step for lane in phase.lanes.values() for step in lane if step.target == "kafka"):
            assert (step.kind is Kind.PAUSE) == (phase.kafka_session_ms == PAUSES_SESSION_MS)


def test_every_fault_is_one_that_its_target_understands() -> None:
    """A misspelt switch would be a fault that never happens."""
    commands = ArgumentParser()
    operating.add_commands(commands.add_subparsers())
    for step in [*make_plan(7, 10).steps, *smoke_plan(7).steps]:
        if step.kind is Kind.NETWORK:
            assert step.detail["weather"] in set(Weather)
        if step.kind is Kind.PLATFORM:
            parse_plan(step.detail)
        if step.kind is Kind.OPERATOR:
            words = [*step.detail["command"].split(), "--reason", "chaos", "--by", "chaos"]
            assert callable(commands.parse_args(words).command)


def test_a_plan_can_be_written_down() -> None:
    """As JSON, for the report."""
    plan = smoke_plan(7)
    assert msgspec.json.decode(msgspec.json.encode(plan), type=Plan) == plan
