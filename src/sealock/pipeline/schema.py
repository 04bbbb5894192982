"""The JSON Schema of `sealock.yml`, for editors that complete and check it while it is written.

`python -m sealock.pipeline.schema > docs/sealock.schema.json` writes it anew. It is a little wider than
the real check, which also compares fields with each other.
"""

from __future__ import annotations

import json
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from sealock.pipeline.configuration import Configuration


class _Generator(GenerateJsonSchema):
    """Leaves out titles, which only repeat names, and defaults, which are those of the checked model."""

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def schema() -> dict[str, Any]:
    """The schema, as JSON Schema 2020-12."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Configuration.model_json_schema(mode="validation", schema_generator=_Generator),
        "title": "sealock.yml",
    }


def text() -> str:
    """The schema as it stands in `docs/sealock.schema.json`."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    print(text(), end="")
