"""The contract as the landed batches have it, written into a pipeline's YAML: comments and other sections stay.

Only the sections that change are written anew, by ruamel.yaml's round trip; every other byte of the file stays.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from configs.document import Document, Node, parse_document
from configs.errors import ConfigError
from configs.load import CONFIGS, InvalidPipelineError, pipeline_from
from configs.schema import Pipeline
from configs.sections.columns import Column
from tasks.atomic import atomic_file
from tasks.contract.differences import Survey, record_differences, remedy, shortened
from tasks.contract.notation import WIDENING, in_yaml, is_widening

WIDE = 1 << 16  # characters: no line is broken


class UnacceptableError(ConfigError):
    """The new contract would not be a valid declaration, or the YAML cannot be edited; nothing was written."""


@dataclass(frozen=True)
class NewContract:
    """What becomes of the declared columns.

    Attributes
    ----------
    declare : dict of str to dict
        New columns with their keys.
    rename : dict of str to str
        Declared names, and the ones that all files have instead.
    forget, drop : tuple of str
        Columns that are declared no longer; that may be there and are not read.
    levels : dict of str to list of str
        Categories with all of their levels.
    floats : tuple of str
        Integers that are declared as floats from now on.
    notations : dict of str to dict
        Columns whose cells are written otherwise, with the keys that read them.
    open : tuple of str
        What no declaration can accept, in words.
    """

    declare: dict[str, dict[str, Any]] = field(default_factory=dict)
    rename: dict[str, str] = field(default_factory=dict)
    forget: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()
    levels: dict[str, list[str]] = field(default_factory=dict)
    floats: tuple[str, ...] = ()
    notations: dict[str, dict[str, Any]] = field(default_factory=dict)
    open: tuple[str, ...] = ()

    def words(self) -> list[str]:
        """What changes, one line each."""
        return [
            *(f"column {name!r}: declared as {keys['type']}" for name, keys in self.declare.items()),
            *(f"column {name!r}: called {other!r} from now on" for name, other in self.rename.items()),
            *(f"column {name!r}: declared no longer" for name in self.forget),
            *(f"column {name!r}: under drop; not every batch has it" for name in self.drop),
            *(f"column {name!r}: {len(levels)} levels" for name, levels in self.levels.items()),
            *(f"column {name!r}: float" for name in self.floats),
            *(f"column {name!r}: {in_yaml(keys)}" for name, keys in self.notations.items()),
        ]


def new_contract(seen: Survey, pipeline: Pipeline) -> NewContract:
    """The contract by which every surveyed batch can be read.

    A column that some batches have and others have not cannot be declared, unless changes are accepted, where it is
    null in those without it; it goes to `drop`.
    """
    accepts = pipeline.source.on_change == "accept"
    notations = {name: new_notation(name, column, seen) for name, column in pipeline.columns.items()}
    every = len(seen.headers)
    changes = dict.fromkeys((each.kind, each.column) for header in seen.headers.values() for each in header.changes())
    in_all = {change: len(seen.batches_with(*change)) == every for change in changes}
    new = {name: whole for (kind, name), whole in in_all.items() if kind == "schema_new_column"}
    lost = {name: whole for (kind, name), whole in in_all.items() if kind == "schema_lost_column"}
    renamed = {name: whole for (kind, name), whole in in_all.items() if kind == "schema_renamed_column"}
    spellings = {name: {header.renamed.get(name) for header in seen.headers.values()} for name in renamed}
    rename = {name: str(*spellings[name]) for name, whole in renamed.items() if whole and len(spellings[name]) == 1}
    forget = [name for name, whole in lost.items() if whole or not accepts]
    some = [name for name, whole in lost.items() if not whole and name in forget]
    return NewContract(
        declare={name: seen.inferred[name].declaration() for name, whole in new.items() if whole or accepts},
        rename={} if accepts else rename,
        forget=tuple(forget),
        drop=(
            *(name for name in some if name not in pipeline.drop),
            *(name for name, whole in new.items() if not whole and not accepts),
        ),
        levels={
            name: [*(pipeline.columns[name].levels or ()), *sorted(fresh)]
            for name, fresh in seen.levels.items()
            if fresh and not pipeline.columns[name].private
        },
        floats=() if accepts else tuple(name for name in pipeline.columns if seen.became_floats(name)),
        notations={name: dict(keys) for name, (keys, _) in notations.items() if keys},
        open=(
            *(f"{batch}: {why}" for batch, why in seen.unreadable.items()),
            *(f"{each.batches[0]}: {each.found}" for each in record_differences(seen)),
            *(why for _, why in notations.values() if why),
            *(still_open(name) for name in renamed if name not in rename and not accepts),
            *(
                f"column {name!r} is private, so its new levels are not written; add them by hand"
                for name, fresh in seen.levels.items()
                if fresh and pipeline.columns[name].private
            ),
        ),
    )


def new_notation(name: str, column: Column, seen: Survey) -> tuple[dict[str, Any], str]:
    """The keys by which a column's cells can be read in all batches, else what no declaration can accept."""
    proposals = seen.proposals(name)
    keys: dict[str, Any] = {}
    for batch, proposal in proposals.items():
        if not proposal.keys:
            return {}, f"column {name!r} in {batch}: {remedy(proposal)}"
        if against := [key for key in proposal.keys if contradict(key, keys, proposal.keys)]:
            ways = f"{in_yaml({key: keys[key] for key in against})} in some, {in_yaml(proposal.keys)} in {batch}"
            return {}, f"column {name!r}: {ways}; land files that are written alike"
        keys = merged(keys, proposal.keys)
    if not keys or is_widening(column, keys):
        return keys, ""
    narrow = {batch: without_widening(each.keys) for batch, each in proposals.items()}
    others = [
        batch
        for (each, batch), cells in seen.cells.items()
        if each == name and cells.given and narrow.get(batch) != without_widening(keys)
    ]
    if not others:
        return keys, ""
    told = f"{shortened([*proposals])} would be read with {in_yaml(keys)}, which does not read {shortened(others)}"
    return {}, f"column {name!r}: {told}; land corrected files in place of the ones or the others"


def contradict(key: str, keys: Mapping[str, Any], more: Mapping[str, Any]) -> bool:
    """Whether no value of a key is right for both of two proposals."""
    return key in keys and key not in WIDENING and keys[key] != more[key]


def merged(keys: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """Keys of two proposals: of lists all that one of them has, of digits the most.

    >>> merged({"marks": ("$",), "scale": 3}, {"marks": ("kg", "$"), "scale": 2, "thousands": ","})
    {'marks': ('$', 'kg'), 'scale': 3, 'thousands': ','}
    """
    both = {key: (keys[key], more[key]) for key in more if key in keys and key in WIDENING}
    widest = {
        key: max(one, other) if key == "scale" else tuple(dict.fromkeys((*one, *other)))
        for key, (one, other) in both.items()
    }
    return {**keys, **more, **widest}


def without_widening(keys: Mapping[str, Any]) -> dict[str, Any]:
    """Keys that change how texts are read that could be read before."""
    return {key: value for key, value in keys.items() if key not in WIDENING}


def still_open(name: str) -> str:
    """What to do about a name that is not spelled alike in all batches."""
    remedy = "declare source.on_change: accept, or land corrected files"
    return f"column {name!r} is not spelled alike in all batches; {remedy}"


def accept(name: str, contract: NewContract) -> None:
    """Write a new contract into configs/<name>.yaml; the file is seen as it was or as it shall be.

    Raises
    ------
    UnacceptableError
        If the result would not be valid, with every mistake; nothing was written.
    """
    file = CONFIGS / f"{name}.yaml"
    text = edited(file.read_text(encoding="utf-8"), contract, file)
    try:
        pipeline_from(parse_document(text, file), name)
    except InvalidPipelineError as error:
        raise UnacceptableError(
            f"{file}: the new contract contradicts other sections; nothing was written. As it would be:\n{error}"
        ) from error
    with atomic_file(file) as temporary:
        temporary.write_text(text, encoding="utf-8")


def edited(text: str, contract: NewContract, file: Path) -> str:
    """The text of a YAML with a new contract; sections that do not change stay byte by byte."""
    text = edited_section(text, "columns", lambda document: edit_columns(document["columns"], contract), file)
    if contract.drop:
        text = edited_section(text, "drop", lambda document: edit_drop(document, contract.drop), file)
    return text


def edit_columns(columns: Any, contract: NewContract) -> None:
    """Change the section `columns`, as ruamel.yaml holds it."""
    for name in contract.floats:
        columns[name]["type"] = "float"
    for name, keys in contract.notations.items():
        edit_keys(columns[name], keys)
    for name, levels in contract.levels.items():
        columns[name]["levels"] = flow(levels)
    for name, other in contract.rename.items():
        place = list(columns).index(name)
        comment = columns.ca.items.pop(name, None)
        columns.insert(place, other, columns.pop(name))
        if comment is not None:
            columns.ca.items[other] = comment
    for name in contract.forget:
        del columns[name]
    for name, keys in contract.declare.items():
        columns[name] = flow({key: flow(value) if isinstance(value, list) else value for key, value in keys.items()})


def edit_keys(column: Any, keys: Mapping[str, Any]) -> None:
    """Change some keys of a declared column; one at its default is left out."""
    for key, value in keys.items():
        if value == Column.model_fields[key].default:
            column.pop(key, None)
        else:
            column[key] = flow([*value]) if isinstance(value, tuple) else value


def edit_drop(document: Any, names: tuple[str, ...]) -> None:
    """Add names to the section `drop`, which is a list or `{}`."""
    if isinstance(document["drop"], dict):
        document["drop"] = flow([])
    document["drop"].extend(names)


def flow(value: list[Any] | dict[str, Any]) -> Any:
    """A list or mapping that is written on one line."""
    from ruamel.yaml.comments import CommentedMap, CommentedSeq

    made = CommentedSeq(value) if isinstance(value, list) else CommentedMap(value)
    made.fa.set_flow_style()
    return made


def edited_section(text: str, section: str, edit: Callable[[Any], None], file: Path) -> str:
    """The text with one section changed by `edit`, which is given a document that holds only that section.

    Raises
    ------
    UnacceptableError
        If the section does not begin on a line of its own.
    """
    document = parse_document(text, file)
    lines = text.splitlines(keepends=True)
    begin, end = section_lines(document, section, lines)
    yaml = round_trip(document, section)
    changed = yaml.load("".join(lines[begin:end]))
    edit(changed)
    written = io.StringIO()
    yaml.dump(changed, written)
    return "".join([*lines[:begin], written.getvalue(), *lines[end:]])


def section_lines(document: Document, section: str, lines: list[str]) -> tuple[int, int]:
    """First line of a section and the one after its last, from 0; comments in front of the next section are its own."""
    begins = {name: place for name, place in document.root.keys.items() if isinstance(name, str)}
    line, column = begins[section]
    if column != 1 or [other for other, _ in begins.values()].count(line) > 1:
        raise UnacceptableError(
            f"{document.file}:{line}: the section {section!r} shares its line with others; write each on its own line"
        )
    end = min((other - 1 for other, _ in begins.values() if other > line), default=len(lines))
    while end > line and not lines[end - 1].split("#")[0].strip():
        end -= 1
    return line - 1, end


def round_trip(document: Document, section: str) -> Any:
    """A parser that writes what it read, indented as the section is."""
    from ruamel.yaml import YAML

    whole = document.root
    line, _ = whole.keys[section]
    node = whole.children[section]
    only = Node({}, line, 1, children={section: node}, keys={section: (line, 1)})
    dashes = next(block_dashes(only), 0)
    places = [column for key_line, column in node.keys.values() if key_line > line]
    yaml = YAML()
    yaml.width, yaml.preserve_quotes = WIDE, True
    yaml.indent(mapping=max(2, min(places, default=1) - 1), sequence=dashes + 2, offset=dashes)
    return yaml


def block_dashes(node: Node) -> Iterator[int]:
    """By how much each list that begins below its key is indented from that key."""
    for key, child in node.children.items():
        line, column = node.keys.get(key, (child.line, child.column))
        if isinstance(child.value, list) and child.line > line:
            yield max(0, child.column - column)
        yield from block_dashes(child)
