"""What is said of one batch: `drift.json` as frozen objects; `python -m tasks.drift.document` writes their schema.

The schema is stable: a key that is there stays there and keeps its meaning, for as long as `format` is the same.
Numbers that are not defined are null, never NaN.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

FORMAT: Literal[1] = 1
SCHEMA = Path(__file__).parents[2] / "docs/drift.schema.json"
Cause = Literal["broken_feed", "changed_world", "none"]


def finite_or_none(value: object) -> object:
    """Null where a number is none, or has no end: JSON has neither.

    >>> finite_or_none(float("nan")), finite_or_none(0.5)
    (None, 0.5)
    """
    return None if isinstance(value, float) and not math.isfinite(value) else value


def tidy(value: float) -> float:
    """Zero without a sign, so that equal verdicts have equal bytes."""
    return value + 0.0


Number = Annotated[Annotated[float, AfterValidator(tidy)] | None, BeforeValidator(finite_or_none)]


class Part(BaseModel):
    """A part of the document: frozen, and no key but those that it has."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class BudgetPart(Part):
    """How many false alarms are put up with, and what that leaves per batch."""

    false_alarms: str = Field(description="as declared, such as `1 per quarter`")
    batches: float = Field(gt=0, description="batches in that period")
    known_by: Literal["declared", "times", "assumed"] = Field(description="how it is known how often a batch comes")
    alpha: float = Field(gt=0, lt=1, description="chance of a false alarm that one batch has")
    sentence: str = Field(description="the conversion, in words")


class FamilyPart(Part):
    """All tests of all columns as one, beside the reference's own history."""

    surprise: Number = Field(
        description="largest -log(p / w) of any column and test; w is 1 of a mix, 1/2 of any other"
    )
    threshold: Number = Field(description="what a quiet batch's surprise is above as rarely as the budget says")
    history: tuple[Number, ...] = Field(description="the surprise of quiet batches of the reference, oldest first")


class FindingPart(Part):
    """One test of one column."""

    column: str = Field(
        description="a declared column, or `(prediction)`, `(decision)`, `(target)`, `(loss)` of the model"
    )
    role: str = Field(description="`feature`, `prediction`, `decision`, `target` or `loss`")
    test: str = Field(description="what was compared, such as `distribution`, `missing`, `new_levels`, `range`")
    statistic: Number = Field(
        description="of the batch, in the unit of `threshold`: a multiple of the expected distance; null beyond "
        "bounds, where the reference's batches let none be expected"
    )
    threshold: Number = Field(
        description="the statistic alarms above it; the whole family shares the budget; null beyond bounds, where no "
        "distance however great would alarm by itself"
    )
    effect: Number = Field(description="size of the shift: standard deviations of a number, or a difference of shares")
    p_value: Number = Field(description="chance of so large a statistic without drift, before the family is corrected")
    alarmed: bool = Field(description="whether statistic and effect are both large enough")
    excess: Number = Field(
        description="how far the surprise is over its threshold: 1 is the border; null beyond bounds"
    )
    found: str | None = Field(
        description="of a break, what stands there instead of the column's values; of `co_missing`, the column whose "
        "values were missing with this one's"
    )
    moved: Number = Field(description="how far the model's predictions move by this column; null where not asked")


class CausePart(Part):
    """One explanation of what was found."""

    kind: str = Field(description="such as `unit_change`, `stuck_sensor`, `null_token`, `duplicate_load` or `world`")
    feed: bool = Field(description="whether the feed is to blame, and not the world")
    columns: tuple[str, ...] = Field(description="columns that show it; empty where it is about whole rows")
    time: str | None = Field(
        description="when it began in the batch, ISO 8601, or `row N`; null where all rows show it"
    )
    where: str = Field(description="which rows show it, such as `all rows` or `rows of origin 'JFK'`")
    evidence: str = Field(description="the numbers that speak for it")
    confidence: Number = Field(description="from 0 to 1")
    owner: str | None = Field(description="who is to be told: `drift.owner`, else `owner`")


class MaterialPart(Part):
    """Whether it matters to the model."""

    material: bool = Field(description="whether predictions or loss move by more than is put up with")
    moved: Number = Field(description="how far they move")
    sentence: str


class MultivariatePart(Part):
    """Whether a classifier tells the batch's rows from the profile's sample, over all columns together."""

    auc: Number = Field(description="0.5: it cannot; 1: it always can; null where the test is off")
    low: Number = Field(description="lower end of what quiet stretches of the reference give")
    high: Number = Field(description="upper end of what quiet stretches of the reference give")
    p_value: Number = Field(description="how often a quiet batch would be told apart as well")
    alarmed: bool
    told_by: tuple[str, ...] = Field(description="the columns that tell most")
    off: str | None = Field(description="why there is no such test; null where there is")


class LossPart(Part):
    """What the model's predictions turned out to cost, once labels are there: concept drift."""

    loss: str = Field(description="what `value` is the mean of, such as `log loss`")
    rows: int = Field(ge=0, description="rows whose label is known")
    waiting: int = Field(ge=0, description="rows whose label is not due yet, by `target.known_after`")
    missing: int = Field(ge=0, description="rows whose label is due and not there")
    value: Number = Field(description="mean over the batch's labelled rows; null where the test is off")
    reference: Number = Field(description="mean over the reference, by models that had not learned from its rows")
    low: Number = Field(description="lower end of what as many rows of the reference cost")
    high: Number = Field(description="upper end of that; a loss above it alarms")
    p_value: Number
    alarmed: bool
    off: str | None = Field(description="why there is no such test; null where there is")


class EstimatePart(Part):
    """How good the model would be on this batch, from its scores alone, before labels are there."""

    metric: str = Field(description="as `train.metric` declares it")
    value: Number = Field(description="null where it cannot be estimated")
    low: Number
    high: Number
    reference: Number = Field(description="the mean over the folds that the model was validated on")
    off: str | None = Field(description="why there is no estimate; null where there is")


class HashesPart(Part):
    """What the verdict follows from, and nothing else: the same four give the same verdict."""

    batch: str = Field(
        description="SHA-256 of the landed file; of a batch of several files, over the names and hashes of all"
    )
    declaration: str = Field(description="SHA-256 over what the pipeline's YAML declares")
    profile: str = Field(description="SHA-256 of the profile's manifest, which names the hashes of its files")
    code: str = Field(description="hash over the code that judges")


class Verdict(Part):
    """What is said of one batch: whether it drifted, whether that matters, and whether feed or world is to blame."""

    format: Literal[1] = Field(FORMAT, description="of this document")
    pipeline: str
    champion: str = Field(
        description="the version compared with, such as `flights@v1.2.0`; `workspace` before the first"
    )
    batch: str
    rows: int = Field(ge=0, description="valid rows that were judged")
    refused: int = Field(ge=0, description="rows of the batch in quarantine, of reading and validation together")
    start: str | None = Field(description="time of the first row, ISO 8601")
    end: str | None = Field(description="time of the last row, ISO 8601")
    drifted: bool = Field(description="whether the batch differs by more than the budget of false alarms allows")
    material: bool = Field(description="whether that matters to the model")
    cause: Cause = Field(description="what is to blame; `broken_feed` goes first: nobody retrains on that")
    sentence: str = Field(description="the verdict, in words")
    owner: str | None = Field(description="who is to be told: `drift.owner`, else `owner`")
    budget: BudgetPart
    widened: str | None = Field(description="where the history is too short to calibrate: by how much thresholds grew")
    notes: tuple[str, ...] = Field(description="what was not tested, and why")
    family: FamilyPart | None = Field(description="null where there was no row")
    findings: tuple[FindingPart, ...] = Field(description="the most material first, then by excess")
    materiality: MaterialPart | None = Field(description="null where there was no row to ask the model about")
    causes: tuple[CausePart, ...] = Field(description="the surest first")
    multivariate: MultivariatePart | None = Field(description="null where there was no row")
    loss: LossPart | None = Field(description="null where there was no row")
    estimate: EstimatePart | None = Field(description="null where there was no row")
    hashes: HashesPart

    def as_json(self) -> dict[str, Any]:
        """Plain values: the content of drift.json."""
        return self.model_dump(mode="json")


def json_schema() -> dict[str, Any]:
    """The schema of drift.json, in the dialect 2020-12."""
    schema = Verdict.model_json_schema(mode="serialization")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "drift.json of Holdfast"}


def as_text(schema: dict[str, Any]) -> str:
    """The bytes of docs/drift.schema.json."""
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    SCHEMA.write_text(as_text(json_schema()), encoding="utf-8")
