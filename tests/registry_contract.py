"""What every schema registry does for our client: the small one of the tests, and real ones."""

import json
import uuid
from typing import Any

import aiohttp
import pytest

from kits.schemas.registry import (
    LARGEST_ID,
    RegistryUnavailableError,
    SchemaRefusedError,
    SchemaRegistry,
    UnknownSchemaError,
)

STRING = {"name": "title", "type": "string"}


def definition(name: str = "", *fields: dict[str, Any]) -> str:
    """A record that no other test has, in the form that registries keep: name and namespace apart."""
    space, _, last = (name or f"tests.T{uuid.uuid4().hex}").rpartition(".")
    return json.dumps(
        {"type": "record", "name": last, "namespace": space, "fields": list(fields) or [STRING]}
    )


def name_of(text: str) -> str:
    """The full name, which is the subject too."""
    parsed = json.loads(text)
    return f"{parsed['namespace']}.{parsed['name']}"


class RegistryContract:
    """A subclass gives `url`: the Confluent interface of a registry with BACKWARD for every subject."""

    @pytest.fixture
    def registry(self, url: str) -> SchemaRegistry:
        """A client that has time."""
        return SchemaRegistry(url=url, within_seconds=60)

    async def test_what_is_registered_is_found_by_its_id(self, registry: SchemaRegistry) -> None:
        """And means the same."""
        text = definition()
        schema_id = await registry.register(name_of(text), text)
        assert json.loads(await registry.definition(schema_id)) == json.loads(text)

    async def test_the_same_again_has_the_same_id_and_another_has_another(
        self, registry: SchemaRegistry
    ) -> None:
        """However often, and whatever came between."""
        one, other = definition(), definition()
        first = await registry.register(name_of(one), one)
        second = await registry.register(name_of(other), other)
        assert second != first
        assert await registry.register(name_of(one), one) == first

    async def test_a_later_version_has_an_id_of_its_own(self, registry: SchemaRegistry) -> None:
        """The former one stays readable."""
        old = definition()
        new = definition(name_of(old), STRING, {"name": "views", "type": "int", "default": 0})
        ids = [await registry.register(name_of(old), text) for text in (old, new)]
        assert len(set(ids)) == 2
        assert json.loads(await registry.definition(ids[0])) == json.loads(old)

    async def test_a_change_that_breaks_is_refused_in_words(self, registry: SchemaRegistry) -> None:
        """They name the field."""
        old = definition()
        new = definition(name_of(old), STRING, {"name": "views", "type": "int"})
        await registry.register(name_of(old), old)
        with pytest.raises(SchemaRefusedError, match="views") as refused:
            await registry.register(name_of(old), new)
        assert (refused.value.status, refused.value.subject) == (409, name_of(old))

    @pytest.mark.parametrize(
        "text", ["no JSON", "{}", '{"type":"recrod"}', '{"type":"record","name":"t"}', definition("t.t", {})]
    )
    async def test_what_is_no_schema_is_refused(self, registry: SchemaRegistry, text: str) -> None:
        """It is our mistake, and no outage."""
        with pytest.raises(SchemaRefusedError) as refused:
            await registry.register("tests.none", text)
        assert refused.value.status in {400, 422}

    @pytest.mark.parametrize("schema_id", [0, LARGEST_ID, LARGEST_ID + 1, 2**32 - 1, -1])
    async def test_an_id_that_nobody_gave_is_unknown(self, registry: SchemaRegistry, schema_id: int) -> None:
        """A healthy registry says so; what it could not even mean is not asked."""
        with pytest.raises(UnknownSchemaError, match=str(schema_id)) as unknown:
            await registry.definition(schema_id)
        assert unknown.value.schema_id == schema_id

    @pytest.mark.parametrize("subject", ["a/b", "../x", "a?b#c", "a b", "ü", "%2e"])
    async def test_any_subject_is_one_segment_of_the_path(
        self, registry: SchemaRegistry, subject: str
    ) -> None:
        """It can lead nowhere else."""
        text = definition()
        schema_id = await registry.register(f"{subject}-{uuid.uuid4().hex}", text)
        assert json.loads(await registry.definition(schema_id)) == json.loads(text)

    async def test_a_schema_of_another_kind_is_unknown(self, registry: SchemaRegistry, url: str) -> None:
        """Its values are nothing that Avro can read."""
        text = f'syntax = "proto3"; message T{uuid.uuid4().hex} {{ int32 x = 1; }}'
        schema_id = await put(url, "tests.proto", {"schemaType": "PROTOBUF", "schema": text})
        with pytest.raises(UnknownSchemaError, match="PROTOBUF"):
            await registry.definition(schema_id)

    async def test_a_wrong_base_is_an_outage_and_no_unknown_schema(self, url: str) -> None:
        """Else one wrong setting would send every record of a topic to the dead letters."""
        registry = SchemaRegistry(url=f"{url}/elsewhere", within_seconds=60)
        with pytest.raises(RegistryUnavailableError, match=r"404.*SCHEMA_REGISTRY_URL"):
            await registry.definition(1)
        with pytest.raises(RegistryUnavailableError, match="SCHEMA_REGISTRY_URL"):
            await registry.register("tests.none", definition())


async def put(url: str, subject: str, body: dict[str, Any]) -> int:
    """Register whatever it is, as another client does; its id."""
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{url}/subjects/{subject}-{uuid.uuid4().hex}/versions", json=body) as answer,
    ):
        assert answer.status == 200, await answer.text()
        return int((await answer.json(content_type=None))["id"])
