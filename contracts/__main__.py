"""Entrance: `python -m contracts` writes the JSON Schemas after a change of the contracts."""

from contracts.json_schemas import SCHEMAS, schema_file, schema_text

if __name__ == "__main__":
    for ce_type in SCHEMAS:
        schema_file(ce_type).write_text(schema_text(ce_type), encoding="utf-8")
