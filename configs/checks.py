"""What the sections of one YAML must agree on: declared names, fitting types, settings that need each other.

Each check is a generator of contradictions and reads only the sections that it is about, so that it can also run on a
pipeline of which other sections are not valid.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import get_args

from configs.batch_checks import BATCH_CHECKS
from configs.column_checks import COLUMN_CHECKS
from configs.contradiction import (
    GROUPABLE,
    MOMENTS,
    NUMBERS,
    Check,
    Contradiction,
    repeated,
    undeclared,
    wrong_type,
)
from configs.document import KeyPath
from configs.drift_checks import DRIFT_CHECKS
from configs.expectations import expectation_contradictions
from configs.flow_checks import FLOW_CHECKS
from configs.privacy_checks import PRIVACY_CHECKS
from configs.schema import Pipeline, UndeclaredSectionError
from configs.score_checks import SCORE_CHECKS
from configs.sections.train import BinaryMetric, MulticlassMetric, RegressionMetric
from configs.source_checks import SOURCE_CHECKS
from configs.train_checks import TRAIN_CHECKS
from configs.wording import listed, shown

TARGET_TYPES = {
    "binary": ("integer", "float", "decimal", "boolean", "category"),
    "multiclass": ("category", "integer", "boolean"),
    "regression": NUMBERS,
}
METRICS = {
    "binary": get_args(BinaryMetric),
    "multiclass": get_args(MulticlassMetric),
    "regression": get_args(RegressionMetric),
}


def contradictions(pipeline: Pipeline, declared: frozenset[str] | None = None) -> Iterator[Contradiction]:
    """Everything in a pipeline's sections that cannot hold together.

    Parameters
    ----------
    pipeline : Pipeline
        Whole, or limited to its valid sections: checks that need another one are left out.
    declared : frozenset of str, optional
        The columns' names, where `pipeline.columns` lacks some that are declared wrongly.

    Yields
    ------
    key path and text
        Where in the YAML, and what was found, what is expected and what to do.
    """
    for check in CHECKS:
        with suppress(UndeclaredSectionError):
            yield from check(pipeline, frozenset(pipeline.columns) if declared is None else declared)


def check_dialect(pipeline: Pipeline, declared: frozenset[str]) -> Iterator[Contradiction]:
    """A dialect's marks are different characters, and belong to delimited text."""
    dialect = pipeline.source.dialect
    path = ("source", "dialect")
    marks = {"delimiter": dialect.delimiter, "quote": dialect.quote, "escape": dialect.escape}
    told = [mark[:1] for mark in marks.values() if mark not in (None, "none")]
    if len(set(told)) < len(told):
        yield path, "delimiter, quote and escape are different characters; a quote inside quotes may be written twice"
    of_text = {**marks, "preamble": dialect.preamble, "header": dialect.header, "footer": dialect.footer}
    if dialect.format == "parquet":
        of_text |= {"encoding": dialect.encoding, "compression": dialect.compression}
    if dialect.format in ("json_lines", "json_array", "parquet"):
        for key, value in of_text.items():
            if value is not None:
                yield (*path, key), f"a file of the format {dialect.format} has none; remove it"


def check_time(pipeline: Pipeline, declared: frozenset[str]) -> Iterator[Contradiction]:
    """The time of a row is a declared moment."""
    if (name := pipeline.time.column) is not None:
        yield from undeclared(("time", "column"), name, declared)
        yield from wrong_type(("time", "column"), name, pipeline, MOMENTS, "rows are put in order by it")


def check_target(pipeline: Pipeline, declared: frozenset[str]) -> Iterator[Contradiction]:
    """The target is a declared column, or a new name made `from` a number `above` a level."""
    target = pipeline.target
    if target.above is not None and target.from_ is None:
        yield ("target", "above"), f"`above` needs `from`: the numeric column of which {shown(target.name)} is made"
    elif target.from_ is None:
        yield from undeclared(("target", "name"), target.name, declared)
        yield from check_target_type(pipeline)
    else:
        yield from check_made_target(pipeline, target.from_, declared)
    if target.known_after and pipeline.time.column is None:
        yield ("target", "known_after"), "`known_after` counts from a row's time; declare time.column"


def check_target_type(pipeline: Pipeline) -> Iterator[Contradiction]:
    """A column is its task's kind of target."""
    name, task = pipeline.target.name, pipeline.task
    why = f"the task is {task}; a number becomes a binary target by `from` and `above`"
    yield from wrong_type(("target", "name"), name, pipeline, TARGET_TYPES[task], why)


def check_made_target(pipeline: Pipeline, source: str, declared: frozenset[str]) -> Iterator[Contradiction]:
    """A target that is made of a column has a name of its own, a level and a number to compare with it."""
    target = pipeline.target
    if target.above is None:
        yield ("target", "from"), f"`from` needs `above`: the level beyond which {shown(target.name)} is 1"
    if target.name in declared:
        made = (
            f"found {shown(target.name)}, which is a declared column, as the name of a target made from {shown(source)}"
        )
        yield ("target", "name"), f"{made}; choose a new name, or remove `from` and `above`"
    yield from undeclared(("target", "from"), source, declared)
    yield from wrong_type(("target", "from"), source, pipeline, NUMBERS, "it is compared with `above`")


def check_task(pipeline: Pipeline, declared: frozenset[str]) -> Iterator[Contradiction]:
    """The task fits the target, the metric fits the task."""
    if pipeline.train.task in {"multiclass", "regression"} and pipeline.target.above is not None:
        yield ("train", "task"), f"found {pipeline.train.task!r}, but `above` makes the target 0 or 1; write binary"
    metric = pipeline.train.metric
    if metric is not None and metric not in METRICS[pipeline.task]:
        yield (
            ("train", "metric"),
            f"found {metric!r}, expected a metric of the task {pipeline.task}: {listed(METRICS[pipeline.task])}",
        )


def check_split(pipeline: Pipeline, declared: frozenset[str]) -> Iterator[Contradiction]:
    """A split by time has a time, one by group a group, and neither takes what belongs to the other."""
    split, kind, has_time = pipeline.split, pipeline.split_kind, pipeline.time.column is not None
    if kind == "time" and not has_time:
        yield ("split", "kind"), "found 'time', which needs time.column: a declared date or timestamp"
    if kind == "group" and split.group is None:
        yield ("split", "kind"), "found 'group', which needs split.group: a declared column"
    if split.gap and kind != "time":
        yield (
            ("split", "gap"),
            f"a gap is kept between times, but the split is {kind}; remove it, or write `kind: time`",
        )
    if split.window != "all" and not split.window.endswith(("batch", "batches")) and not has_time:
        yield ("split", "window"), f"found {split.window!r}, which counts time; declare time.column, or count batches"
    if split.group is not None:
        yield from check_group(pipeline, split.group, declared)


def check_group(pipeline: Pipeline, group: str, declared: frozenset[str]) -> Iterator[Contradiction]:
    """What keeps rows together is a declared column other than the target."""
    path: KeyPath = ("split", "group")
    if pipeline.split_kind == "stratified":
        yield path, "a group is for `kind: group` or `kind: time`, but the split is stratified; remove one of the two"
    if group in {pipeline.target.name, pipeline.target.from_}:
        yield path, f"found the target {shown(group)}; rows are grouped by what they share before the outcome"
        return
    yield from undeclared(path, group, declared)
    yield from wrong_type(
        path, group, pipeline, ("integer", "category", "text", "date", "boolean"), "rows share its values"
    )


def check_parts(pipeline: Pipeline, declared: frozenset[str]) -> Iterator[Contradiction]:
    """Parts are taken of declared moments; a date has no hour."""
    for name, parts in pipeline.features.parts.items():
        path: KeyPath = ("features", "parts", name)
        yield from undeclared(path, name, declared)
        yield from repeated(path, parts)
        allowed = ("timestamp",) if {"hour", "minute"} & {*parts} else MOMENTS
        yield from wrong_type(path, name, pipeline, allowed, f"of which {listed(parts)} can be taken")


def check_derived_names(pipeline: Pipeline, declared: frozenset[str]) -> Iterator[Contradiction]:
    """Every feature has a name of its own, and none has the target's."""
    owners = {name: f"column {name!r}" for name in declared} | {pipeline.target.name: "the target"}
    for name, parts in pipeline.features.parts.items():
        for part in dict.fromkeys(parts):
            feature = f"{name}_{part}"
            if feature in owners:
                yield (
                    ("features", "parts", name),
                    f"{part} becomes {shown(feature)}, which is also {owners[feature]}; rename that",
                )
            owners.setdefault(feature, f"the {part} of {name!r}")
    for name, expression in pipeline.features.sql.items():
        if name in owners:
            yield ("features", "sql", name), f"{shown(name)} is also {owners[name]}; choose another name"
        if not expression.strip():
            yield (
                ("features", "sql", name),
                'found an empty text, expected a row-wise SQL expression, such as "hour * 60"',
            )


def check_encode(pipeline: Pipeline, declared: frozenset[str]) -> Iterator[Contradiction]:
    """The encoded columns are exactly the category features: a model cannot read text."""
    if pipeline.encode.target is None:
        return
    path: KeyPath = ("encode", "target")
    yield from repeated(path, pipeline.encode.target)
    for position, name in enumerate(pipeline.encode.target):
        yield from check_encoded((*path, position), name, pipeline, declared)
    features = [name for name in pipeline.feature_columns if pipeline.columns[name].type == "category"]
    left = [name for name in features if name not in pipeline.encode.target]
    if left:
        yield (
            path,
            f"{listed(left)} of type category would reach the model as text; add what is missing here, or to drop",
        )


def check_encoded(path: KeyPath, name: str, pipeline: Pipeline, declared: frozenset[str]) -> Iterator[Contradiction]:
    """An encoded column is a category that is a feature."""
    if name not in declared:
        yield from undeclared(path, name, declared)
    elif name in {pipeline.target.name, pipeline.target.from_}:
        yield path, f"found the target {shown(name)}; a target is not encoded by itself"
    elif name in pipeline.drop:
        yield path, f"found {shown(name)}, which stands under drop; remove it from one of the two"
    elif name in {pipeline.split.group, pipeline.time.column}:
        yield path, f"found {shown(name)}, which is no feature: rows are split by it; remove it here"
    else:
        yield from wrong_type(path, name, pipeline, ("category",), "only categories are target-encoded")


def check_drop(pipeline: Pipeline, declared: frozenset[str]) -> Iterator[Contradiction]:
    """Each column is dropped once."""
    yield from repeated(("drop",), pipeline.drop)


def check_features(pipeline: Pipeline, declared: frozenset[str]) -> Iterator[Contradiction]:
    """A model reads at least one column."""
    derived = [*pipeline.features.parts.values(), *pipeline.features.sql.values(), pipeline.features.transformer]
    if not pipeline.feature_columns and not any(derived) and declared == {*pipeline.columns}:
        yield (
            ("columns",),
            "found no feature: none of the columns is an integer, float, boolean or category that is neither dropped "
            "nor the target, time or group, and features derives none; declare one",
        )


def check_slices(pipeline: Pipeline, declared: frozenset[str]) -> Iterator[Contradiction]:
    """Metrics are told per value of declared columns."""
    yield from repeated(("evaluate", "slices"), pipeline.evaluate.slices)
    for position, name in enumerate(pipeline.evaluate.slices):
        yield from undeclared(("evaluate", "slices", position), name, declared)


def check_gate(pipeline: Pipeline, declared: frozenset[str]) -> Iterator[Contradiction]:
    """A margin for slices has slices, one for costs has costs, and a budget for fairness has groups."""
    gate = pipeline.gate
    if gate.budgets.fairness is not None and not gate.protected:
        yield ("gate", "budgets", "fairness"), "a budget for fairness needs gate.protected; name columns there"
    if gate.slice_margin is not None and not pipeline.evaluate.slices:
        yield (
            ("gate", "slice_margin"),
            "found a margin for slices, but evaluate.slices names none; name columns there, or remove this",
        )
    if gate.cost_margin is not None and not pipeline.train.costs.model_fields_set:
        yield (
            ("gate", "cost_margin"),
            "found a margin for costs, but train.costs declares none; declare them there, or remove this",
        )


def check_protected(pipeline: Pipeline, declared: frozenset[str]) -> Iterator[Contradiction]:
    """Groups are formed by the values of declared columns other than the target."""
    yield from repeated(("gate", "protected"), pipeline.gate.protected)
    for position, name in enumerate(pipeline.gate.protected):
        path: KeyPath = ("gate", "protected", position)
        if name in {pipeline.target.name, pipeline.target.from_}:
            yield path, f"found the target {shown(name)}; groups are formed by what is known before the outcome"
            continue
        yield from undeclared(path, name, declared)
        yield from wrong_type(path, name, pipeline, GROUPABLE, "its values form groups of rows")


def check_expectations(pipeline: Pipeline, declared: frozenset[str]) -> Iterator[Contradiction]:
    """Expectations and their arguments are ones that Great Expectations has, about declared columns."""
    yield from expectation_contradictions(pipeline.expectations, declared)


CHECKS: tuple[Check, ...] = (
    *COLUMN_CHECKS,
    *SOURCE_CHECKS,
    check_dialect,
    *BATCH_CHECKS,
    check_time,
    check_target,
    check_task,
    check_drop,
    check_expectations,
    check_parts,
    check_derived_names,
    check_encode,
    check_features,
    check_split,
    check_slices,
    *FLOW_CHECKS,
    check_gate,
    check_protected,
    *TRAIN_CHECKS,
    *PRIVACY_CHECKS,
    *DRIFT_CHECKS,
    *SCORE_CHECKS,
)
