"""The sections of a pipeline's YAML, as frozen objects that refuse unknown keys.

Nothing here reads a file: `configs.load` is the door. Units stand in the descriptions.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable
from datetime import timedelta
from typing import Annotated, Any, Literal, TypeVar, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationInfo,
    WithJsonSchema,
    model_validator,
)

from configs.cron import PERSISTENCE, parse_cron, parse_persistence
from configs.errors import ConfigError
from configs.wording import hint, listed

T = TypeVar("T")
WRITTEN = {"written": True}  # context of a validation that reads a YAML

DURATION = re.compile(r"([0-9]+)(m|h|d|w)")
DURATION_UNITS = {"m": 1, "h": 60, "d": 1440, "w": 10080}  # minutes
LONGEST = 36500 * 1440  # a century, in minutes: a timestamp and a duration must still add up to a timestamp
PIPELINE_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


def parse_duration(text: object) -> timedelta:
    """Read `90m`, `12h`, `14d` or `2w`.

    >>> parse_duration("14d")
    datetime.timedelta(days=14)
    """
    if isinstance(text, timedelta):
        return text
    match = DURATION.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise ValueError("a duration is a whole number and a unit: 90m, 12h, 14d or 2w")
    minutes = int(match[1][:12]) * DURATION_UNITS[match[2]]
    if minutes > LONGEST:
        raise ValueError("a duration is at most 36500d")
    return timedelta(minutes=minutes)


def format_duration(duration: timedelta) -> str:
    """Write a duration the way `parse_duration` reads it."""
    minutes = int(duration.total_seconds() // 60)
    units = [(unit, size) for unit, size in DURATION_UNITS.items() if minutes % size == 0]
    unit, size = units[-1] if minutes else ("d", 1440)
    return f"{minutes // size}{unit}"


def known_timezone(name: str) -> str:
    """Refuse a name that the IANA database does not have."""
    try:
        ZoneInfo(name)
    except (ValueError, OSError, ZoneInfoNotFoundError):
        near = hint(name, available_timezones())
        raise ValueError(f"a time zone is a name of the IANA database, such as America/New_York or UTC{near}") from None
    return name


def path_inside(path: str) -> str:
    """Refuse a path that could leave the repository or that a shell, URL or variable would rewrite."""
    parts = path.replace("\\", "/").split("/")
    if path.startswith(("/", "~")) or re.match(r"[A-Za-z][\w+.-]*:", path) or ".." in parts:
        raise ValueError("a path is relative to the repository's root and stays inside it")
    if not path.strip() or any(ord(char) < 32 or char in "\\$" for char in path):
        raise ValueError("a path is plain text with '/' between folders: no '\\', '$' or control characters")
    return path


def empty_mapping_as_list(value: object) -> object:
    """Let a section that is a list stand as `{}` too, as every section at its default may."""
    return [] if value == {} else value


def empty_mapping_as_none(value: object) -> object:
    """Let a section that is one text stand as `{}` too."""
    return None if value == {} else value


NOBODY = {"anyOf": [{"type": "string"}, {"type": "null"}, {"type": "object", "maxProperties": 0}]}


def written(pattern: str, example: str) -> WithJsonSchema:
    """Tell editors how a value is written that is read from text."""
    return WithJsonSchema({"type": "string", "pattern": f"^({pattern})$", "examples": [example]})


Duration = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    PlainSerializer(format_duration, return_type=str),
    written(DURATION.pattern, "14d"),
]
Timezone = Annotated[str, AfterValidator(known_timezone)]
RepositoryPath = Annotated[str, AfterValidator(path_inside)]
Tuple = Annotated[tuple[T, ...], Field(strict=False)]  # YAML has lists; frozen objects hold tuples
Finite = Annotated[float, Field(allow_inf_nan=False)]
ColumnName = Annotated[str, Field(min_length=1, pattern=r"^[^_\x00-\x1f][^\x00-\x1f]*$")]
DroppedName = Annotated[str, Field(pattern=r"^[^\x00-\x1f]*$")]  # what is not read may have any name, or none


class Section(BaseModel):
    """A part of the YAML: frozen, no unknown keys, no silent conversion between types."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


def known_encoding(name: str) -> str:
    """Refuse what Python does not know as an encoding of text; tell it by one of its names."""
    try:
        found = codecs.lookup(name)
        "a".encode(name)  # refuses what encodes no text, such as base64
        codecs.getincrementaldecoder(name)
    except (LookupError, ValueError):
        near = hint(name, ("utf-8", "utf-16", "windows-1252", "iso-8859-1", "shift_jis", "gb18030"))
        raise ValueError(f"an encoding is one that Python knows, such as utf-8 or windows-1252{near}") from None
    return {"cp1252": "windows-1252", "iso8859-1": "iso-8859-1"}.get(found.name, found.name)


Mark = Annotated[str, Field(pattern=r"^([^\r\n\x00]|none)$")]


class DeclaredDialect(Section):
    """How the source's files are written; what is left out is detected in each file."""

    format: Literal["csv", "json_lines", "parquet"] | None = Field(None, description="csv is any delimited text")
    compression: Literal["none", "gzip", "zstd"] | None = Field(None, description="around the text")
    encoding: Annotated[str, AfterValidator(known_encoding)] | None = Field(
        None, description="of the text, by a name that Python knows"
    )
    delimiter: Annotated[str, Field(pattern=r"^[^\r\n\x00]$")] | None = Field(
        None, description="the character between fields"
    )
    quote: Mark | None = Field(None, description="the character around fields, or `none`")
    escape: Mark | None = Field(
        None, description="the character before one that is meant literally, or `none`: quotes inside are written twice"
    )
    preamble: int | None = Field(None, ge=0, le=10_000, description="lines above the header")
    header: int | None = Field(
        None, ge=0, le=10, description="records that make the header; without any, columns are named c1, c2, ..."
    )
    footer: int | None = Field(None, ge=0, le=10_000, description="records at the end that are no rows")


SHARE = r"(100|[0-9]{1,2}(\.[0-9]{1,4})?)%"


def parse_percent(text: object) -> str:
    """Accept `2%` or `0.5%`."""
    if not isinstance(text, str) or not re.fullmatch(SHARE, text):
        raise ValueError("a share is a percent from '0%' to '100%', such as '2%' or '0.5%'")
    return text


BatchKind = Literal["file", "folder", "month", "week", "day"]
Period = Literal["month", "week", "day"]
PERIODS: tuple[Period, ...] = get_args(Period)


def matching(pattern: str, meant: str) -> AfterValidator:
    """Refuse text of another form, and tell what was meant, not which pattern it breaks."""

    def check(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(meant)
        return text

    return AfterValidator(check)


VARIABLE = "[A-Za-z_][A-Za-z0-9_]*"
BLOCK = "[a-z0-9][a-z0-9-]*"
LINK = r"https?://[^\s]+"
Variable = Annotated[
    str,
    matching(VARIABLE, "this is the name of an environment variable, such as DATABASE_URL"),
    written(VARIABLE, "DATABASE_URL"),
]
SecretName = Annotated[
    str,
    matching(BLOCK, "this is the name of a Prefect Secret block, such as database-url"),
    written(BLOCK, "database-url"),
]
BlockName = Annotated[
    str,
    matching(f"{BLOCK}/{BLOCK}", "a block is named by its type and its name, such as slack-webhook/ops"),
    written(f"{BLOCK}/{BLOCK}", "slack-webhook/ops"),
]
Link = Annotated[
    str,
    matching(LINK, "a runbook is a link, such as https://example.org/runbook"),
    written(LINK, "https://example.org/runbook"),
]


class DatabaseUrl(Section):
    """Where a database's URL is kept: it holds a password, so it stands in no file of the repository."""

    env: Variable | None = Field(None, description="name of the environment variable that holds it")
    secret: SecretName | None = Field(None, description="name of the Prefect Secret block that holds it")


class Source(Section):
    """Where new batches come from: files that a glob names, or rows that a query finds."""

    path: RepositoryPath = Field("", description="glob of the files, relative to the repository's root")
    sql: str = Field(
        "", description="a SELECT in place of `path`: each landing's new rows are a batch (docs/query-source.md)"
    )
    watermark: ColumnName | None = Field(
        None, description="the query's column that only grows, an integer, date or timestamp; rows beyond it are new"
    )
    url: DatabaseUrl = Field(DatabaseUrl(), description="where the URL of the query's database is kept")
    overlap: Duration = Field(
        timedelta(0), description="how far behind the watermark rows may still arrive; they are told by their values"
    )
    batch: BatchKind = Field(
        "file",
        description="what makes a batch: each file, each folder of files, or the rows of each calendar month, ISO week "
        "or day of time.column, in its zone",
    )
    on_change: Literal["stop", "quarantine", "accept"] = Field(
        "stop",
        description="where a header, a category's `levels` or the notation of integers is not as declared: end the "
        "run, set the rows aside, or go on and tell it",
    )
    dialect: DeclaredDialect = Field(DeclaredDialect(), description="how the files are written; detected where absent")
    stop_above: Annotated[str, BeforeValidator(parse_percent), written(SHARE, "2%")] = Field(
        "50%",
        description="share of a batch's rows in quarantine, of reading and validation together, that ends the run; "
        "'100%' is no limit",
    )


class Time(Section):
    """When a row happened; what a split by time sorts by."""

    column: ColumnName | None = Field(None, description="a column declared as date or timestamp")
    timezone: Timezone = Field("UTC", description="zone of timestamps without an offset, and of date parts")


class Target(Section):
    """What the model predicts."""

    name: ColumnName = Field(description="the target's name; a declared column unless `from` is given")
    from_: ColumnName | None = Field(None, alias="from", description="a numeric column that the target is made from")
    above: Finite | None = Field(None, description="the target is 1 where `from` is greater, in its unit, else 0")
    known_after: Duration = Field(timedelta(0), description="how long after the row's time its target is known")


ColumnType = Literal["integer", "float", "decimal", "boolean", "category", "text", "date", "timestamp"]
FEATURE_TYPES = ("integer", "float", "decimal", "boolean", "category")
WIDEST_DECIMAL = 38  # digits
EPOCHS = ("epoch_s", "epoch_ms")  # formats of a timestamp that is a number: time since 1970 in UTC
Bound = int | Finite | str


NumberMark = Annotated[str, matching(r"[^0-9+.,\r\n-]{1,10}", "signs or letters, without digits, signs and separators")]


class Column(Section):
    """One column of the data: its type, and how its text is read."""

    type: ColumnType = Field(description="category: text with few or many levels; text: kept, but no feature")
    nulls: Tuple[str] = Field(("",), description="texts that mean a missing value")
    missing: Literal["unknown", "zero", "event"] = Field(
        "unknown",
        description="what a missing value means: not known; the number 0; or something that happened, which the model "
        "is told by a feature `<column>_is_missing`",
    )
    decimal: Literal[".", ","] = Field(".", description="the decimal separator of a float or decimal")
    thousands: Literal[",", ".", " ", "'"] | None = Field(
        None, description="what stands between groups of three digits of a number, where it is written at all"
    )
    marks: Tuple[NumberMark] = Field(
        (), description="what may stand before or behind a number and is no part of it: `$`, `%`, `kg`, or a space"
    )
    scale: int | None = Field(None, ge=0, le=WIDEST_DECIMAL, description="digits behind the point of a decimal")
    precision: int | None = Field(
        None, ge=1, le=WIDEST_DECIMAL, description="digits of a decimal in all; 38 when absent"
    )
    min: Bound | None = Field(None, description="least value of a number, date or timestamp; rows below are refused")
    max: Bound | None = Field(None, description="greatest value of a number, date or timestamp; rows above are refused")
    levels: Tuple[str] | None = Field(
        None, description="the levels that a category may have; another one is a change of the contract"
    )
    format: str | None = Field(
        None,
        description="strptime format of a date or timestamp, or `epoch_s`, `epoch_ms` (time since 1970); ISO 8601 when "
        "absent",
    )
    timezone: Timezone | None = Field(None, description="zone of this timestamp where it differs from `time`'s")
    ambiguous: Literal["earlier", "later", "refuse"] = Field(
        "earlier", description="which of two instants a local time is that the clock showed twice"
    )
    nonexistent: Literal["refuse", "forward"] = Field(
        "refuse",
        description="what becomes of a local time that the clock was put over: refused, or read as if the clock had "
        "not been put forward yet",
    )
    private: bool = Field(
        False, description="its values reach no report, log or error, and no model as they are (docs/privacy.md)"
    )
    unit: str | None = Field(None, description="unit of measurement, for reports")
    description: str | None = Field(None, description="what the column means, for reports")


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


DatePart = Literal[
    "year", "quarter", "month", "week", "day", "day_of_week", "day_of_year", "hour", "minute", "is_weekend"
]


DOTTED = re.compile(r"[A-Za-z]\w*(\.[A-Za-z]\w*)+")


class Features(Section):
    """Columns derived row by row."""

    parts: dict[ColumnName, Tuple[DatePart]] = Field(
        default_factory=dict, description="parts of date and timestamp columns, in the local zone: `<column>_<part>`"
    )
    sql: dict[ColumnName, str] = Field(
        default_factory=dict,
        description="row-wise expressions in DuckDB's SQL over declared columns, scalar functions only",
    )
    transformer: Annotated[str, Field(pattern=f"^({DOTTED.pattern})$")] | None = Field(
        None,
        description="a scikit-learn transformer of your own in configs/<pipeline>/, such as `weather.Climate`: fitted "
        "inside each fold, its columns are features",
    )


class Encode(Section):
    """Which categories become numbers, learned inside each fold."""

    target: Tuple[ColumnName] | None = Field(None, description="columns to target-encode; all categories when absent")
    smooth: Literal["auto"] | Annotated[Finite, Field(ge=0, lt=1e9)] = Field(
        "auto", description="weight of the prior, in rows; `auto` is empirical Bayes"
    )
    folds: int | None = Field(
        None,
        ge=2,
        le=100,
        description="inner folds of the cross-fitting, 5 when absent; split by time, blocks of a fold's training part, "
        "20 when absent",
    )


HOLDOUT = r"[1-9][0-9]{0,5} batch(es)?|([1-9]|[1-8][0-9]|90)%"
WINDOW = r"all|[1-9][0-9]{0,5} batch(es)?|[1-9][0-9]{0,5}(m|h|d|w)"
BUDGET = r"[1-9][0-9]{0,3} per (week|month|quarter|year)"
CADENCE = r"[1-9][0-9]{0,3} per (hour|day|week|month|quarter|year)"
YEAR = 365.25  # days, leap years counted in
DAYS_PER = {"hour": 1 / 24, "day": 1.0, "week": 7.0, "month": YEAR / 12, "quarter": YEAR / 4, "year": YEAR}


def parse_holdout(text: object) -> str:
    """Accept `1 batch`, `3 batches` or `20%`."""
    if not isinstance(text, str) or not re.fullmatch(HOLDOUT, text):
        raise ValueError("a holdout is the last batches ('1 batch', '3 batches') or a share from '1%' to '90%'")
    return text


def parse_window(text: object) -> str:
    """Accept `6 batches`, `90d` or `all`."""
    if not isinstance(text, str) or not re.fullmatch(WINDOW, text):
        raise ValueError("a window is 'all', a number of batches ('6 batches') or a duration ('90d')")
    return text


class Split(Section):
    """Which rows are trained on, validated on and held out."""

    kind: Literal["time", "stratified", "group"] | None = Field(
        None, description="`time` when `time.column` is declared, else `stratified`, when absent"
    )
    folds: int = Field(5, ge=2, le=100, description="folds of the cross-validation")
    gap: Duration = Field(
        timedelta(0), description="time left out between training and validation rows, beyond known_after"
    )
    group: ColumnName | None = Field(
        None, description="rows with one value of this column stay on one side (kind: group, or with kind: time)"
    )
    holdout: Annotated[str, BeforeValidator(parse_holdout), written(HOLDOUT, "1 batch")] = Field(
        "20%", description="the last batches ('1 batch') or a share of the rows ('20%'), which training never sees"
    )
    window: Annotated[str, BeforeValidator(parse_window), written(WINDOW, "6 batches")] = Field(
        "all", description="newest rows before the holdout that are trained on: 'all', '6 batches' or '90d'"
    )
    seed: int = Field(7, ge=0, lt=2**31, description="of the shuffling, where rows are shuffled")


BinaryMetric = Literal["roc_auc", "average_precision", "log_loss", "brier"]
MulticlassMetric = Literal["log_loss", "accuracy", "roc_auc", "brier"]
RegressionMetric = Literal["rmse", "mae", "r2"]
Task = Literal["binary", "multiclass", "regression"]


DEFAULT_METRICS: dict[Task, BinaryMetric | MulticlassMetric | RegressionMetric] = {
    "binary": "roc_auc",
    "multiclass": "log_loss",
    "regression": "rmse",
}


class TreeParams(Section):
    """XGBoost's own parameters, by its own names; the ones that Holdfast sets itself are not among them."""

    max_depth: int = Field(6, ge=1, le=30, description="of a tree")
    learning_rate: float = Field(0.1, gt=0, le=1, description="shrinkage of each tree")
    min_child_weight: float = Field(1.0, ge=0, lt=1e9, description="least sum of Hessians in a leaf")
    subsample: float = Field(1.0, gt=0, le=1, description="share of rows per tree")
    colsample_bytree: float = Field(1.0, gt=0, le=1, description="share of columns per tree")
    colsample_bylevel: float = Field(1.0, gt=0, le=1, description="share of columns per level of a tree")
    gamma: float = Field(0.0, ge=0, lt=1e9, description="least gain of a split")
    reg_alpha: float = Field(0.0, ge=0, lt=1e9, description="L1 penalty of leaf weights")
    reg_lambda: float = Field(1.0, ge=0, lt=1e9, description="L2 penalty of leaf weights")
    max_bin: int = Field(256, ge=2, le=65535, description="bins of the histograms")
    max_delta_step: float = Field(0.0, ge=0, lt=1e9, description="largest step of a leaf's weight; 0 is no limit")
    grow_policy: Literal["depthwise", "lossguide"] = Field("depthwise", description="which leaf is split next")
    max_leaves: int = Field(0, ge=0, le=2**20, description="leaves of a tree; 0 is no limit")


class Costs(Section):
    """What one decision costs, in a unit of your own; a gain is a negative cost. `{}` where nobody can say."""

    false_positive: Finite | None = Field(None, description="binary: to act on a row that turns out to be 0")
    false_negative: Finite | None = Field(None, description="binary: not to act on a row that turns out to be 1")
    true_positive: Finite = Field(0.0, description="binary: to act on a row that turns out to be 1")
    true_negative: Finite = Field(0.0, description="binary: not to act on a row that turns out to be 0")
    matrix: Tuple[Tuple[Finite]] | None = Field(
        None,
        description="binary or multiclass: one list per actual class, in order of the classes, of what each decision "
        "costs, in the same order",
    )
    over: float | None = Field(None, ge=0, lt=1e9, description="regression: each unit predicted too much")
    under: float | None = Field(None, ge=0, lt=1e9, description="regression: each unit predicted too little")


class Train(Section):
    """How the model is trained."""

    task: Task | None = Field(
        None, description="from the target's type when absent; `multiclass` for a category of three or more levels"
    )
    metric: BinaryMetric | MulticlassMetric | RegressionMetric | None = Field(
        None, description="roc_auc, log_loss (multiclass) or rmse when absent"
    )
    params: TreeParams = Field(TreeParams(), description="XGBoost's parameters")
    rounds: int = Field(1000, ge=1, le=100_000, description="boosting rounds at the most")
    early_stopping_rounds: int = Field(30, ge=1, le=10_000, description="rounds without a better score that end a fit")
    early_stopping_share: float = Field(
        0.1, gt=0, lt=1, description="share of a fit's training rows that early stopping watches"
    )
    seed: int = Field(7, ge=0, lt=2**31, description="of XGBoost's sampling and of early stopping's rows")
    weight: ColumnName | None = Field(
        None, description="a numeric column, above 0: how much a row counts in training; no feature"
    )
    balance: bool = Field(False, description="let the classes weigh alike in training, however rare")
    monotone: dict[ColumnName, Literal["increasing", "decreasing"]] = Field(
        default_factory=dict, description="numeric features along which the prediction may only rise, or only fall"
    )
    device: Literal["cpu", "cuda", "auto"] = Field(
        "cpu", description="what the trees are grown on; `auto` takes CUDA where there is one, and records it"
    )
    calibration: Literal["none", "sigmoid", "isotonic"] = Field(
        "none", description="how scores become probabilities, learned on out-of-fold rows only"
    )
    costs: Costs = Field(Costs(), description="what decisions cost: they set the threshold that the model decides by")
    audit: Literal["stop", "warn", "off"] = Field(
        "stop", description="what a leak that the audit finds does: end the run, or only be told"
    )


class Profile(Section):
    """What is kept of the rows that the model learned from, for later batches to be compared with."""

    rows: int = Field(
        20_000,
        ge=0,
        le=20_000,
        description="rows in the profile's sample, which has no private columns; 0 keeps none, and switches the test "
        "of all columns together off",
    )


class Evaluate(Section):
    """How the holdout is judged, and what the drift profile keeps."""

    slices: Tuple[ColumnName] = Field((), description="columns whose values are reported one by one")
    slice_rows: int = Field(
        200, ge=1, le=10**9, description="values with fewer rows in the holdout are reported together"
    )
    confidence: float = Field(0.95, gt=0, lt=1, description="level of the intervals")
    resamples: int = Field(1000, ge=100, le=100_000, description="bootstrap resamples behind an interval")
    profile: Profile = Field(Profile(), description="the drift profile that goes with the model")


def parse_budget(text: object) -> str:
    """Accept `1 per quarter` and its like."""
    if not isinstance(text, str) or not re.fullmatch(BUDGET, text):
        raise ValueError("a budget is a number per week, month, quarter or year, such as '1 per quarter'")
    return text


def per_day(rate: str) -> float:
    """Read a budget or a cadence as a number per day.

    >>> per_day("14 per week")
    2.0
    """
    number, _, period = rate.split(" ")
    return int(number) / DAYS_PER[period]


def parse_cadence(text: object) -> str:
    """Accept `1 per day` and its like."""
    if not isinstance(text, str) or not re.fullmatch(CADENCE, text):
        raise ValueError("a cadence is a number per hour, day, week, month, quarter or year, such as '1 per day'")
    return text


class EffectFloor(Section):
    """Changes that are too small to be told of, however sure they are."""

    shift: float = Field(0.03, ge=0, lt=1e9, description="of a number, in its standard deviations")
    mix: float = Field(0.01, ge=0, le=1, description="of a category: share of rows that are of another level")
    missing: float = Field(0.005, ge=0, le=1, description="share of rows that lack a value, or lack none any more")
    outside: float = Field(0.005, ge=0, le=1, description="share of rows that are out of range, or of a new level")


class Drift(Section):
    """How often a user can stand to be woken for nothing."""

    false_alarms: Annotated[str, BeforeValidator(parse_budget), written(BUDGET, "1 per quarter")] = Field(
        "1 per quarter", description="false alarms per week, month, quarter or year that are put up with"
    )
    batches: Annotated[str, BeforeValidator(parse_cadence), written(CADENCE, "1 per day")] | None = Field(
        None, description="how often a batch comes; told from the times of the training rows when absent"
    )
    effect_floor: EffectFloor = Field(EffectFloor(), description="changes that alarm only when they are larger")
    owner: str | None = Field(None, description="who is told; `owner` of the pipeline when absent")


Cron = Annotated[str, BeforeValidator(parse_cron)]


class Monitor(Section):
    """When new batches are looked for and held against the champion's profile."""

    schedule: Cron | None = Field(
        None, description="a cron line in quotes, such as '15 * * * *'; only by hand when absent"
    )
    timezone: Timezone | None = Field(None, description="zone of the cron line; time.timezone when absent")


class Notify(Section):
    """Who is told, once per incident."""

    blocks: Tuple[BlockName] = Field(
        (),
        description="Prefect's notification blocks, as `type/name`: slack-webhook/ops, sendgrid-email/ops, "
        "custom-webhook/ops; their addresses and keys are kept by Prefect",
    )
    runbook: Link | None = Field(None, description="a link that each message ends with")


class Retrain(Section):
    """When a new model is made (docs/monitoring.md)."""

    on: Tuple[Literal["drift", "performance", "schedule", "manual"]] = Field(
        ("manual",),
        description="what starts a retrain: drift that matters to the model, measured or estimated loss that grew, the "
        "schedule, a person",
    )
    schedule: Cron | None = Field(
        None, description="a cron line in quotes, such as '0 3 1 * *': minute, hour, day, month, day of week"
    )
    timezone: Timezone | None = Field(None, description="zone of the cron line; time.timezone when absent")
    persist: Annotated[str, BeforeValidator(parse_persistence), written(PERSISTENCE, "2 of 3 batches")] = Field(
        "1 of 1 batch", description="how many of the newest batches must show drift before it starts a retrain"
    )
    cooldown: Duration = Field(timedelta(0), description="least time between two retrains on drift")
    min_rows: int = Field(
        0, ge=0, lt=10**12, description="least rows that landed since the last version, before drift starts a retrain"
    )
    wait_for_labels: Duration = Field(
        timedelta(0), description="time after the landing of the batch that drifted, before it starts a retrain"
    )
    min_gain: float = Field(
        0.0,
        ge=0,
        lt=1e9,
        description="least gain that a retrain on drift could bring, where it is known: in units of the loss on "
        "labelled rows, or of the metric where that is estimated without labels",
    )


class Budgets(Section):
    """Limits that refuse a challenger; what has none is measured and told all the same."""

    calibration: float | None = Field(
        None, ge=0, lt=1e9, description="how much greater the expected calibration error may be, in the target's unit"
    )
    explanation: float | None = Field(
        None,
        ge=0,
        le=1,
        description="how far the features' shares of the explanation may move: 0 is not at all, 1 to other features",
    )
    fairness: float | None = Field(
        None,
        ge=0,
        lt=1e9,
        description="how far groups of a protected column may be apart: in selection and error rates (0 to 1), for a "
        "regression in mean errors, in the target's unit",
    )
    size: float | None = Field(None, gt=0, lt=1e9, description="how large the bundle may be, in megabytes")
    latency: float | None = Field(
        None, gt=0, lt=1e9, description="how long one row may take, as a multiple of the champion's time"
    )


class Gate(Section):
    """When a challenger takes the champion's place."""

    promote: Literal["better", "not_worse"] = Field("not_worse", description="what a challenger must be")
    margin: float = Field(0.0, ge=0, lt=1e9, description="what counts as a difference, in units of the metric")
    slice_margin: float | None = Field(
        None,
        ge=0,
        lt=1e9,
        description="how much worse a slice of evaluate.slices may be, in units of the metric; only told when absent",
    )
    twins: int = Field(
        4,
        ge=0,
        le=100,
        description="trainings with other seeds that tell a gain from luck, before a challenger counts as better",
    )
    approval: Literal["auto", "manual"] = Field("auto", description="whether a person has the last word")
    environment: Literal["stop", "warn"] = Field(
        "stop",
        description="where the champion was made with other versions of libraries that shape results: end the run, or "
        "go on and tell how its golden batch differs here",
    )
    cost_margin: float | None = Field(
        None,
        ge=0,
        lt=1e9,
        description="how much dearer by train.costs a row may become; only a rise that is sure refuses when absent",
    )
    protected: Tuple[ColumnName] = Field((), description="columns whose groups are to be treated alike")
    budgets: Budgets = Field(Budgets(), description="limits that refuse")


class Refer(Section):
    """Which rows a person decides on instead of the model."""

    below: float | None = Field(
        None, gt=0, le=1, description="rows whose most probable class is less probable than this; where no costs say it"
    )
    cost: Finite | None = Field(
        None,
        description="what it costs, in the unit of train.costs, to refer a row: those are referred whose decision "
        "would cost more on average, by calibrated probabilities (Chow's rule)",
    )
    unfamiliar: bool = Field(False, description="rows that are unlike what the model was trained on")


class Override(Section):
    """A decision that the business has taken whatever the model says."""

    when: str = Field(min_length=1, description="a row-wise condition in DuckDB's SQL over declared columns")
    decide: str = Field(min_length=1, description="a class in quotes, or `refer`; of a regression `accept` or `refer`")
    name: str | None = Field(None, min_length=1, description="what it is counted as; the condition when absent")


class Fallback(Section):
    """What a row gets that cannot be read, typed or scored."""

    value: Finite | None = Field(
        None, description="its probability of 1, or the prediction of a regression; missing when absent"
    )
    decision: str = Field("refer", min_length=1, description="a class in quotes, or `refer`")


class Score(Section):
    """How rows are scored and decided on, and when; no stage reads it, so a change makes nothing stale."""

    refer: Refer = Field(Refer(), description="which rows are referred to a person")
    margin: Annotated[str, BeforeValidator(parse_percent), written(SHARE, "10%")] = Field(
        "10%",
        description="how far beyond the numbers of the training rows one may lie, as a share of their range, before "
        "its row is unfamiliar",
    )
    overrides: Tuple[Override] = Field(
        (), description='decisions in spite of the model, `{when: "distance > 4000", decide: refer}`; the first holds'
    )
    fallback: Fallback = Field(Fallback(), description="what a row gets that cannot be read, typed or scored")
    schedule: Cron | None = Field(
        None, description="a cron line in quotes, such as '30 6 * * *'; only by hand when absent"
    )
    timezone: Timezone | None = Field(None, description="zone of the cron line; time.timezone when absent")
    input: RepositoryPath | None = Field(None, description="file or folder that a scheduled run scores")
    output: RepositoryPath | None = Field(None, description="file that a scheduled run writes, .parquet or .csv")


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
