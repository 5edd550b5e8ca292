"""The JSON Schema of a pipeline's YAML, for completion and checks in editors: `python -m configs.json_schema`.

It describes the file as it is written: expectations by their own names, `{}` for a section at its default.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from configs.expectations import Known, known_expectations
from configs.schema import Pipeline

FILE = Path(__file__).with_name("pipeline.schema.json")
EMPTY = {"type": "object", "maxProperties": 0}


def json_schema() -> dict[str, Any]:
    """The schema of `configs/<pipeline>.yaml`, in the dialect 2020-12."""
    schema = Pipeline.model_json_schema(by_alias=True)
    del schema["properties"]["name"]
    schema["required"].remove("name")
    for section in ("drop", "expectations"):
        written = schema["properties"][section]
        items = {key: written.pop(key) for key in ("type", "items") if key in written}
        written["anyOf"] = [items, EMPTY]
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
            **{name: arguments_schema(each) for name, each in known.items()},
        },
        "oneOf": [{"required": [name]} for name in known],
        "if": {"anyOf": [{"required": [name]} for name, each in known.items() if each.kind == "table"]},
        "then": {"properties": {"otherwise": {"enum": ["stop", "warn"]}}},
    }


def arguments_schema(known: Known) -> dict[str, Any]:
    """The arguments of one expectation."""
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": dict.fromkeys(known.arguments, {}),
        "required": list(known.required),
    }


def as_text(schema: dict[str, Any]) -> str:
    """The bytes of `configs/pipeline.schema.json`."""
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    FILE.write_text(as_text(json_schema()), encoding="utf-8")
