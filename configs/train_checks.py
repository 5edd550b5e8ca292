"""What `train` must agree on with the rest of a YAML: costs, weights, directions of features, calibration."""

from __future__ import annotations

from collections.abc import Iterator

from configs.contradiction import NUMBERS, Check, Contradiction, undeclared, wrong_type
from configs.document import KeyPath
from configs.schema import Pipeline
from configs.sections.train import Costs
from configs.wording import hint, listed, shown

PATH: KeyPath = ("train", "costs")
NAMED = ("false_positive", "false_negative", "true_positive", "true_negative")
COSTS = {"binary": (*NAMED, "matrix"), "multiclass": ("matrix",), "regression": ("over", "under")}
NEEDED = {"binary": ("false_positive", "false_negative"), "multiclass": ("matrix",), "regression": ("over", "under")}
CLASSES = {"binary": "2 classes", "multiclass": "3 or more classes"}
SCALES = ("integer", "float", "decimal", "boolean")


def check_costs(pipeline: Pipeline, declared: frozenset[str]) -> Iterator[Contradiction]:
    """Costs are those of the task, and a right decision costs less than a wrong one."""
    costs, task = pipeline.train.costs, pipeline.task
    given = costs.model_fields_set
    if foreign := sorted(given - {*COSTS[task]}):
        yield PATH, f"found {listed(foreign)}; costs of the task {task} are {listed(COSTS[task])}"
    elif costs.matrix is not None and given != {"matrix"}:
        named = listed(sorted(given - {"matrix"}))
        yield PATH, f"found both 'matrix' and {named}; a matrix says it all, so keep one of the two"
    elif costs.matrix is not None:
        yield from check_matrix(costs.matrix, CLASSES[task])
    elif given and any(getattr(costs, name) is None for name in NEEDED[task]):
        yield PATH, f"costs of the task {task} need {' and '.join(map(repr, NEEDED[task]))}"
    elif given and task == "binary":
        yield from check_cost_of_errors(costs)
    elif given and not ((costs.over or 0) > 0 and (costs.under or 0) > 0):
        yield (
            PATH,
            "found a cost of 0; both `over` and `under` cost something, or guessing without bounds would be free",
        )


def check_cost_of_errors(costs: Costs) -> Iterator[Contradiction]:
    """A threshold follows from costs only where errors cost more than what is right (Elkan 2001, section 1.2)."""
    for name, right in (("false_positive", costs.true_negative), ("false_negative", costs.true_positive)):
        wrong = getattr(costs, name)
        if not wrong > right:
            yield (
                (*PATH, name),
                f"found {wrong:g}, expected more than what being right about such a row costs, {right:g}",
            )


def check_matrix(matrix: tuple[tuple[float, ...], ...], classes: str) -> Iterator[Contradiction]:
    """A matrix has a row and a column per class, and errors cost more than what is right."""
    path, size, least = (*PATH, "matrix"), len(matrix), int(classes[0])
    widths = sorted({len(row) for row in matrix})
    if widths != [size] or size < least or (least == 2 and size > 2):
        found = f"{size} rows of {' or '.join(map(str, widths)) or 'no'} costs"
        yield path, f"found {found}, expected as many rows as columns, for {classes}: a row per actual class, in order"
        return
    for actual, row in enumerate(matrix):
        for decided, cost in enumerate(row):
            if decided != actual and not cost > row[actual]:
                yield (
                    (*path, actual, decided),
                    f"found {cost:g}, expected more than what being right about such a row costs, {row[actual]:g}",
                )


def check_weight(pipeline: Pipeline, declared: frozenset[str]) -> Iterator[Contradiction]:
    """A weight is a declared number that is nothing else."""
    name, path = pipeline.train.weight, ("train", "weight")
    if name is None:
        return
    if name in {pipeline.target.name, pipeline.target.from_}:
        yield path, f"found the target {shown(name)}; how much a row counts is known before the outcome"
        return
    if name in {pipeline.split.group, pipeline.time.column}:
        yield path, f"found {shown(name)}, by which rows are split; how much a row counts is a column of its own"
        return
    yield from undeclared(path, name, declared)
    yield from wrong_type(path, name, pipeline, NUMBERS, "rows are counted by it")


def check_classes(pipeline: Pipeline, declared: frozenset[str]) -> Iterator[Contradiction]:
    """Classes can be balanced and probabilities be calibrated; a regression has neither."""
    if pipeline.task != "regression":
        return
    if pipeline.train.balance:
        yield ("train", "balance"), "the task is regression, which has no classes to balance; remove it"
    if pipeline.train.calibration != "none":
        yield ("train", "calibration"), "the task is regression, which has no probabilities to calibrate; remove it"


def check_monotone(pipeline: Pipeline, declared: frozenset[str]) -> Iterator[Contradiction]:
    """A direction is declared for features that have an order, of a prediction that has one."""
    if pipeline.train.monotone and pipeline.task == "multiclass":
        yield (
            ("train", "monotone"),
            "the task is multiclass, in which what one class gains another one loses; remove it, or predict one class "
            "against the rest",
        )
        return
    for name in pipeline.train.monotone:
        yield from check_direction(name, pipeline, declared)


def check_direction(name: str, pipeline: Pipeline, declared: frozenset[str]) -> Iterator[Contradiction]:
    """What a direction is declared for is a numeric feature."""
    path, features = ("train", "monotone", name), pipeline.features
    derived = [f"{column}_{part}" for column, parts in features.parts.items() for part in parts] + [*features.sql]
    columns = [column for column in pipeline.feature_columns if pipeline.columns[column].type in SCALES]
    if name in derived or name in columns:
        return
    if name in pipeline.columns:
        yield from wrong_type(path, name, pipeline, SCALES, "a direction needs an order, and an encoding has none")
        if pipeline.columns[name].type in SCALES:
            yield path, f"found {shown(name)}, which is no feature; expected one of {listed(sorted(columns + derived))}"
    elif name not in declared and features.transformer is None:  # whose columns nobody knows yet
        known = sorted(columns + derived)
        yield path, f"found {shown(name)}, expected a numeric feature{hint(name, known)}; they are {listed(known)}"


TRAIN_CHECKS: tuple[Check, ...] = (check_costs, check_weight, check_classes, check_monotone)
