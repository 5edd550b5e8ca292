"""The draft of a pipeline: the sections of its YAML and the comments that say why, from a sample and a target."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import TypeAdapter, ValidationError

from configs.document import DocumentError, KeyPath, parse_document
from configs.errors import DataError
from configs.load import CONFIGS, pipeline_from
from configs.schema import Pipeline
from configs.sections.values import ColumnName, DroppedName
from configs.wording import shown
from tasks.cells.queries import OFFSET
from tasks.drafting.bounds import draft_expectations
from tasks.drafting.naming import looks_like_year
from tasks.drafting.null_tokens import sentinel_of
from tasks.drafting.panels import Panel, find_panel
from tasks.drafting.profile import MOMENTS, NUMBERS, Profile, profile_columns
from tasks.drafting.roles import (
    as_years,
    dated_years,
    group_candidates,
    share_later,
    time_candidates,
    why_dropped,
)
from tasks.drafting.sample import Sample
from tasks.drafting.split_trial import HOLDOUT, SplitTrial, try_splits
from tasks.drafting.suspects import Suspect, find_suspect
from tasks.drafting.target_task import TargetDraft, draft_target, require_target
from tasks.drafting.time_parts import clock_column, parts_of_time, told_clock, told_parts
from tasks.drafting.yaml_text import can_be_written, yaml_text

if TYPE_CHECKING:
    from numpy.typing import NDArray

SCHEMA_LINE = "yaml-language-server: $schema=pipeline.schema.json"
WARN = "`warn` is only said in the report; write quarantine or stop where such a row or batch must not pass"
REPEATED = "stands in the header more than once; rename one of each to use it"
DROP_IT = "drop it if it is known only afterwards"
FLOAT_MEMBER = "whole floats that name members; 1 and 1.0 are two levels, so let all files write them alike"
MANY_REFUSED = 0.4  # share of the rows; a run ends above half of them where nothing is declared
NOT_BY_TIME = (
    "by time {lacking}. Neighbours in time stand on both sides, so the score "
    "may flatter, and where they tell each other's targets the leak audit ends the run: land more rows and write kind: "
    "time, predict a coarser target, or go on knowingly with train: {{audit: warn}}"
)
LATER = 0.9  # share of the rows
TWO_YEARS = 731  # days
SOME = 100  # texts that are looked at for an offset
EMPTY = ("features", "encode", "split", "train", "evaluate", "drift", "retrain", "gate")


class UndraftableError(DataError):
    """A file of which no pipeline can be drafted."""


@dataclass(frozen=True)
class Draft:
    """A pipeline's YAML before it is written.

    Attributes
    ----------
    text : str
        The file's content.
    pipeline : Pipeline
        What it declares.
    remarks : tuple of str
        What a person should look at, one line each.
    """

    text: str
    pipeline: Pipeline
    remarks: tuple[str, ...]


@dataclass
class Plan:
    """What was decided of each column on the way to a draft."""

    sample: Sample
    profiles: dict[str, Profile]
    target: TargetDraft
    dropped: dict[str, str] = field(default_factory=dict)
    suspects: dict[str, Suspect] = field(default_factory=dict)
    panel: Panel | None = None
    moment: Profile | None = None
    groups: list[Profile] = field(default_factory=list)

    @property
    def columns(self) -> dict[str, Profile]:
        """The columns that are declared, in the order of the header."""
        return {name: profile for name, profile in self.profiles.items() if name not in self.dropped}

    @property
    def usable_rows(self) -> NDArray[np.bool_]:
        """The rows that have a target that is learned, and a time where rows are put in order."""
        usable = ~self.target.profile.is_missing
        if self.target.classes:
            import pyarrow as pa
            import pyarrow.compute as pc

            learned = pc.is_in(self.target.profile.values, value_set=pa.array(list(self.target.classes)))
            usable = usable & learned.to_numpy(zero_copy_only=False)
        return usable if self.moment is None else usable & ~self.moment.is_missing

    @property
    def refused_share(self) -> float:
        """Share of the rows that cannot be trained on."""
        return 1 - float(self.usable_rows.sum()) / (len(self.usable_rows) + self.sample.empty)

    @property
    def features(self) -> list[Profile]:
        """The declared columns that are neither the target nor the time."""
        others = {self.target.profile.name, self.moment.name if self.moment else None}
        return [profile for name, profile in self.columns.items() if name not in others]


def draft_pipeline(sample: Sample, *, name: str, target: str, source: str) -> Draft:
    """Draft a pipeline.

    Parameters
    ----------
    sample : Sample
        Rows as text.
    name : str
        The pipeline's.
    target : str
        The column to predict.
    source : str
        Glob of the files, relative to the repository's root.

    Raises
    ------
    UndraftableError, UnfitTargetError, NoSplitError
        If the file has no such column, or nothing to learn from; see there.
    """
    plan = plan_columns(sample, target)
    document, comments = sections(plan, source)
    try:
        provisional = parsed(yaml_text(document, comments, ()), name)
        group = plan.groups[0].name if plan.groups else None
        trial = try_splits(provisional, plan.profiles, plan.usable_rows, group)
        document["split"], document["train"] = trial.split, {**document["train"], **trial.train}
        comments["split",] = split_remarks(plan, trial)
        text = yaml_text(document, comments, head_lines(plan, target))
        return Draft(text, parsed(text, name), tuple(remarks(plan, comments)))
    except DocumentError as error:
        raise UndraftableError(f"the columns cannot be declared as they are:\n{error}") from error


def parsed(text: str, name: str) -> Pipeline:
    """The pipeline that a text declares."""
    return pipeline_from(parse_document(text, CONFIGS / f"{name}.yaml"), name)


def unnameable(names: Sequence[str]) -> dict[str, str]:
    """The columns whose names no pipeline can declare, and why; they can be dropped.

    Raises
    ------
    UndraftableError
        If a name cannot even be dropped.
    """
    found = {}
    for number, name in enumerate(names, start=1):
        if not can_be_written(name) or not is_valid(DroppedName, name):
            raise UndraftableError(
                f"column {number} is called {shown(name)}; a name has no characters of control. Give it another one in "
                "the file."
            )
        if not is_valid(ColumnName, name):
            found[name] = "begins with '_', which no declared name may; rename it to use it" if name else "has no name"
    return found


def refuse_repeated_target(name: str, sample: Sample) -> None:
    """Refuse a target that is the name of several columns.

    Raises
    ------
    UndraftableError
        If it is.
    """
    if name in sample.repeated:
        raise UndraftableError(f"--target {shown(name)}: {REPEATED.replace(' use', ' predict')}.")


def is_valid(kind: Any, value: str) -> bool:
    """Whether the schema takes a text as a value of a kind."""
    try:
        TypeAdapter(kind).validate_python(value)
    except ValidationError:
        return False
    return True


def plan_columns(sample: Sample, target_name: str) -> Plan:
    """Decide what each column is for."""
    refused = {**dict.fromkeys(sample.repeated, REPEATED), **unnameable((*sample.names, *sample.repeated))}
    refuse_repeated_target(target_name, sample)
    profiles = {name: profile for name, profile in profile_columns(sample).items() if name not in refused}
    target = draft_target(require_target(target_name, profiles, sample.notes))
    profiles[target_name] = target.profile
    plan = Plan(sample, profiles, target, refused)
    for name, profile in profiles.items():
        if name != target_name and (why := why_dropped(profile)) is not None:
            plan.dropped[name] = why
        elif name != target_name and len(profile.rows_per_value) == 1:
            profiles[name] = as_mark(profile)
    plan.panel = with_named_member(plan)
    plan.moment = moment_of(plan)
    for profile in plan.features:
        suspect = find_suspect(profile, target.profile, target.task)
        if suspect is not None:
            plan.suspects[profile.name] = suspect
    groups = {profile.name for profile in groups_of(plan)}
    for name, suspect in plan.suspects.items():
        if suspect.is_perfect and name not in groups:
            plan.dropped[name] = f"{suspect.text}: a copy, or known only afterwards; else take it back"
    plan.groups = groups_of(plan)
    require_feature(plan)
    return plan


def as_mark(profile: Profile) -> Profile:
    """A column of one value, or none, from which the model is to learn whether there is one."""
    if profile.type == "text":
        profile = replace(profile, declared={**profile.declared, "type": "category"})
    remark = "the same wherever there is one: the model learns whether there is"
    return replace(profile, declared={**profile.declared, "missing": "event"}, remarks=(*profile.remarks, remark))


def with_named_member(plan: Plan) -> Panel | None:
    """The panel that the file is; members that are numbered by whole floats are declared as names, not quantities."""
    panel = find_panel(plan.features)
    if panel is None or panel.member.type != "float":
        return panel
    member = replace(panel.member, declared={**panel.member.declared, "type": "category"}, remarks=(FLOAT_MEMBER,))
    plan.profiles[member.name] = member
    return replace(panel, member=member)


def moment_of(plan: Plan) -> Profile | None:
    """The column that says when a row happened: a date or timestamp, else years in order, else those of a panel."""
    candidates = time_candidates(plan.features)
    if candidates:
        return candidates[0]
    for name, profile in plan.profiles.items():
        years = as_years(profile) if name != plan.target.profile.name else None
        if years is None and plan.panel is not None and name == plan.panel.years.name:
            years = years_of(plan.panel)
        if years is not None and usable([other for other in plan.features if other.name != name]):
            plan.profiles[name] = years
            plan.dropped.pop(name, None)
            return years
    return None


def years_of(panel: Panel) -> Profile | None:
    """The years of a panel as dates, where they are enough to split by."""
    years = dated_years(panel.years)
    return None if years is None else replace(years, remarks=(*years.remarks, panel.text))


def groups_of(plan: Plan) -> list[Profile]:
    """The columns whose rows may belong together, else the members of a panel."""
    member = plan.panel.member.name if plan.panel is not None else None
    return group_candidates(plan.features) or group_candidates(
        [profile for profile in plan.features if profile.name == member], by_name=False
    )


def require_feature(plan: Plan) -> None:
    """Refuse a file of which no column is left to learn from."""
    groups = {profile.name for profile in plan.groups[:1]} if plan.moment is None else set()
    learnable = [p for p in plan.features if p.type != "text" and p.name not in groups]
    if not learnable and plan.moment is None:
        texts = {p.name: f"is text: {'; '.join(p.remarks)}" for p in plan.features if p.type == "text"}
        told = "; ".join(f"{shown(name)} {why}" for name, why in [*plan.dropped.items(), *texts.items()][:5])
        raise UndraftableError(
            f"no column is left to learn {plan.target.profile.name!r} from{f': {told}' if told else ''}."
        )


def sections(plan: Plan, source: str) -> tuple[dict[str, Any], dict[KeyPath, Sequence[str]]]:
    """The sections of the YAML, the split not yet chosen, and their comments."""
    target, moment = plan.target, plan.moment
    expectations = draft_expectations(plan.sample, target, moment, usable(plan.features))
    writable = [each for each in expectations if can_be_written(each)]
    document: dict[str, Any] = {
        "owner": {},
        "source": {"path": source, **limit_of(plan)}
        | ({"dialect": plan.sample.dialect} if plan.sample.dialect else {}),
        "time": {} if moment is None else {"column": moment.name, "timezone": "UTC"},
        "target": {"name": target.profile.name},
        "columns": {name: declared(profile) for name, profile in plan.columns.items()},
        "drop": list(plan.dropped),
        "expectations": writable,
        **{name: {} for name in EMPTY},
    }
    parts = date_parts(plan)
    document["features"] = {"parts": parts} if parts else {}
    document["train"] = {"task": target.task}
    comments: dict[KeyPath, Sequence[str]] = {
        ("owner",): ("who answers for this model",),
        ("source",): (*limit_remarks(plan), *plan.sample.notes),
        ("time",): time_remarks(plan),
        ("target",): (
            target.remark,
            *(["write known_after: 1d if it is known a day after the row's time"] * bool(moment)),
        ),
        ("expectations",): (WARN,),
    }
    comments |= {("columns", name): column_remarks(plan, profile) for name, profile in plan.columns.items()}
    comments |= {("drop", number): (why,) for number, why in enumerate(plan.dropped.values())}
    return document, comments


def limit_of(plan: Plan) -> dict[str, str]:
    """`source.stop_above`, where the default would end the run: so many rows cannot be trained on."""
    refused = plan.refused_share
    return {"stop_above": f"{min(100, 10 * math.ceil(10 * refused + 1))}%"} if refused >= MANY_REFUSED else {}


def limit_remarks(plan: Plan) -> list[str]:
    """Why a limit is declared."""
    return [f"{plan.refused_share:.0%} of the rows go to quarantine; a run ends above this share"] * bool(
        limit_of(plan)
    )


def usable(features: Sequence[Profile]) -> list[Profile]:
    """The columns that are features as they are."""
    return [profile for profile in features if profile.type not in ("text", *MOMENTS)]


def declared(profile: Profile) -> dict[str, Any]:
    """A column's keys that a YAML can hold."""
    nulls = [text for text in profile.declared.get("nulls", ()) if can_be_written(text)]
    keys = {key: value for key, value in profile.declared.items() if key != "nulls"}
    return {**keys, "nulls": nulls} if nulls else keys


def date_parts(plan: Plan) -> dict[str, list[str]]:
    """Parts of dates for the model to read: of the row's time what comes back, of other moments also the year."""
    found: dict[str, list[str]] = {}
    for profile in plan.columns.values():
        if profile.type not in MOMENTS or profile.name == plan.target.profile.name:
            continue
        parts = moment_parts(profile) if profile is plan.moment else ["year", "month"]
        free = [part for part in parts if f"{profile.name}_{part}" not in plan.profiles]
        if free:
            found[profile.name] = free
    return found


def moment_parts(profile: Profile) -> list[str]:
    """Parts of the row's time that come back, where they vary: weekday and hour, and of two years or more the month."""
    import pyarrow as pa
    import pyarrow.compute as pc

    days = profile.values.drop_null().cast(pa.timestamp("us"))
    hours = {"hour": pc.hour} if profile.type == "timestamp" else {}
    are_months = not pc.any(pc.not_equal(pc.day(days), 1)).as_py()
    weekdays = {} if are_months and not hours else {"day_of_week": pc.day_of_week}
    months = {"month": pc.month} if are_months or np.ptp(profile.numbers[~profile.is_missing]) >= TWO_YEARS else {}
    return [part for part, of in {**weekdays, **hours, **months}.items() if len(of(days).unique()) > 1]


def column_remarks(plan: Plan, profile: Profile) -> list[str]:
    """What a person should know of a column."""
    found = list(profile.remarks)
    if profile.name in plan.suspects:
        found.append(suspicion(plan, profile))
    if plan.moment is not None and (share := share_later(profile, plan.moment)) >= LATER:
        found.append(f"later than {shown(plan.moment.name)} in {share:.0%} of the rows; {DROP_IT}")
    if profile in plan.groups and profile.name != plan.target.profile.name:
        found.append(f"may be split.group: {profile.rows_per_value.mean():.1f} rows per value")
    if looks_like_year(profile.name) and profile.type == "integer" and is_short(profile):
        found.append("years of two digits: written with four, rows could be split by them")
    if profile.type in NUMBERS and (sentinel := sentinel_of(distinct_numbers(profile))) is not None:
        found.append(f"{sentinel:g} may stand for a missing value; then add it to nulls")
    return found


def is_short(profile: Profile) -> bool:
    """Whether all numbers have two digits."""
    known = profile.numbers[~profile.is_missing]
    return bool((known >= 10).all() and (known <= 99).all())


def suspicion(plan: Plan, profile: Profile) -> str:
    """What is suspected of a column; one that tells whose rows these are may know the target of each by heart."""
    if plan.suspects[profile.name].is_perfect and profile in plan.groups:
        return "the rows of each have one and the same target: no split may part them"
    return f"suspected leak: {plan.suspects[profile.name].text}; {DROP_IT}"


def distinct_numbers(profile: Profile) -> list[float]:
    """The different numbers of a column, in ascending order."""
    return sorted(value for value in set(profile.numbers.tolist()) if value == value)  # noqa: PLR0124 - NaN is not


def time_remarks(plan: Plan) -> list[str]:
    """Of which column the time was taken, and what it could be instead."""
    parts = parts_of_time({name: each for name, each in plan.profiles.items() if name != plan.target.profile.name})
    if plan.moment is None:
        return [told_parts(parts)] if parts else ["no date or timestamp that nearly all rows have"]
    others = [profile.name for profile in time_candidates(plan.features)]
    has_zone = "timezone" in plan.moment.declared
    has_zone = has_zone or any(re.search(OFFSET + "$", text) for text in plan.moment.texts.texts[:SOME])
    told = "the zone in which parts such as the hour are taken" if has_zone else "the texts name no zone: say which"
    zone = [told] if plan.moment.type == "timestamp" else []
    finer = [told_parts(parts)] if plan.moment.name in parts.values() else []
    clock = clock_column(plan.profiles.values()) if plan.moment.type == "date" and not finer else None
    beside = [told_clock(clock)] if clock is not None else []
    return [*zone, *finer, *beside, *([f"or {', '.join(map(shown, others))}"] if others else [])]


def split_remarks(plan: Plan, trial: SplitTrial) -> list[str]:
    """Why rows are split so."""
    split = trial.split
    if plan.moment is not None and split["kind"] != "time":
        return [NOT_BY_TIME.format(lacking=what_lacks(plan))]
    if trial.is_widened:
        more = ["so many rows are held out"] * (split["holdout"] != HOLDOUT)
        more += ["early stopping watches more rows"] * bool(trial.train)
        return [f"{' and '.join(more)}, since of fewer {what_lacks(plan)}"]
    if split["kind"] == "stratified" and plan.groups:
        return [f"by {plan.groups[0].name!r} a fold of the sample would lack a class"]
    return []


def what_lacks(plan: Plan) -> str:
    """What a side of a split would lack: a class, of which the rarest is named with its rows; or any row."""
    import pyarrow as pa

    if plan.target.task == "regression":
        return "a side would have too few rows"
    counts = pa.Table.from_struct_array(pa.chunked_array([plan.target.profile.value_counts])).to_pylist()
    kept = [each for each in counts if not plan.target.classes or each["values"] in plan.target.classes]
    fewest = min(kept, key=lambda each: each["counts"])
    return f"a side would lack a class: {shown(fewest['values'])} has {fewest['counts']:,} rows of the sample"


def head_lines(plan: Plan, target: str) -> list[str]:
    """What stands at the top."""
    return [
        SCHEMA_LINE,
        f"Drafted by `holdfast init` to predict {shown(target)}, from {plan.sample.how}.",
        "A comment says what was seen and not known; the file is yours to edit.",
    ]


def remarks(plan: Plan, comments: Mapping[KeyPath, Sequence[str]]) -> list[str]:
    """What was seen of columns and which are dropped, as lines to print."""
    told = [
        f"{path[-1] if path[0] == 'columns' else path[0]}: {'; '.join(texts)}"
        for path, texts in comments.items()
        if texts and path[0] in ("source", "time", "target", "columns", "split")
    ]
    return told + [f"dropped {name or shown(name)}: {why}" for name, why in plan.dropped.items()]
