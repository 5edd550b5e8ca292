"""The per-batch store: makes a batch once, hands out sound bytes only, forgets what is long unused."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from configs.schema import Pipeline
from tasks import store as store_module
from tasks.atomic import atomic_folder
from tasks.ingest import ChangedFileError
from tasks.store import BatchStore, content_hash, file_hash
from tests.pipelines import make_pipeline

ROOT = Path(__file__).resolve().parents[1]
OTHERS = (Path("/dev/shm"), Path("/var/tmp"), Path("/tmp"))


@pytest.fixture(autouse=True)
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copy(ROOT / "dvc.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def writer(content: str, calls: list[str] | None = None) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        (folder / "typed.parquet").write_text(content)
        (folder / "summary.json").write_text('{"rows_out": 1}')
        if calls is not None:
            calls.append(content)

    return make


def fetch(
    content: str = "made", key: str | Future[str] = "hash", calls: list[str] | None = None, **sections: Any
) -> BatchStore:
    store = BatchStore("ingest", make_pipeline({"a": {"type": "text"}}, **sections))
    store.get_or_make("2013-01", key, writer(content, calls), {"typed.parquet": Path("out.parquet")})
    return store


def entries() -> list[Path]:
    return sorted(Path(".holdfast/store/ingest/demo").iterdir())


def test_batch_is_made_once() -> None:
    calls: list[str] = []
    made = [fetch(calls=calls).made, fetch(calls=calls).made]
    assert (made, len(calls)) == ([["2013-01"], []], 1)


def test_summary_comes_back_from_the_store() -> None:
    fetch()
    store = BatchStore("ingest", make_pipeline({"a": {"type": "text"}}))
    assert store.get_or_make("2013-01", "hash", writer("x"), {}) == {"rows_out": 1}


class Late(Future[str]):
    """A hash that is known once it is asked for."""

    def __init__(self, found: str) -> None:
        super().__init__()
        self.found, self.asked = found, 0

    def result(self, timeout: float | None = None) -> str:
        self.asked += 1
        return self.found


def test_new_batch_is_made_before_its_input_is_hashed() -> None:
    store, key = BatchStore("ingest", make_pipeline({"a": {"type": "text"}})), Late("hash")
    asked_before: list[int] = []

    def make(folder: Path) -> None:
        asked_before.append(key.asked)
        writer("made")(folder)

    assert store.get_or_make("2013-01", key, make, {"typed.parquet": Path("out.parquet")}) == {"rows_out": 1}
    assert (asked_before, store.made, Path("out.parquet").read_text()) == ([0], ["2013-01"], "made")


def test_batch_made_meanwhile_is_found_by_its_hash() -> None:
    calls: list[str] = []
    for key in (Late("hash"), "hash", Late("hash")):
        fetch(key=key, calls=calls)
    assert (len(calls), len(entries())) == (1, 1)


def test_batch_of_other_bytes_is_made_once_its_hash_is_known() -> None:
    fetch("one", "hash 1")
    fetch("two", Late("hash 2"))
    assert (Path("out.parquet").read_text(), len(entries())) == ("two", 2)


def test_batch_whose_input_changed_meanwhile_is_not_kept() -> None:
    key: Future[str] = Future()
    key.set_exception(ChangedFileError("it was written to"))
    with pytest.raises(ChangedFileError):
        fetch(key=key)
    assert entries() == []
    assert fetch("sound", "hash").made == ["2013-01"]
    assert Path("out.parquet").read_text() == "sound"


def test_what_a_killed_process_made_meanwhile_is_never_handed_out() -> None:
    store = fetch("left behind")
    left = store.folder / f"ahead-{store_module.entry_prefix(store.basis, '2013-01')}"
    entries()[0].rename(left)
    fetch("made anew", Late("hash"))
    assert (Path("out.parquet").read_text(), left.exists(), len(entries())) == ("made anew", False, 1)


def test_other_input_is_another_entry() -> None:
    fetch("one", "hash 1")
    fetch("two", "hash 2")
    assert Path("out.parquet").read_text() == "two"


@pytest.mark.parametrize("sections", [{"drop": ["b"]}, {"time": {"timezone": "Europe/Berlin"}}])
def test_other_params_are_another_entry(sections: dict[str, Any]) -> None:
    fetch("one")
    fetch("two", **sections)
    assert Path("out.parquet").read_text() == "two"


def test_order_of_columns_is_part_of_the_key() -> None:
    columns: dict[str, Any] = {"a": {"type": "text"}, "b": {"type": "text"}}
    bases = [
        BatchStore("ingest", make_pipeline(dict(order))).basis for order in (columns.items(), reversed(columns.items()))
    ]
    keys = [store_module.entry_key(basis, "2013-01", "hash") for basis in bases]
    assert keys[0] != keys[1]


def test_section_that_the_stage_does_not_declare_changes_nothing() -> None:
    calls: list[str] = []
    fetch(calls=calls)
    fetch(calls=calls, owner="someone@example.org")
    assert len(calls) == 1


@pytest.mark.parametrize("name", ["typed.parquet", "entry.json"])
@pytest.mark.parametrize("harm", ["flip", "truncate", "empty", "remove"])
def test_corrupt_entry_is_made_again(name: str, harm: str) -> None:
    fetch()
    file = entries()[0] / name
    content = file.read_bytes()
    middle = len(content) // 2
    harmed = {
        "flip": content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :],
        "truncate": content[:middle],
        "empty": b"",
    }
    file.write_bytes(harmed[harm]) if harm in harmed else file.unlink()
    Path("out.parquet").unlink()
    fetch()
    assert (Path("out.parquet").read_text(), file.read_bytes()) == ("made", content)


def test_no_flipped_bit_of_an_entry_is_delivered() -> None:
    fetch()
    for file in entries()[0].iterdir():
        content = file.read_bytes()
        for position in range(len(content)):
            file.write_bytes(content[:position] + bytes([content[position] ^ 4]) + content[position + 1 :])
            Path("out.parquet").unlink(missing_ok=True)
            store = BatchStore("ingest", make_pipeline({"a": {"type": "text"}}))
            found = store._deliver(file.parent, {"typed.parquet": Path("out.parquet")})
            assert found is None or (found, Path("out.parquet").read_text()) == ({"rows_out": 1}, "made")
        file.write_bytes(content)


def test_delivered_file_lies_on_the_disk_once() -> None:
    fetch()
    assert Path("out.parquet").samefile(entries()[0] / "typed.parquet")


def test_batch_is_made_again_where_a_delivered_file_was_edited_in_place() -> None:
    fetch()
    with Path("out.parquet").open("r+") as file:
        file.write("harm")
    calls: list[str] = []
    fetch(calls=calls)
    assert (Path("out.parquet").read_text(), calls) == ("made", ["made"])


def test_file_is_copied_to_another_file_system() -> None:
    elsewhere = [place for place in OTHERS if place.is_dir() and place.stat().st_dev != Path().stat().st_dev]
    if not elsewhere:
        pytest.skip("there is one file system only")
    with tempfile.TemporaryDirectory(dir=elsewhere[0]) as folder:
        out = Path(folder, "out.parquet")
        for expected in (["2013-01"], []):
            store = BatchStore("ingest", make_pipeline({"a": {"type": "text"}}))
            store.get_or_make("2013-01", "hash", writer("made"), {"typed.parquet": out})
            assert (store.made, out.read_text(), out.stat().st_nlink) == (expected, "made", 1)
            out.unlink()


def fetch_into_folder(content: str = "made", key: str = "hash", calls: list[str] | None = None) -> Path:
    """What stands at `typed/2013-01.parquet` after the folder was made anew."""
    store = BatchStore("ingest", make_pipeline({"a": {"type": "text"}}))
    with atomic_folder(Path("typed")) as typed:
        store.get_or_make("2013-01", key, writer(content, calls), {"typed.parquet": typed / "2013-01.parquet"})
    return Path("typed/2013-01.parquet")


def test_file_that_stands_as_it_should_stays_the_same_file() -> None:
    as_dvc_leaves_it(fetch_into_folder())
    before = Path("typed/2013-01.parquet").stat()
    after = fetch_into_folder().stat()
    assert (after.st_ino, after.st_mtime_ns, after.st_nlink) == (before.st_ino, before.st_mtime_ns, 1)


def test_standing_link_of_the_store_stays_the_same_file() -> None:
    before = fetch_into_folder().stat()
    after = fetch_into_folder().stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def as_dvc_leaves_it(file: Path) -> None:
    """DVC puts a copy of its own in the place of an output that it has committed."""
    shutil.copy(file, "copied")
    Path("copied").replace(file)


def test_edit_of_what_dvc_has_committed_does_not_reach_the_store() -> None:
    as_dvc_leaves_it(fetch_into_folder())
    with Path("typed/2013-01.parquet").open("r+") as file:
        file.write("harm")
    calls: list[str] = []
    assert (fetch_into_folder(calls=calls).read_text(), calls) == ("made", [])


@pytest.mark.parametrize("harm", ["mada", "longer", ""])
def test_standing_file_of_other_bytes_is_replaced(harm: str) -> None:
    fetch_into_folder().write_text(harm)
    assert fetch_into_folder().read_text() == "made"


def test_new_result_replaces_the_standing_file() -> None:
    fetch_into_folder()
    assert fetch_into_folder("else", key="other").read_text() == "else"


@pytest.mark.parametrize("link", ["hardlink_to", "symlink_to"])
def test_standing_link_into_another_folder_is_replaced(link: str) -> None:
    standing = fetch_into_folder()
    shutil.copy(standing, "cached")
    standing.unlink()
    getattr(standing, link)(Path("cached").absolute())
    made = fetch_into_folder()
    assert (made.read_text(), made.is_symlink(), made.samefile("cached")) == ("made", False, False)


def test_failed_make_leaves_no_entry() -> None:
    def fail(folder: Path) -> None:
        (folder / "typed.parquet").write_text("half")
        raise ValueError("no")

    store = BatchStore("ingest", make_pipeline({"a": {"type": "text"}}))
    with pytest.raises(ValueError, match="no"):
        store.get_or_make("2013-01", "hash", fail, {})
    assert entries() == []


def test_longest_unused_entries_are_forgotten() -> None:
    for number in range(5):
        fetch(str(number), f"hash {number}").forget_unused()
    kept = sorted((entry / "typed.parquet").read_text() for entry in entries())
    assert kept == ["2", "3", "4"]


def test_file_hash_is_of_content(tmp_path: Path) -> None:
    for name, text in (("a", "x"), ("b", "x"), ("c", "y")):
        Path(name).write_text(text)
    hashes = [file_hash(Path(name)) for name in "abc"]
    assert (hashes[0] == hashes[1], hashes[0] == hashes[2]) == (True, False)


@pytest.mark.parametrize("size", [0, 1, 1023, 1024, 1025, 1 << 18, (1 << 20) + 1])
def test_hash_of_a_file_is_that_of_its_content(size: int) -> None:
    content = bytes(place % 251 for place in range(size))
    Path("a").write_bytes(content)
    assert file_hash(Path("a")) == content_hash(content)


def test_limited_pipeline_gives_the_same_basis() -> None:
    whole = make_pipeline({"a": {"type": "text"}})
    limited: Pipeline = whole.limited_to("ingest", store_module.declared_sections("ingest"))
    assert store_module.stage_basis("ingest", whole) == store_module.stage_basis("ingest", limited)
