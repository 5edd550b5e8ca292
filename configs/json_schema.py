"""The JSON Schema of a pipeline's YAML, for completion and checks in editors: `python -m configs.json_schema`.

It describes the file as it is written: expectations by their own names, `{}` for a section at its default.
"""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

from pydantic.json_schema import GenerateJsonSchema
from pydantic_core.core_schema import DictSchema

from configs.expectations import Known, known_expectations
from configs.schema import Pipeline
from configs.sections.values import format_duration

FILE = Path(__file__).with_name("pipeline.schema.json")
EMPTY = {"type": "object", "maxProperties": 0}


class WrittenSchema(GenerateJsonSchema):
    """Pydantic's schema, with defaults as they are written and mappings closed to names that fit no pattern."""

    def encode_default(self, dft: Any) -> Any:
        """Write a duration's default as the YAML has it."""
        return format_duration(dft) if isinstance(dft, timedelta) else super().encode_default(dft)

    def dict_schema(self, schema: DictSchema) -> dict[str, Any]:
        """Refuse a key that is no column's name."""
        written = super().dict_schema(schema)
        return {**written, "additionalProperties": False} if "patternProperties" in written else written


def json_schema() -> dict[str, Any]:
    """The schema of `configs/<pipeline>.yaml`, in the dialect 2020-12."""
    schema = Pipeline.model_json_schema(by_alias=True, schema_generator=WrittenSchema)
    del schema["properties"]["name"]
    schema["required"].remove("name")
    for section in ("drop", "expectations"):
        written = schema["properties"][section]
        written["anyOf"] = [{key: written.pop(key) for key in ("type", "items")}, EMPTY]
    schema["$defs"]["Expectation"] = expectation_schema(schema["$defs"]["Expectation"])
    about = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "A pipeline of Holdfast"}
    return {**schema, **about}


def expectation_schema(read: dict[str, Any]) -> dict[str, Any]:
    """One expectation as it is written: its name with its arguments, and `otherwise`."""
    known = known_expectations()
    return {
        "type": "object",
        "description": read["description"],
        "additionalProperties": False,
        "properties": {
            "otherwise": read["properties"]["otherwise"],
            **{name: written_arguments(each) for name, each in known.items()},
        },
        "oneOf": [{"required": [name]} for name in known],
        "if": {"anyOf": [{"required": [name]} for name, each in known.items() if each.kind == "table"]},
        "then": {"properties": {"otherwise": {"enum": ["stop", "warn"]}}},
    }


def written_arguments(known: Known) -> dict[str, Any]:
    """The arguments of one expectation, or the one that may stand alone."""
    arguments = arguments_schema(known)
    return {"anyOf": [{"type": "string"}, arguments]} if known.rule else arguments


def arguments_schema(known: Known) -> dict[str, Any]:
    """The arguments of one expectation."""
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": {name: {} for name in known.arguments},
        "required": list(known.required),
    }


def as_text(schema: dict[str, Any]) -> str:
    """The bytes of `configs/pipeline.schema.json`."""
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    FILE.write_text(as_text(json_schema()), encoding="utf-8")
