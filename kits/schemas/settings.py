"""Schemas kit: the settings of all who write or read Avro."""

from typing import Literal

import msgspec

from kits.settings import Secret
from kits.web.addresses import is_base_address, sends_in_plain_text

EventFormat = Literal["json", "avro"]


class SchemaRegistrySettings(msgspec.Struct, frozen=True, kw_only=True):
    """A registry with Confluent's interface: group `SCHEMA_REGISTRY_…`."""

    url: str = ""
    """Its address, under which ids are known; empty: nothing is asked."""
    username: str = ""
    password: Secret = Secret("")

    def problems(self) -> list[str]:
        """What is wrong with the values together; one sentence each."""
        if self.url and not is_base_address(self.url):
            example = "https://schemas.example/apis/ccompat/v7"
            return [f"SCHEMA_REGISTRY_URL: must be an address like {example}, without query and password."]
        if self.password and sends_in_plain_text(self.url):
            return ["SCHEMA_REGISTRY_PASSWORD would go over http:// in plain text: use https://."]
        return []


def registry_problems(event_format: EventFormat, registry: SchemaRegistrySettings) -> list[str]:
    """What is wrong with the two together."""
    if event_format == "avro" and not registry.url:
        return ["SCHEMA_REGISTRY_URL is missing: EVENT_FORMAT=avro needs one (see .env.example)."]
    return []
