"""Changes of Avro schemas, made up from a seed: what people do to records, harmless or not."""

import copy
import random
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

Schema = dict[str, Any]

DEFAULTS: dict[str, Any] = {
    "boolean": False, "int": 0, "long": 0, "float": 0.0, "double": 0.0, "bytes": "", "string": "",
}  # fmt: skip
LOGICAL = (
    {"type": "int", "logicalType": "date"},
    {"type": "int", "logicalType": "time-millis"},
    {"type": "long", "logicalType": "time-micros"},
    {"type": "long", "logicalType": "timestamp-millis"},
    {"type": "long", "logicalType": "timestamp-micros"},
    {"type": "string", "logicalType": "uuid"},
    {"type": "bytes", "logicalType": "decimal", "precision": 10, "scale": 2},
    {"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 3},
)
OTHERS = {
    "int": ("long", "float", "double", "string", "boolean"),
    "long": ("int", "float", "double", "string"),
    "float": ("double", "long", "int"),
    "double": ("float", "long"),
    "string": ("bytes", "int"),
    "bytes": ("string", "long"),
    "boolean": ("int", "string"),
}
SYMBOLS = ("RED", "GREEN", "BLUE", "BLACK", "WHITE")


class Change(NamedTuple):
    """A schema before and after, and what was done to it, in words."""

    old: Schema
    new: Schema
    done: tuple[str, ...]


class Maker:
    """Makes schemas and changes them, always the same ones from the same seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 - repeatable, guards nothing
        self._made = 0

    def changes(self, count: int) -> Iterator[Change]:
        """So many, each of one to three steps."""
        for _ in range(count):
            old = self.record(depth=2)
            new, done = self.changed(old)
            yield Change(old, new, done)

    def changed(self, old: Schema) -> tuple[Schema, tuple[str, ...]]:
        """The schema after one to three steps that change something, and the steps."""
        new = copy.deepcopy(old)
        done: list[str] = []
        wanted = self._random.randint(1, 3)
        while len(done) < wanted:
            before = copy.deepcopy(new)
            step = self._random.choice(STEPS)
            step(self, self._random.choice(list(records_in(new))))
            keep_defaults_valid(new)
            if new != before:
                done.append(step.__name__)
        return new, tuple(done)

    def record(self, depth: int) -> Schema:
        """One with two to five fields."""
        fields = [self.field(depth) for _ in range(self._random.randint(2, 5))]
        return {"type": "record", "name": self.name("Record"), "namespace": "shop.made", "fields": fields}

    def field(self, depth: int) -> Schema:
        """With a default or without one."""
        kind = self.kind(depth)
        field = {"name": self.name("field"), "type": kind}
        return field | ({"default": default_of(kind)} if self._random.random() < 0.4 else {})

    def kind(self, depth: int) -> Any:
        """Any type; nested ones while there is depth."""
        choices: list[Callable[[], Any]] = [
            self.primitive,
            self.primitive,
            lambda: dict(self._random.choice(LOGICAL)),
            lambda: {"type": "enum", "name": self.name("Colour"), "symbols": list(SYMBOLS[:3])},
            lambda: {"type": "fixed", "name": self.name("Hash"), "size": self._random.choice((8, 16))},
            lambda: ["null", self.kind(0)],
            lambda: ["string", "int", "null"],
        ]
        if depth:
            choices += [
                lambda: {"type": "array", "items": self.kind(depth - 1)},
                lambda: {"type": "map", "values": self.kind(depth - 1)},
                lambda: self.record(depth - 1),
                lambda: ["null", self.record(depth - 1)],
            ]
        kind = self._random.choice(choices)()
        # A union in a union is no schema.
        return (
            ["null", "long"]
            if isinstance(kind, list) and len(kind) == 2 and isinstance(kind[1], list)
            else kind
        )

    def primitive(self) -> str:
        """The name of one."""
        return self._random.choice(tuple(DEFAULTS))

    def name(self, kind: str) -> str:
        """One that was not used yet."""
        self._made += 1
        return f"{kind}{self._made}"

    def add_a_field(self, record: Schema) -> None:
        """At any place, with a default or without one."""
        record["fields"].insert(self._random.randint(0, len(record["fields"])), self.field(0))

    def remove_a_field(self, record: Schema) -> None:
        """Any."""
        if record["fields"]:
            record["fields"].remove(self._random.choice(record["fields"]))

    def rename_a_field(self, record: Schema) -> None:
        """With its former name as alias, or without."""
        if field := self._any_field(record):
            former, field["name"] = field["name"], self.name("field")
            if self._random.random() < 0.6:
                field["aliases"] = [*field.get("aliases", []), former]

    def borrow_a_name(self, record: Schema) -> None:
        """Another field's name as alias: a mistake, or the end of that field."""
        if len(record["fields"]) > 1:
            one, other = self._random.sample(record["fields"], 2)
            one["aliases"] = [*one.get("aliases", []), other["name"]]

    def change_a_default(self, record: Schema) -> None:
        """Give one, or take it away."""
        if field := self._any_field(record):
            if "default" in field:
                del field["default"]
            else:
                field["default"] = default_of(field["type"])

    def change_a_type(self, record: Schema) -> None:
        """Wider, narrower or another; also to one that may be null."""
        if field := self._any_field(record):
            field["type"] = self._another(field["type"])
            if "default" in field:
                field["default"] = default_of(field["type"])

    def reorder(self, record: Schema) -> None:
        """The fields."""
        self._random.shuffle(record["fields"])

    def rename_the_record(self, record: Schema) -> None:
        """With its former name as alias, whole or not, or without."""
        former, record["name"] = record["name"], self.name("Record")
        aliases = self._random.choice(([], [former], [f"shop.made.{former}"], [f"elsewhere.{former}"]))
        if aliases:
            record["aliases"] = [*record.get("aliases", []), *aliases]

    def move_the_record(self, record: Schema) -> None:
        """To another namespace."""
        record["namespace"] = f"shop.moved{self._random.randint(1, 3)}"

    def document(self, record: Schema) -> None:
        """Nothing that counts."""
        record["doc"] = self.name("Words")

    def _any_field(self, record: Schema) -> Schema | None:
        fields: list[Schema] = record["fields"]
        return self._random.choice(fields) if fields else None

    def _another(self, kind: Any) -> Any:
        if self._random.random() < 0.15 and not isinstance(kind, list):
            return ["null", kind]
        if isinstance(kind, str):
            if self._random.random() < 0.2:
                return dict(self._random.choice(LOGICAL))
            return self._random.choice(OTHERS[kind])
        if isinstance(kind, list):
            return self._another_union(kind)
        if "logicalType" in kind:
            return self._random.choice([kind["type"], *(dict(each) for each in LOGICAL)])
        return self._another_named(dict(kind))

    def _another_union(self, kinds: list[Any]) -> Any:
        choice = self._random.randint(0, 3)
        if choice == 0 and "double" not in kinds:
            return [*kinds, "double"]
        if choice == 1 and len(kinds) > 1:
            gone = self._random.randrange(len(kinds))
            return [each for at, each in enumerate(kinds) if at != gone]
        if choice == 2:
            return kinds[::-1]
        return next((each for each in kinds if each != "null"), "string")

    def _another_named(self, kind: Schema) -> Any:
        match kind["type"]:
            case "enum":
                return self._another_enum(kind)
            case "fixed":
                return kind | {"size": 24 - kind["size"]}
            case "array":
                return kind | {"items": self._another(kind["items"])}
            case "map":
                return kind | {"values": self._another(kind["values"])}
        return {"type": "map", "values": "string"}

    def _another_enum(self, kind: Schema) -> Schema:
        symbols = kind["symbols"]
        changed = self._random.choice(
            (
                [*symbols, SYMBOLS[len(symbols)]] if len(symbols) < len(SYMBOLS) else symbols[1:],
                symbols[:2],
                symbols[::-1],
            )
        )
        kind = {key: value for key, value in kind.items() if key != "default"} | {"symbols": changed}
        return kind | ({"default": changed[0]} if self._random.random() < 0.4 else {})


STEPS: tuple[Callable[[Maker, Schema], None], ...] = (
    Maker.add_a_field,
    Maker.add_a_field,
    Maker.remove_a_field,
    Maker.rename_a_field,
    Maker.borrow_a_name,
    Maker.change_a_default,
    Maker.change_a_type,
    Maker.change_a_type,
    Maker.change_a_type,
    Maker.reorder,
    Maker.rename_the_record,
    Maker.move_the_record,
    Maker.document,
)


def records_in(kind: Any) -> Iterator[Schema]:
    """The records of a schema, at any depth."""
    if isinstance(kind, list):
        for each in kind:
            yield from records_in(each)
    elif isinstance(kind, dict):
        if kind["type"] == "record":
            yield kind
        inner = [each["type"] for each in kind.get("fields", [])]
        for each in (*inner, kind.get("items"), kind.get("values")):
            yield from records_in(each)


def keep_defaults_valid(schema: Schema) -> None:
    """A field of records has a default that follows what was done to them."""
    for record in records_in(schema):
        for field in record["fields"]:
            if "default" in field and any(records_in(field["type"])):
                field["default"] = default_of(field["type"])


def default_of(kind: Any) -> Any:  # noqa: PLR0911 - one for each type
    """A default as JSON has it; a union's is of its first type."""
    if isinstance(kind, list):
        return default_of(kind[0])
    if isinstance(kind, str):
        return DEFAULTS.get(kind)
    match kind["type"]:
        case "record":
            return {each["name"]: each.get("default", default_of(each["type"])) for each in kind["fields"]}
        case "enum":
            return kind["symbols"][0]
        case "fixed":
            return "\0" * kind["size"]
        case "array":
            return []
        case "map":
            return {}
    if kind.get("logicalType") == "uuid":
        return "00000000-0000-0000-0000-000000000000"
    return DEFAULTS[kind["type"]]
