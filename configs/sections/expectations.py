"""Section `expectations`: what must hold of the data, and what is done where it does not."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, ValidationInfo, model_validator

from configs.sections.values import Section

SQL, CUSTOM = "sql", "custom"
SHORT_FORMS = {SQL: "expression", CUSTOM: "function"}


class Expectation(Section):
    """One expectation, by Great Expectations' name, `sql` or `custom`, and what happens where it does not hold."""

    name: str = Field(description="such as expect_column_values_to_be_between, sql or custom")
    arguments: dict[str, Any] = Field(default_factory=dict, description="its arguments, by Great Expectations' names")
    otherwise: Literal["stop", "quarantine", "warn"] = Field(
        "stop", description="end the run, set the failing rows aside and go on, or only say so in the report"
    )

    @model_validator(mode="before")
    @classmethod
    def from_written_form(cls, value: object, info: ValidationInfo) -> object:
        """Read `{expect_...: {arguments}, otherwise: ...}`, and `{sql: "..."}`, `{custom: rules.speed}` in short."""
        is_written = info.context is not None and info.context.get("written", False)
        if not isinstance(value, dict) or ("name" in value and not is_written):
            return value
        names = [key for key in value if key != "otherwise"]
        if len(names) != 1:
            raise ValueError("an expectation is `{expect_...: {its arguments}, otherwise: stop|quarantine|warn}`")
        rest = {key: value[key] for key in value if key == "otherwise"}
        arguments = value[names[0]]
        if names[0] in SHORT_FORMS and isinstance(arguments, str):
            arguments = {SHORT_FORMS[names[0]]: arguments}
        return {"name": names[0], "arguments": arguments, **rest}
