"""The schema for editors is current, and names every field with a description."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sealock.pipeline.configuration import Configuration
from sealock.pipeline.schema import schema, text

DOCS = Path(__file__).parents[3] / "docs"


def properties(part: Any) -> Iterator[tuple[str, Any]]:
    """Every field of every section."""
    for section in [part, *part["$defs"].values()]:
        yield from section.get("properties", {}).items()


def test_the_file_in_docs_is_current() -> None:
    written = (DOCS / "sealock.schema.json").read_text(encoding="utf-8")
    assert written == text(), "python -m sealock.pipeline.schema > docs/sealock.schema.json"


def test_nothing_unknown_is_allowed_anywhere() -> None:
    made = schema()
    sections = [made, *(each for each in made["$defs"].values() if "properties" in each)]
    assert all(section["additionalProperties"] is False for section in sections)
    assert set(made["properties"]) == set(Configuration.model_fields)


def test_every_field_has_a_description_there_and_a_paragraph_in_the_reference() -> None:
    reference = (DOCS / "sealock-yml.md").read_text(encoding="utf-8")
    for name, field in properties(schema()):
        described = field.get("description") or schema()["$defs"][field["$ref"].rpartition("/")[2]]
        assert described, name
        assert f"`{name}`" in reference or f".{name}`" in reference, name
