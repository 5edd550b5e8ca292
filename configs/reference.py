"""The reference of a pipeline's YAML, `docs/configuration.md`, from the models: `python -m configs.reference`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from configs.expectations import known_expectations
from configs.json_schema import json_schema

FILE = Path(__file__).parent.parent / "docs/configuration.md"
INTRODUCTION = """\
# The configuration of a pipeline

Written from the models in `configs/sections/` by `python -m configs.reference`; a test keeps the two equal.

One file, `configs/<pipeline>.yaml`, declares a pipeline; `params.yaml` lists the pipelines that `dvc repro` and
`make run` know. A name is lower-case words of letters and digits joined by `-`. `holdfast check` reads the file and
says what is wrong with it; nothing runs before it is right. `configs/pipeline.schema.json` gives completion to editors
that know the line `# yaml-language-server: $schema=pipeline.schema.json`.

- **Every section stands in the file**, `{}` where it is at its default: DVC knows no optional parameter. Only
  `monitor`, `score` and `notify`, which no stage reads, may be left out.
- **YAML 1.2, read as DVC reads it**: `NO`, `on` and `12:30:45` are text, `010` is ten. Where text is expected and YAML
  sees a number, quote it.
- **Refused**: duplicate keys, keys that are not text (a bare `null`, `2013`), tags, anchors, aliases and merge keys,
  directives, a second document, bare dates (quote them: DVC cannot store them), numbers that are infinite or beyond
  64 bits, control characters, more than 32 levels, 20,000 keys and values or 1,000,000 bytes.
- **Paths** are relative to the repository's root and stay inside it, links included.
- **Durations** are a whole number and a unit: `90m`, `12h`, `14d`, `2w`.
- **All mistakes of a file are told at once**, one line each, and the exit code is 2:
  `configs/flights.yaml:17:20: columns.distance.type: found 'integr', expected one of ...; did you mean 'integer'?`

The smallest file declares `source`, `target` and `columns`:

```yaml
owner: {}
source: {path: data/incoming/homes/*.csv}
time: {}
target: {name: price}
columns: {price: {type: float}, rooms: {type: integer}}
drop: {}
expectations: {}
features: {}
encode: {}
split: {}
train: {}
evaluate: {}
drift: {}
retrain: {}
gate: {}
```
"""
EXPECTATIONS = """\
## Expectations by name

Great Expectations' own names and arguments, then `sql` and `custom`, which [validation.md](validation.md) explains. One
about rows can `quarantine` those that fail; one about a whole batch can only `stop` or `warn`. Arguments in bold are
required.

| expectation | is about | arguments |
| --- | --- | --- |
"""


def reference() -> str:
    """The text of `docs/configuration.md`."""
    schema = json_schema()
    sections = [described_section(name, entry, schema) for name, entry in schema["properties"].items()]
    return INTRODUCTION + "\n" + "\n".join(sections) + "\n" + EXPECTATIONS + "".join(expectation_rows())


def described_section(name: str, entry: dict[str, Any], schema: dict[str, Any]) -> str:
    """One section: what it is for, and a table of its keys."""
    model = model_of(entry, schema)
    about = entry.get("description") or (model or {}).get("description", "")
    lines = [f"## `{name}`", "", sentence(about), ""]
    if model is not None and name != "expectations":
        keys = f"Each key of `{name}` is a name that you choose; below it stand" if "patternProperties" in entry else ""
        lines += [*([f"{keys}:", ""] if keys else []), *table_of(model, schema), ""]
    return "\n".join(lines)


def table_of(model: dict[str, Any], schema: dict[str, Any], above: str = "") -> Iterator[str]:
    """The keys of a model, those of a model below it included."""
    if not above:
        yield "| key | value | default | meaning |"
        yield "| --- | --- | --- | --- |"
    for key, entry in model["properties"].items():
        meaning = entry.get("description", "").replace("|", "\\|")
        default = "required" if key in model.get("required", ()) else f"`{json.dumps(entry.get('default', {}))}`"
        below = model_of(entry, schema)
        shown_default = "each at its own" if below is not None else default.replace("`null`", "absent")
        yield f"| `{above}{key}` | {value_of(entry, schema)} | {shown_default} | {meaning} |"
        if below is not None:
            yield from table_of(below, schema, f"{above}{key}.")
        if (each := model_of(entry.get("items", {}), schema)) is not None:
            yield from table_of(each, schema, f"{above}{key}[].")


def model_of(entry: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any] | None:
    """The model that a value, or each value of a mapping, is read into."""
    if "$ref" in entry:
        found: dict[str, Any] = schema["$defs"][entry["$ref"].rpartition("/")[2]]
        return found if "properties" in found else None
    return next((model_of(each, schema) for each in entry.get("patternProperties", {}).values()), None)


def value_of(entry: dict[str, Any], schema: dict[str, Any]) -> str:
    """What may be written, in a few words."""
    if "anyOf" in entry:
        kinds = [value_of(each, schema) for each in entry["anyOf"] if each.get("type") != "null"]
        return " or ".join(kinds)
    if "enum" in entry or "const" in entry:
        return ", ".join(f"`{value}`" for value in entry.get("enum", [entry.get("const")]))
    if "items" in entry:
        return f"list of {value_of(entry['items'], schema)}"
    if entry.get("type") == "object" or "$ref" in entry:
        inner = next(iter(entry.get("patternProperties", {}).values()), entry.get("additionalProperties"))
        return f"name: {value_of(inner, schema)}" if isinstance(inner, dict) else "keys with values"
    return plain_value(entry)


def plain_value(entry: dict[str, Any]) -> str:
    """A number with its bounds, or a text with an example."""
    kind = {"integer": "whole number", "number": "number", "boolean": "true or false"}.get(
        entry.get("type", ""), "text"
    )
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    bounds = [f"{sign} {entry[name]:,}" for name, sign in signs.items() if abs(entry.get(name, 1e9)) < 1e9]
    example = f" such as `{entry['examples'][0]}`" if "examples" in entry else ""
    return kind + (f", {', '.join(bounds)}" if bounds else "") + example


def sentence(text: str) -> str:
    """A description as a sentence."""
    first = text.split("\n\n")[0].replace("\n", " ")
    return first[:1].upper() + first[1:] + ("" if first.endswith((".", "`")) or not first else ".")


def expectation_rows() -> Iterator[str]:
    """One row for each expectation."""
    for name, known in known_expectations().items():
        arguments = sorted(known.arguments, key=lambda each: (each not in known.required, each))
        written = ", ".join(f"**`{each}`**" if each in known.required else f"`{each}`" for each in arguments)
        yield f"| `{name}` | {'rows' if known.kind == 'row' else 'the batch'} | {written} |\n"


if __name__ == "__main__":
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_text(reference(), encoding="utf-8")
