"""Where a column with `private: true` cannot stand: what is made of it there would show or keep its values."""

from __future__ import annotations

import re
from collections.abc import Iterator

from configs.contradiction import Check, Contradiction
from configs.document import KeyPath
from configs.schema import Pipeline
from configs.wording import shown


def check_private_target(pipeline: Pipeline, declared: frozenset[str]) -> Iterator[Contradiction]:
    """What is predicted cannot be kept out of the predictions and the report on them."""
    target = pipeline.target
    for key, name in (("name", target.name), ("from", target.from_)):
        if name in pipeline.private_columns:
            yield ("target", key), f"found the private column {shown(name)}; a report tells what a model predicts"


def check_private_slices(pipeline: Pipeline, declared: frozenset[str]) -> Iterator[Contradiction]:
    """Slices and groups are told by their values."""
    named = (("evaluate", "slices", pipeline.evaluate.slices), ("gate", "protected", pipeline.gate.protected))
    for section, key, names in named:
        for position, name in enumerate(names):
            if name in pipeline.private_columns:
                yield (section, key, position), f"found the private column {shown(name)}; its values would be told here"


def check_private_levels(pipeline: Pipeline, declared: frozenset[str]) -> Iterator[Contradiction]:
    """A model keeps each level of a category that it encodes."""
    for name in pipeline.feature_columns:
        column = pipeline.columns[name]
        if column.private and column.type == "category":
            yield (
                ("columns", name, "private"),
                f"the model would keep every value of the category {shown(name)}, to encode it; put it under drop "
                "(expectations and split.group may still read it), or declare it as text",
            )


def check_private_transformer(pipeline: Pipeline, declared: frozenset[str]) -> Iterator[Contradiction]:
    """A transformer is given every column that is not dropped, and what it learns is kept in the model."""
    given = pipeline.private_columns & {*pipeline.input_columns}
    if pipeline.features.transformer is not None and given:
        names = ", ".join(map(shown, sorted(given)))
        yield (
            ("features", "transformer"),
            f"it would be given the private {names}, and the model keeps what it learns; put them under drop",
        )


def check_private_texts(pipeline: Pipeline, declared: frozenset[str]) -> Iterator[Contradiction]:
    """An SQL expression may turn a private number into a feature, but has no use of a private text but its content."""
    texts = {name for name in pipeline.private_columns if pipeline.columns[name].type in {"category", "text"}}
    for feature, sql in pipeline.features.sql.items():
        for name in sorted(texts & names_in(sql, texts)):
            path: KeyPath = ("features", "sql", feature)
            yield path, f"it names the private {shown(name)}, a text; a feature of it could spell it out"


def names_in(sql: str, names: set[str]) -> set[str]:
    """Names that an expression seems to have in it; SQL knows no case in them."""
    text = sql.lower().replace('""', '"')
    words = {*re.findall(r"\w+", text)}
    return {name for name in names if name.lower() in (words if re.fullmatch(r"\w+", name) else text)}


PRIVACY_CHECKS: tuple[Check, ...] = (
    check_private_target,
    check_private_slices,
    check_private_levels,
    check_private_transformer,
    check_private_texts,
)
