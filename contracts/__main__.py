"""Entrance: `python -m contracts` writes the schemas and the AsyncAPI document anew."""

from contracts.asyncapi import FILE, asyncapi_text
from contracts.json_schemas import SCHEMAS, schema_file, schema_text

if __name__ == "__main__":
    for ce_type in SCHEMAS:
        schema_file(ce_type).write_text(schema_text(ce_type), encoding="utf-8")
    FILE.write_text(asyncapi_text(), encoding="utf-8")
