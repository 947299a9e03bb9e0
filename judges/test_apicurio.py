"""A real schema registry does what our client expects of one, also when it is away or has lost everything."""

import json
import signal
from typing import Any

import pytest
from confluent_kafka.schema_registry import SchemaRegistryClient

from devservices.registry import RegistryServer
from judges.avro_samples import SAMPLES, Sample
from kits.schemas.avro import fingerprint_of
from kits.schemas.registry import RegistryUnavailableError, SchemaRegistry, UnknownSchemaError
from tests.registry_contract import RegistryContract, definition, name_of
from tests.waiting import patient


class TestApicurio(RegistryContract):
    """What holds for the registry of the tests holds for this one."""

    @pytest.fixture
    def url(self, apicurio: RegistryServer, confluent: SchemaRegistryClient) -> str:
        """Every subject is checked for BACKWARD."""
        confluent.set_compatibility(level="BACKWARD")
        return apicurio.url


def client(apicurio: RegistryServer, within_seconds: float = 60) -> SchemaRegistry:
    """Of ours, where it listens now."""
    return SchemaRegistry(url=apicurio.url, within_seconds=within_seconds)


@pytest.mark.parametrize("sample", SAMPLES, ids=[sample.name for sample in SAMPLES])
async def test_our_schemas_come_back_as_they_went(apicurio: RegistryServer, sample: Sample) -> None:
    """Whoever meets an id finds by the fingerprint which schema of ours it is."""
    schema_id = await client(apicurio).register(sample.subject, sample.text)
    found = json.loads(await client(apicurio).definition(schema_id))
    assert fingerprint_of(found) == fingerprint_of(sample.definition)


@pytest.mark.parametrize("more", [{"default": None}, {"aliases": ["subtitle"]}, {"doc": "what it is called"}])
async def test_apicurio_takes_what_changes_no_value_for_the_former_version(
    apicurio: RegistryServer, more: dict[str, Any]
) -> None:
    """A null default, an alias or documentation: the id stays, and so does what is found by it."""
    field = {"name": "title", "type": ["null", "string"]}
    old = definition("", field)
    new = definition(name_of(old), field | more)
    former = await client(apicurio).register(name_of(old), old)
    assert await client(apicurio).register(name_of(old), new) == former
    assert json.loads(await client(apicurio).definition(former)) == json.loads(old)


async def test_a_paused_registry_is_an_outage_until_it_goes_on(apicurio: RegistryServer) -> None:
    """It accepts and never answers."""
    text = definition()
    schema_id = await client(apicurio).register(name_of(text), text)
    process = apicurio.process
    assert process is not None
    process.send_signal(signal.SIGSTOP)
    try:
        with pytest.raises(RegistryUnavailableError, match=r"no answer within 0\.5 s"):
            await client(apicurio, 0.5).definition(schema_id)
    finally:
        process.send_signal(signal.SIGCONT)
    assert json.loads(await client(apicurio).definition(schema_id)) == json.loads(text)


async def test_a_restarted_registry_knows_its_ids_and_a_wiped_one_gives_them_to_others(
    apicurio: RegistryServer,
) -> None:
    """What it kept lies in PostgreSQL; without that an id may mean anything."""
    mine = definition()
    former = await client(apicurio).register(name_of(mine), mine)
    url = apicurio.url
    apicurio.kill()
    with pytest.raises(RegistryUnavailableError):
        await client(apicurio).definition(former)
    apicurio.start(patient(120))
    assert apicurio.url == url
    assert json.loads(await client(apicurio).definition(former)) == json.loads(mine)
    apicurio.delete()
    apicurio.start(patient(120))
    registry = client(apicurio)
    with pytest.raises(UnknownSchemaError):
        await registry.definition(former)
    taken, strange = -1, ""
    while taken < former:
        strange = definition()
        taken = await registry.register(name_of(strange), strange)
    assert taken == former
    assert json.loads(await registry.definition(former)) == json.loads(strange)
    assert await registry.register(name_of(mine), mine) != former
