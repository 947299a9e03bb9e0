"""Apicurio's compatibility rules and our offline check agree on made-up changes, but for named reasons."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import pytest
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient, SchemaRegistryError
from fastavro.schema import to_parsing_canonical_form

from kits.schemas.compatibility import AMBIGUOUS, LOGICAL_TYPE, NO_TEXT, incompatibilities
from tests.avro_changes import Maker

SEED = 20_261_128
CHANGES = 200
HISTORIES = 60
RULES = ("BACKWARD", "FORWARD", "FULL")
TRANSITIVE = tuple(f"{rule}_TRANSITIVE" for rule in RULES)

STRICTER = {
    LOGICAL_TYPE: "Apicurio looks at the types below: the same bytes would mean another moment or amount.",
    AMBIGUOUS: "Apicurio takes an alias that is a field's name: which of the two is read is left to luck.",
    NO_TEXT: "Avro reads bytes as text: of bytes that are none, nobody can.",
}
"""Our rules by which we say no where Apicurio says yes, with the reason; never the other way round."""


class Verdict(NamedTuple):
    """On one change: our reasons against it, and whether Apicurio took it."""

    ours: frozenset[str]
    taken: bool

    @property
    def kind(self) -> str:
        """How the two stand to each other."""
        if bool(self.ours) is not self.taken:
            return "agreed"
        return "stricter" if self.ours <= STRICTER.keys() and self.taken else "different"


@pytest.mark.parametrize("rule", RULES)
def test_a_change_is_judged_as_apicurio_does(
    confluent: SchemaRegistryClient, rule: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Or more strictly, for one of the named reasons."""
    histories = [(change.old, change.new) for change in Maker(SEED).changes(CHANGES)]
    judged(confluent, rule, histories, capsys)


@pytest.mark.parametrize("rule", TRANSITIVE)
def test_a_change_is_judged_by_all_former_versions_as_apicurio_does(
    confluent: SchemaRegistryClient, rule: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Three of them, each a change of the one before."""
    maker = Maker(SEED)
    histories: list[Sequence[dict[str, Any]]] = []
    for change in maker.changes(HISTORIES):
        former = [change.old, change.new, maker.changed(change.new)[0]]
        newest, _ = maker.changed(former[-1])
        # What differs in documentation, aliases or null defaults alone is no change to Apicurio, nor judged.
        while canonical(newest) in map(canonical, former):
            newest, _ = maker.changed(newest)
        histories.append((*former, newest))
    judged(confluent, rule, histories, capsys)


def judged(
    confluent: SchemaRegistryClient,
    rule: str,
    histories: Sequence[Sequence[dict[str, Any]]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Both judge the last version of each history; the seed and the sums are printed."""
    found = {}
    for number, history in enumerate(histories):
        taken = is_taken(confluent, f"judges.{rule}.{number}", rule, history)
        found[number] = Verdict(frozenset(our_reasons(rule, history)), taken)
    sums = Counter(verdict.kind for verdict in found.values())
    with capsys.disabled():
        print(f"\n{rule}, seed {SEED}, {len(histories)} changes: {dict(sums)}")
    different = {
        number: (verdict, [json.dumps(each) for each in histories[number]])
        for number, verdict in found.items()
        if verdict.kind == "different"
    }
    assert different == {}
    assert {verdict.taken for verdict in found.values()} == {True, False}


def our_reasons(rule: str, history: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Rules that the newest version breaks with those that count."""
    *former, new = history
    for old in former if rule in TRANSITIVE else former[-1:]:
        if not rule.startswith("FORWARD"):
            yield from (each.rule for each in incompatibilities(new, old))
        if not rule.startswith("BACKWARD"):
            yield from (each.rule for each in incompatibilities(old, new))


def canonical(schema: dict[str, Any]) -> str:
    """Avro's Parsing Canonical Form: without defaults, aliases and documentation."""
    return to_parsing_canonical_form(schema)


def is_taken(
    confluent: SchemaRegistryClient, subject: str, rule: str, history: Sequence[dict[str, Any]]
) -> bool:
    """Whether Apicurio registers the newest version under this rule; the former ones are there by force."""
    *former, new = history
    confluent.set_compatibility(subject, "NONE")
    for old in former:
        confluent.register_schema(subject, Schema(json.dumps(old), "AVRO"))
    confluent.set_compatibility(subject, rule)
    try:
        confluent.register_schema(subject, Schema(json.dumps(new), "AVRO"))
    except SchemaRegistryError as refused:
        # An alias with two meanings is more than it can compare. A schema that is none would say other words.
        if refused.http_status_code == 409 or "Could not execute compatibility rule" in str(refused):
            return False
        raise
    return True
