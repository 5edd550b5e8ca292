"""A mistake in a YAML is told with file, line and column, the key, what was found, what is allowed, what was meant."""

from pathlib import Path

import pytest

from configs.document import parse_document
from configs.load import InvalidPipelineError, pipeline_from

FLIGHTS = (Path(__file__).parent.parent / "configs/flights.yaml").read_text()


def mistakes(*replacements: tuple[str, str]) -> list[str]:
    """The lines of the error that flights' YAML gets after replacements, without the file's name."""
    text = FLIGHTS
    for old, new in replacements:
        assert old in text
        text = text.replace(old, new, 1)
    with pytest.raises(InvalidPipelineError) as caught:
        pipeline_from(parse_document(text, Path("configs/x.yaml")), "x")
    return [line.removeprefix("configs/x.yaml:") for line in str(caught.value).splitlines()]


DISTANCE = "{type: integer, unit: miles}"
# what is replaced in flights' YAML, by what, and how the one line that tells of it begins or goes on
ONE_MISTAKE = {
    "literal": (
        DISTANCE,
        "{type: integr}",
        "17:20: columns.distance.type: found 'integr', expected one of 'integer', 'float'",
    ),
    "literal hint": (DISTANCE, "{type: integr}", "; did you mean 'integer'?"),
    "unknown key": ("folds: 5", "fold: 5", "30:21: split: unknown key 'fold'; known are 'kind', 'folds'"),
    "unknown key hint": ("folds: 5", "fold: 5", "; did you mean 'folds'?"),
    "unknown section": ("gate: {", "gates: {}\ngate: {", "35:1: unknown key 'gates'; known are 'owner', 'source'"),
    "name": ("gate: {", "name: x\ngate: {", "35:1: unknown key 'name': a pipeline is called as its file; remove it"),
    "column called type": (
        "  carrier: {type: category}",
        "  type: {type: category, nul: [a]}",
        "columns.type: unknown key 'nul'",
    ),
    "missing section": ("drift: {", "#: {", "3:1: section 'drift' is missing; write `drift: {}`"),
    "missing list section": ("drop: [", "#: [", "3:1: section 'drop' is missing; write `drop: []`"),
    "missing source": ("source: {", "#: {", "section 'source' is missing; write where new batches come from"),
    "missing owner": (
        "owner: flight",
        "# flight",
        "section 'owner' is missing; write `owner: {}` where nobody is named",
    ),
    "missing key": ("name: late, ", "", "6:1: target: the key 'name' is missing: the target's name"),
    "text for number": (
        "folds: 5",
        "folds: '5'",
        "30:28: split.folds: found '5', expected a whole number; write 5 without quotes",
    ),
    "float for integer": ("folds: 5", "folds: 5.0", "split.folds: found 5.0, expected a whole number"),
    "true for integer": ("folds: 5", "folds: true", "split.folds: found True (written true), expected a whole number"),
    "number for text": (
        "unit: miles",
        "unit: 1.10",
        'found 1.1 (written 1.10), expected text; in quotes it is text: "1.10"',
    ),
    "octal for text": (
        "unit: miles",
        "unit: 010",
        'found 10 (written 010), expected text; in quotes it is text: "010"',
    ),
    "power for text": (
        "unit: miles",
        "unit: 1e3",
        'found 1000.0 (written 1e3), expected text; in quotes it is text: "1e3"',
    ),
    "true for text": ("unit: miles", "unit: True", 'found True, expected text; in quotes it is text: "True"'),
    "nothing for text": ('path: "data/incoming/flights/*.csv"', "path: ", "source.path: found nothing, expected text"),
    "date for text": ("unit: miles", "unit: 2013-01-01", 'found a bare date; write it in quotes: "2013-01-01"'),
    "text for list": ('["", NA]', "NA", "columns.arr_delay.nulls: found 'NA', expected a list; write [NA]"),
    "list for mapping": ("drift: {", "drift: []\n#: {", "33:8: drift: found [], expected keys with values"),
    "null key": ("nulls: [", "null: [", 'the key null is not text; write it in quotes: "null"'),
    "too small": (
        "max_depth: 4",
        "max_depth: -1",
        "31:60: train.params.max_depth: found -1, expected a number that is 1 or more",
    ),
    "zero": (
        "learning_rate: 0.05",
        "learning_rate: 0",
        "learning_rate: found 0, expected a number that is more than 0",
    ),
    "one fold": ("folds: 5", "folds: 1", "split.folds: found 1, expected a number that is 2 or more"),
    "many folds": ("folds: 5", "folds: 1000000", "split.folds: found 1000000, expected a number that is 100 or less"),
    "nan": ("margin: 0.002", "margin: .nan", "gate.margin: found .nan; a finite number was expected"),
    "inf above": ("above: 30", "above: .inf", "6:46: target.above: found .inf; a finite number was expected"),
    "negative margin": (
        "margin: 0.002",
        "margin: -0.1",
        "gate.margin: found -0.1, expected a number that is 0 or more",
    ),
    "huge": ("rounds: 500", "rounds: 99999999999999999999", "a whole number of at most 64 bits was expected"),
    "union": (
        "smooth: auto",
        "smooth: autp",
        "encode.smooth: found 'autp', expected 'auto' or a number; did you mean 'auto'?",
    ),
    "union bound": (
        "smooth: auto",
        "smooth: -1",
        "encode.smooth: found -1, expected 'auto' or a number that is 0 or more",
    ),
    "duration": ("gap: 1d", "gap: 1 day", "split.gap: found '1 day'; a duration is a whole number and a unit"),
    "long duration": ("gap: 1d", "gap: 999999d", "split.gap: found '999999d'; a duration is at most 36500d"),
    "bare number as duration": ("gap: 1d", "gap: 1", "split.gap: found 1; a duration is a whole number and a unit"),
    "holdout": ("holdout: 1 batch", "holdout: 0%", "split.holdout: found '0%'; a holdout is the last batches"),
    "whole holdout": (
        "holdout: 1 batch",
        "holdout: 100%",
        "split.holdout: found '100%'; a holdout is the last batches",
    ),
    "window": ("window: 6 batches", "window: 0 batches", "split.window: found '0 batches'; a window is 'all'"),
    "budget": ("1 per quarter", "0 per day", "drift.false_alarms: found '0 per day'; a budget is a number per week"),
    "cron fields": ('"0 3 1 * *"', '"0 3 1 *"', "found '0 3 1 *'; a schedule is a cron line of five fields"),
    "cron range": ('"0 3 1 * *"', '"0 24 1 * *"', "the hour of a cron line is '*' or numbers from 0 to 23"),
    "cron shell": ('"0 3 1 * *"', '"$(x) 3 1 * *"', "the minute of a cron line is '*' or numbers from 0 to 59"),
    "timezone": ("America/New_York", "America/New_Yrok", "did you mean 'America/New_York'?"),
    "timezone path": ("America/New_York", "../../etc/passwd", "a time zone is a name of the IANA database"),
    "parent path": (
        "data/incoming/flights",
        "data/../../x",
        "source.path: found 'data/../../x/*.csv'; a path is relative",
    ),
    "absolute path": (
        "data/incoming/flights",
        "/etc",
        "a path is relative to the repository's root and stays inside it",
    ),
    "home path": ("data/incoming/flights", "~/x", "a path is relative to the repository's root and stays inside it"),
    "url": ("data/incoming/flights", "file:///etc", "a path is relative to the repository's root and stays inside it"),
    "hash in path": (
        "data/incoming/flights",
        "a#/../..",
        "a path is relative to the repository's root and stays inside it",
    ),
    "variable in path": ("data/incoming/flights", "$HOME", "a path is plain text with '/' between folders"),
    "backslash path": ('"data/incoming/flights/*.csv"', "..\\\\x", "stays inside it"),
    "private column name": (
        "  hour: {",
        "  _hour: {",
        "18:3: columns: found the key '_hour', expected a name that is not empty",
    ),
    "expectation text": (
        "expectations:\n",
        "expectations:\n  - x\n",
        "22:5: expectations[0]: found 'x', expected keys with values",
    ),
    "expectation of two": (
        "{expect_table",
        "{a: {}, expect_table",
        "25:5: expectations[3]: found {'a': {}, 'expect_table",
    ),
    "expectation as read": (
        "{expect_table",
        "{name: {}, expect_table",
        "an expectation is `{expect_...: {its arguments}",
    ),
    "arguments": (
        "{min_value: 1000}",
        "1000",
        "25:44: expectations[3].expect_table_row_count_to_be_between: found 1000",
    ),
    "otherwise": (
        "otherwise: stop}",
        "otherwise: quit}",
        "otherwise: found 'quit', expected one of 'stop', 'quarantine', 'warn'",
    ),
    "expectation name": (
        "expect_column_values_to_not_be_null",
        "expect_column_values_to_not_be_nul",
        "22:6: expectations[0].expect_column_values_to_not_be_nul: Holdfast runs no expectation of this name; "
        "did you mean 'expect_column_values_to_not_be_null'?",
    ),
    "unknown argument": (
        "max_value: 6000",
        "max_valu: 6000",
        "unknown argument 'max_valu'; known are 'column', 'condition_parser', 'max_value'",
    ),
    "missing argument": ("value_set: [EWR, JFK, LGA]", "mostly: 1", "the argument 'value_set' is missing"),
    "empty set": ("[EWR, JFK, LGA]", "[]", "value_set: found [], expected a list of at least one value"),
    "argument's column": (
        "column: distance",
        "column: distanc",
        "found 'distanc', expected a column that is declared under columns; did you",
    ),
    "number for truth": (
        "max_value: 6000",
        "max_value: 6000, strict_max: 1",
        "expect_column_values_to_be_between.strict_max: found 1, expected true or false",
    ),
    "suite parameter": (
        "max_value: 6000",
        "max_value: {$PARAMETER: x}",
        "max_value: found {'$PARAMETER': 'x'}, expected a number or text",
    ),
    "condition as code": (
        "max_value: 6000",
        "row_condition: hour > 3, condition_parser: pandas",
        "condition_parser: found 'pandas', expected 'great_expectations': another would run the condition as code",
    ),
    "condition of no column": (
        "max_value: 6000",
        "row_condition: 'col(\"hours\") > 3', condition_parser: great_expectations",
        "row_condition: found 'hours', expected a column that is declared under columns; did you mean 'hour'?",
    ),
    "regex": (
        "expectations:\n",
        "expectations:\n  - expect_column_values_to_match_regex: {column: dest, regex: '('}\n",
        "regex: found '(', which is no regular expression: missing ), unterminated subpattern",
    ),
    "function in no module": (
        "expectations:\n",
        "expectations:\n  - {custom: rules.speed, otherwise: quarantine}\n",
        "22:14: expectations[0].custom: found 'rules.speed', but there is no configs/x/rules.py; no module is there",
    ),
    "function without a module": (
        "expectations:\n",
        "expectations:\n  - {custom: speed, otherwise: quarantine}\n",
        "expectations[0].custom: found 'speed', expected `<module>.<function>` in configs/x/",
    ),
    "function of no column": (
        "expectations:\n",
        "expectations:\n  - {custom: {function: rules.speed, columns: [dist]}, otherwise: warn}\n",
        "expectations[0].custom.columns[0]: found 'dist', expected a column that is declared under columns",
    ),
    "sql of no argument": (
        "expectations:\n",
        "expectations:\n  - {sql: {expresion: hour > 3}, otherwise: warn}\n",
        "unknown argument 'expresion'; known are 'expression', 'mostly', 'name'; did you mean 'expression'?",
    ),
    "mostly": ("max_value: 6000", "mostly: 95", "mostly: found 95, expected a share of rows above 0 and up to 1"),
    "crossed bounds": ("min_value: 1,", "min_value: 7000,", "min_value: found 7000, which is above max_value, 6000"),
    "table quarantine": (
        "{min_value: 1000}, otherwise: stop",
        "{min_value: 1000}, otherwise: quarantine",
        "25:74: expectations[3].otherwise: expect_table_row_count_to_be_between is about a whole batch and names no",
    ),
    "repeated expectation": (
        "expectations:\n",
        "expectations:\n  - {expect_table_row_count_to_be_between: {min_value: 1000}, otherwise: stop}\n",
        "26:5: expectations[4]: the same as expectations[0]; remove one",
    ),
    "dialect's marks alike": (
        "batch: file}",
        "batch: file, dialect: {delimiter: ';', quote: ';'}}",
        "source.dialect: delimiter, quote and escape are different characters",
    ),
    "dialect of no text": (
        "batch: file}",
        "batch: file, dialect: {format: parquet, header: 1}}",
        "source.dialect.header: a file of the format parquet has none; remove it",
    ),
    "unknown encoding": (
        "batch: file}",
        "batch: file, dialect: {encoding: utf-9}}",
        "source.dialect.encoding: found 'utf-9'; an encoding is one that Python knows, such as utf-8",
    ),
    "no encoding of text": (
        "batch: file}",
        "batch: file, dialect: {encoding: base64}}",
        "an encoding is one that Python knows",
    ),
    "time column": (
        "time: {column: time_hour",
        "time: {column: timehour",
        "5:16: time.column: found 'timehour', expected a column",
    ),
    "time type": (
        "time: {column: time_hour",
        "time: {column: distance",
        "found column 'distance' of type integer, expected date or timestamp",
    ),
    "target source": (
        "from: arr_delay",
        "from: arr_dely",
        "6:28: target.from: found 'arr_dely', expected a column that is declared",
    ),
    "target source type": (
        "from: arr_delay",
        "from: time_hour",
        "found column 'time_hour' of type timestamp, expected integer or float",
    ),
    "from alone": ("above: 30, ", "", "target.from: `from` needs `above`"),
    "above alone": ("from: arr_delay, ", "", "target.above: `above` needs `from`"),
    "target name taken": (
        "name: late",
        "name: hour",
        "6:16: target.name: found 'hour', which is a declared column, as the name of",
    ),
    "undeclared target": (
        "from: arr_delay, above: 30, ",
        "",
        "6:16: target.name: found 'late', expected a column that is declared",
    ),
    "metric of other task": (
        "metric: roc_auc",
        "metric: rmse",
        "31:31: train.metric: found 'rmse', expected a metric of the task binary",
    ),
    "task against above": (
        "task: binary",
        "task: regression",
        "31:15: train.task: found 'regression', but `above` makes the target 0 or 1",
    ),
    "group missing": ("kind: time,", "kind: group,", "found 'group', which needs split.group"),
    "group without kind": (
        "kind: time,",
        "kind: stratified, group: origin,",
        "split.group: a group is for `kind: group` or `kind: time`, but the split is stratified",
    ),
    "part type": (
        "parts: {time_hour:",
        "parts: {distance:",
        "found column 'distance' of type integer, expected date or timestamp",
    ),
    "part column": (
        "parts: {time_hour:",
        "parts: {timehour:",
        "27:11: features.parts.timehour: found 'timehour', expected a column",
    ),
    "part name": (
        "[day_of_week]",
        "[dayofweek]",
        "features.parts.time_hour[0]: found 'dayofweek', expected one of 'year', 'quarter'",
    ),
    "part twice": ("[day_of_week]", "[hour, hour]", "found 'hour' more than once"),
    "part collides": (
        "  minute: {",
        "  time_hour_day_of_week: {",
        "day_of_week becomes 'time_hour_day_of_week', which is also column",
    ),
    "sql collides": ("is_evening:", "hour:", "features.sql.hour: 'hour' is also column 'hour'; choose another name"),
    "sql is target": ("is_evening:", "late:", "features.sql.late: 'late' is also the target; choose another name"),
    "sql is part": (
        "is_evening:",
        "time_hour_day_of_week:",
        "'time_hour_day_of_week' is also the day_of_week of 'time_hour'",
    ),
    "sql empty": ('"hour >= 17"', '" "', "found an empty text, expected a row-wise SQL expression"),
    "encoded undeclared": (
        "[carrier, f",
        "[carriers, carrier, f",
        "encode.target[0]: found 'carriers', expected a column that is declared",
    ),
    "encoded number": ("[carrier, f", "[hour, carrier, f", "found column 'hour' of type integer, expected category"),
    "encoded target": (
        "[carrier, f",
        "[arr_delay, carrier, f",
        "found the target 'arr_delay'; a target is not encoded by itself",
    ),
    "encoded time": (
        "[carrier, f",
        "[time_hour, carrier, f",
        "found 'time_hour', which is no feature: rows are split by it",
    ),
    "encoded twice": ("[carrier, f", "[carrier, carrier, f", "29:10: encode.target: found 'carrier' more than once"),
    "encoded dropped": (
        "drop: [year",
        "drop: [carrier, year",
        "found 'carrier', which stands under drop; remove it from one of the two",
    ),
    "category left out": (
        "[carrier, f",
        "[f",
        "29:10: encode.target: 'carrier' of type category would reach the model as text",
    ),
    "slice": (
        "slices: [origin",
        "slices: [orign",
        "32:21: evaluate.slices[0]: found 'orign', expected a column that is declared",
    ),
    "drop twice": ("drop: [year", "drop: [year, year", "20:1: drop: found 'year' more than once"),
    "schedule missing": (', schedule: "0 3 1 * *"', "", "34:11: retrain.on: 'schedule' needs retrain.schedule"),
    "schedule unread": ("[drift, schedule, manual]", "[drift]", "a schedule is read where retrain.on has 'schedule'"),
    "format of number": (
        DISTANCE,
        '{type: integer, format: "%d"}',
        "columns.distance.format: a column of type integer has no format",
    ),
    "format without codes": (
        "{type: timestamp,",
        "{type: timestamp, format: ISO,",
        "found 'ISO', expected strptime's codes",
    ),
    "timezone of number": (
        DISTANCE,
        "{type: integer, timezone: UTC}",
        "columns.distance.timezone: a column of type integer has no time",
    ),
    "decimal without scale": (DISTANCE, "{type: decimal}", "columns.distance.type: a decimal needs `scale`"),
    "scale above precision": (
        DISTANCE,
        "{type: decimal, scale: 3, precision: 2}",
        "columns.distance.scale: found 3, expected at most precision, which is 2",
    ),
    "scale of integer": (DISTANCE, "{type: integer, scale: 2}", "a column of type integer has no scale"),
    "marks of text": (DISTANCE, '{type: text, marks: ["%"]}', "a column of type text has no marks beside a number"),
    "digits as mark": (DISTANCE, '{type: float, marks: ["5"]}', "columns.distance.marks"),
    "one separator for both": (
        DISTANCE,
        '{type: float, thousands: "."}',
        "columns.distance.thousands: found '.', which is the decimal separator too",
    ),
    "text as bound": (DISTANCE, "{type: integer, min: low}", "columns.distance.min: found 'low', expected a number"),
    "number as bound of a time": (
        "{type: timestamp,",
        "{type: timestamp, min: 2013,",
        "columns.time_hour.min: found 2013, expected a timestamp in quotes",
    ),
    "bounds crossed": (
        DISTANCE,
        "{type: integer, min: 2, max: 1}",
        "columns.distance.min: found 2, which is above max",
    ),
    "bound of a category": (
        "{type: category}",
        "{type: category, max: 1}",
        "a column of type category has no greatest",
    ),
    "levels of a number": (DISTANCE, "{type: integer, levels: [a]}", "a column of type integer has no levels"),
    "no level": ("{type: category}", "{type: category, levels: []}", "found no level; list at least one"),
    "null level": (
        "{type: category}",
        '{type: category, levels: [a, ""]}',
        "columns.carrier.levels: found '', which `nulls` says is a missing value",
    ),
    "ambiguous date": (DISTANCE, "{type: date, ambiguous: later}", "a column of type date has no local time that is"),
    "epoch of a date": (DISTANCE, "{type: date, format: epoch_s}", "found 'epoch_s', which is an instant"),
    "month of a quarter": (DISTANCE, '{type: date, format: "%Y-%m Q%q"}', "found '%Y-%m Q%q': `%q` is a quarter"),
    "zone of an epoch": (
        "{type: timestamp,",
        "{type: timestamp, format: epoch_ms, timezone: UTC,",
        "columns.time_hour.timezone: a number of epoch_ms is in UTC",
    ),
    "zero of a category": (
        "{type: category}",
        "{type: category, missing: zero}",
        "a column of type category has no zero",
    ),
    "zero of the target": (
        "{type: float, nulls",
        "{type: float, missing: zero, nulls",
        "columns.arr_delay.missing: a missing target is not known; it cannot mean 0",
    ),
    "event of no feature": (
        "{type: timestamp,",
        "{type: timestamp, missing: event,",
        "columns.time_hour.missing: 'time_hour' is no feature",
    ),
    "event of a name that is there": (
        "  hour: {type: integer,",
        "  hour_is_missing: {type: integer}\n  hour: {type: integer, missing: event,",
        "columns.hour.missing: the event becomes 'hour_is_missing', which is there",
    ),
    "change of an unknown kind": (
        "batch: file}",
        "batch: file, on_change: warn}",
        "source.on_change: found 'warn', expected one of 'stop', 'quarantine', 'accept'",
    ),
    "nulls twice": ('["", NA], unit', "[NA, NA], unit", "columns.arr_delay.nulls: found 'NA' more than once"),
}


@pytest.mark.parametrize("case", ONE_MISTAKE)
def test_mistake_is_told_in_one_line(case):
    old, new, expected = ONE_MISTAKE[case]
    lines = mistakes((old, new))
    telling = [line for line in lines if expected in line]
    assert len(telling) == 1, lines


def test_slip_tells_of_nothing_else():
    assert len(mistakes(("type: category", "type: categroy"))) == 1


def test_hour_of_a_date_is_refused():
    lines = mistakes(("{type: timestamp,", "{type: date,"), ("[day_of_week]", "[hour]"))
    assert "found column 'time_hour' of type date, expected timestamp" in lines[0]


def test_split_by_time_needs_a_time():
    lines = mistakes(("time: {column: time_hour,", "time: {"))
    assert [line.split(": ")[1] for line in lines] == ["target.known_after", "split.kind"]


def test_gap_and_timed_window_need_time():
    lines = mistakes(
        ("time: {column: time_hour,", "time: {"), (", known_after: 1d", ""), ("kind: time, ", ""), ("6 batches", "90d")
    )
    assert [line.split(": ")[1] for line in lines] == ["split.gap", "split.window"]


def test_pipeline_without_features_is_refused():
    names = "carrier, flight, tailnum, origin, dest, sched_dep_time, sched_arr_time, distance, hour, minute, year"
    lines = mistakes(("drop: [year", f"drop: [{names}"), ("[carrier, flight, tailnum, origin, dest]", "[]"),
                     ("{time_hour: [day_of_week]}", "{}"), ("  sql: {", "  #: {"))  # fmt: skip
    assert lines[0].startswith("7:1: columns: found no feature")


def test_mistakes_of_all_kinds_are_told_at_once():
    lines = mistakes(
        ("time: {column: time_hour", "time: {column: time_hours"),
        (DISTANCE, "{type: integr, unit: 2013-01-01}"),
        ("column: origin", "column: orign"),
        ("folds: 5", "folds: x"),
        ("metric: roc_auc", "metric: rmse"),
        ("gate: {", "gate: {promot: 1, "),
    )
    assert [line.split(": ")[1] for line in lines] == [
        "time.column",
        "columns.distance.type",
        "columns.distance.unit",
        "expectations[2].expect_column_values_to_be_in_set.column",
        "split.folds",
        "train.metric",
        "gate",
    ]


def test_all_missing_sections_are_told_in_one_go():
    with pytest.raises(InvalidPipelineError) as caught:
        pipeline_from(parse_document("owner: me\n", Path("configs/x.yaml")), "x")
    assert len(str(caught.value).splitlines()) == 14


def test_long_values_are_cut():
    (line,) = mistakes(("type: category", f"type: {'x' * 900_000}"))
    assert len(line) < 400


def test_line_breaks_in_names_do_not_break_the_line():
    lines = mistakes(("gate: {", 'gate: {"a\\nb": 1, '))
    assert len(lines) == 1


def test_many_mistakes_are_cut():
    lines = mistakes(("gate: {", "gate: {" + ", ".join(f"k{number}: 1" for number in range(1000)) + ", "))
    assert lines[-1] == " and 950 more mistakes"
