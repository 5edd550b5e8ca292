"""A pipeline: all that one YAML declares, and what follows from it.

Nothing here reads a file: `configs.load` is the door. The sections are in `configs.sections`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from configs.errors import ConfigError
from configs.sections.columns import FEATURE_TYPES, Column, Target, Time
from configs.sections.drift import Drift
from configs.sections.evaluate import Evaluate
from configs.sections.expectations import Expectation
from configs.sections.features import Encode, Features
from configs.sections.gate import Gate
from configs.sections.loop import Monitor, Notify, Retrain
from configs.sections.score import Score
from configs.sections.source import Source
from configs.sections.split import Split
from configs.sections.train import DEFAULT_METRICS, BinaryMetric, MulticlassMetric, RegressionMetric, Task, Train
from configs.sections.values import (
    NOBODY,
    ColumnName,
    DroppedName,
    Section,
    Tuple,
    empty_mapping_as_list,
    empty_mapping_as_none,
)
from configs.wording import listed

PIPELINE_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


class Pipeline(Section):
    """Everything that one YAML declares. Every section that a stage reads stands in the file, `{}` where at default."""

    owner: Annotated[str | None, BeforeValidator(empty_mapping_as_none), WithJsonSchema(NOBODY)] = Field(
        description="who answers for this model; `{}` where nobody is named"
    )
    source: Source
    time: Time
    target: Target
    columns: dict[ColumnName, Column] = Field(min_length=1, description="the columns that are read, in any order")
    drop: Annotated[Tuple[DroppedName], BeforeValidator(empty_mapping_as_list)] = Field(
        description="columns that are no features: not read unless they are declared too"
    )
    expectations: Annotated[Tuple[Expectation], BeforeValidator(empty_mapping_as_list)] = Field(
        description="what must hold of the data: `{expect_...: {its arguments}, otherwise: stop|quarantine|warn}`, "
        '`{sql: "distance > 0", otherwise: ...}` or `{custom: rules.plausible_speed, otherwise: ...}`'
    )
    features: Features
    encode: Encode
    split: Split
    train: Train
    evaluate: Evaluate
    drift: Drift
    retrain: Retrain
    gate: Gate
    monitor: Monitor = Field(Monitor(), description="when new batches are looked for; may be left out")
    score: Score = Field(Score(), description="when new rows are scored; may be left out")
    notify: Notify = Field(Notify(), description="who is told, once per incident; may be left out")
    name: str = Field(exclude=True, description="set by the loader from the file's name")

    @property
    def task(self) -> Task:
        """What is predicted: declared, or what the target's type says."""
        if self.train.task is not None:
            return self.train.task
        source = self.columns.get(self.target.name)
        is_binary = self.target.above is not None or (source is not None and source.type in ("boolean", "category"))
        return "binary" if is_binary else "regression"

    @property
    def metric(self) -> BinaryMetric | MulticlassMetric | RegressionMetric:
        """The score that the gate, early stopping and baselines are compared in."""
        return self.train.metric or DEFAULT_METRICS[self.task]

    @property
    def split_kind(self) -> Literal["time", "stratified", "group"]:
        """How rows are split: declared, or by time where there is one."""
        return self.split.kind or ("time" if self.time.column is not None else "stratified")

    @property
    def inner_folds(self) -> int:
        """Inner folds of the encoding's cross-fitting, or the blocks of time that take their place."""
        return self.encode.folds or (20 if self.split_kind == "time" else 5)

    @property
    def private_columns(self) -> frozenset[str]:
        """The columns whose values are not to be shown."""
        return frozenset(name for name, column in self.columns.items() if column.private)

    @property
    def feature_columns(self) -> tuple[str, ...]:
        """The declared columns that the model reads as they are, in order of declaration."""
        target = {self.target.name, self.target.from_}
        excluded = {*self.drop, *target, self.time.column, self.split.group, self.train.weight}
        return tuple(
            name for name, column in self.columns.items() if column.type in FEATURE_TYPES and name not in excluded
        )

    @property
    def event_columns(self) -> tuple[str, ...]:
        """The feature columns whose missing values are events: the model is told by `<column>_is_missing`."""
        return tuple(name for name in self.feature_columns if self.columns[name].missing == "event")

    @property
    def encoded_columns(self) -> tuple[str, ...]:
        """The feature columns that are target-encoded."""
        if self.encode.target is not None:
            return self.encode.target
        return tuple(name for name in self.feature_columns if self.columns[name].type == "category")

    @property
    def input_columns(self) -> tuple[str, ...]:
        """The declared columns that an estimator must be given, in order of declaration.

        A column that an SQL expression merely seems to name counts too: to be given one too many does no harm. A
        transformer of the user's own is given every declared column that is not dropped.
        The target is never among them.
        """
        text = " ".join(self.features.sql.values()).lower().replace('""', '"')  # SQL knows no case in names
        words = {*re.findall(r"\w+", text)}
        named = {name for name in self.columns if name.lower() in (words if re.fullmatch(r"\w+", name) else text)}
        inputs = {*self.feature_columns, *self.features.parts, *named}
        if self.features.transformer is not None:  # it may read whatever is known when a row is scored
            inputs |= {*self.columns} - {*self.drop, self.split.group, self.train.weight}
        inputs -= {self.target.name, self.target.from_}
        return tuple(name for name in self.columns if name in inputs)

    def limited_to(self, stage: str, sections: Iterable[str]) -> Pipeline:
        """Leave one stage only the sections that dvc.yaml declares for it: reading another one raises.

        Parameters
        ----------
        stage : str
            Named in the error.
        sections : iterable of str
            Names of top-level keys of the YAML.

        Returns
        -------
        LimitedPipeline
            Derived properties read sections too, so those that need another one raise as well.

        Raises
        ------
        ConfigError
            If a section has no such name, so that a slip in dvc.yaml is not taken for an undeclared section.
        """
        allowed = {*sections}
        if unknown := sorted(allowed - {*Pipeline.model_fields}):
            raise ConfigError(
                f"dvc.yaml: stage {stage} declares {listed(unknown)}, which no pipeline's YAML has as a section"
            )
        kept = {name: value for name, value in self.__dict__.items() if name in allowed or name == "name"}
        limited = LimitedPipeline.model_construct(**kept)
        for name in {*limited.__dict__} - {*kept}:  # a section that may be left out is at its default otherwise
            del limited.__dict__[name]
        limited._stage = stage
        return limited


class UndeclaredSectionError(ConfigError):
    """A stage reads a section of the YAML that its entry in dvc.yaml does not list."""


class LimitedPipeline(Pipeline):
    """A pipeline that holds only the sections that one stage declares."""

    _stage: str

    def __getattr__(self, name: str) -> Any:
        """Called for what is not there."""
        if name not in type(self).model_fields:
            return super().__getattr__(name)  # type: ignore[misc]
        raise UndeclaredSectionError(
            f"stage {self._stage} reads the section {name!r}, which dvc.yaml does not declare for it, so a change of "
            f"it would not make the stage stale; add it under params of {self._stage} in dvc.yaml"
        )
