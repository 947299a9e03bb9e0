"""What `run` shows of the schema registry: a schema goes in, and is found by its id."""

import json
import shlex

from devservices.errors import JourneyError
from devservices.run.children import Children
from devservices.run.http import call

SUBJECT = "shop.example.Greeting"
_SCHEMA = {
    "type": "record",
    "name": SUBJECT,
    "fields": [{"name": "text", "type": "string"}],
}
_BODY = json.dumps({"schema": json.dumps(_SCHEMA)})


class RegistryExample:
    """See offered.Example."""

    def introduce(self, url: str, api: str, token: str, children: Children) -> list[str]:  # noqa: ARG002
        """Register a schema, and look it up."""
        put = call("POST", f"{url}/subjects/{SUBJECT}/versions", content=json.loads(_BODY))
        if put.status != 200:
            raise JourneyError(f"The schema {SUBJECT} was not taken ({put.status}): {put.body}")
        schema_id = put.body["id"]
        return [
            "The events of the orders travel as Avro (EVENT_FORMAT=avro), and arrive as JSON.",
            f"Schema {SUBJECT} is registered beside theirs; its id is {schema_id}:",
            f"  curl {url}/schemas/ids/{schema_id}",
        ]

    def commands(self, url: str, api: str) -> list[str]:  # noqa: ARG002
        """The same by hand; the same schema again has the same id."""
        as_json = "-H 'Content-Type: application/json'"
        return [
            "Register a schema, and see what is registered:",
            f"  curl {as_json} -d {shlex.quote(_BODY)} {url}/subjects/{SUBJECT}/versions",
            f"  curl {url}/subjects",
        ]
