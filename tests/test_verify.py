import random
import shutil
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

from configs.errors import HoldfastError
from tasks import registry
from tasks.registry import Event, git
from tasks.verify import verify
from tasks.verify.ledger_chain import ledger_findings
from tasks.verify.version_chain import Stock, commit_findings, object_findings
from tasks.version import storage
from tasks.version.champion import load_version
from tasks.version.record import record_of
from tests.versions import commit_with, flip_bit, lose_remote, object_file, promote_here, register_here, write_over


def run_git(*words, folder=None):
    return subprocess.run(["git", *words], cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


def links(findings):
    return sorted({finding.link for finding in findings})


def text_of(findings):
    return "\n".join(map(str, findings))


@pytest.fixture
def loose(version):
    """The version in a clone whose git objects are files of their own."""
    packs = list(Path(".git/objects/pack").glob("*.pack"))
    for pack in packs:
        moved = pack.rename(Path(".git") / pack.name)
        pack.with_suffix(".idx").unlink()
        with moved.open("rb") as file:
            subprocess.run(["git", "unpack-objects", "-q"], stdin=file, check=True)
        moved.unlink()
    return version


@pytest.fixture
def remote(version, tmp_path):
    """A bare repository that has the ledger and its tags."""
    run_git("init", "-q", "--bare", str(tmp_path / "origin.git"))
    run_git("remote", "add", "origin", str(tmp_path / "origin.git"))
    registry.sync("diabetes")
    return tmp_path / "origin.git"


def test_registered_version_verifies(version):
    assert verify("diabetes") == []


def test_remote_that_agrees_verifies(remote):
    assert verify("diabetes") == []


def test_pipeline_without_a_ledger_has_nothing_to_find(project):
    assert verify("diabetes") == []


def test_verifying_changes_nothing(version):
    flip_bit(object_file(version, "models/diabetes/booster.ubj"), 3)
    run_git("tag", "-d", version.name)
    before = state()
    verify("diabetes")
    assert state() == before


def state():
    files = [path for path in Path().rglob("*") if path.is_file() and ".git/objects" not in str(path)]
    return {str(path): path.read_bytes() for path in files if "__pycache__" not in str(path)}


def test_verifying_imports_nothing_heavy(version):
    code = "import sys; from tasks.verify import verify; assert verify('diabetes') == []; "
    code += (
        "print([name for name in ('pandas', 'numpy', 'sklearn', 'xgboost', 'prefect', 'dvc') if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout == "[]\n"


# ---- tags


def test_deleted_version_tag_is_found(version):
    run_git("tag", "-d", version.name)
    found = verify("diabetes")
    assert "tag diabetes@v1.0.0: deleted, expected a tag of commit" in text_of(found)


def test_deleted_promotion_tag_is_found(version):
    run_git("tag", "-d", "diabetes#champion#1")
    assert "tag diabetes#champion#1: deleted" in text_of(verify("diabetes"))


def test_moved_tag_is_found(version):
    second = register_here(identity="another", batches={})
    run_git("tag", "-d", version.name)
    run_git("tag", "-a", version.name, "-m", "moved", second.commit)
    assert "tag diabetes@v1.0.0: moved: it points at" in text_of(verify("diabetes"))


def test_edited_tag_is_found(version):
    run_git("tag", "-d", version.name)
    run_git("tag", "-a", version.name, "-m", "another message", version.commit)
    assert "tag diabetes@v1.0.0: edited: its message, author or date" in text_of(verify("diabetes"))


def test_plain_tag_in_place_of_an_annotated_one_is_found(version):
    run_git("tag", "-d", version.name)
    run_git("tag", version.name, version.commit)
    assert "tag diabetes@v1.0.0: replaced by a plain one" in text_of(verify("diabetes"))


def test_tag_that_no_event_made_is_found(version):
    run_git("tag", "-a", "diabetes#champion#2", "-m", "by hand", version.commit)
    assert "tag diabetes#champion#2: points at" in text_of(verify("diabetes"))


@pytest.mark.parametrize("name", ["diabetes@v1.0.0", "diabetes#champion#1"])
def test_remedy_of_a_deleted_tag_puts_it_back(version, name):
    run_git("tag", "-d", name)
    (finding,) = [finding for finding in verify("diabetes") if name in finding.where]
    subprocess.run(finding.remedy.split("`")[1], shell=True, check=True)
    assert verify("diabetes") == []


# ---- ledger


def test_deleted_ledger_is_found(version):
    run_git("update-ref", "-d", "refs/heads/holdfast/diabetes")
    assert "tag diabetes@v1.0.0: points at" in text_of(verify("diabetes"))


def test_ledger_cut_short_is_found(version):
    run_git("update-ref", "refs/heads/holdfast/diabetes", version.commit)
    assert "tag diabetes#champion#1: points at" in text_of(verify("diabetes"))


def test_commit_of_another_hand_in_the_ledger_is_found(version):
    foreign = run_git("commit-tree", "-m", "mine", "-p", "holdfast/diabetes", "HEAD^{tree}")
    run_git("update-ref", "refs/heads/holdfast/diabetes", foreign)
    assert "not an event that Holdfast wrote" in text_of(verify("diabetes"))


def test_event_left_out_of_the_ledger_is_found(version):
    registry.append("diabetes", Event("decision", {"reason": "one"}))
    registry.append("diabetes", Event("decision", {"reason": "two"}))
    tip = registry.tip("diabetes")
    shortcut = run_git("commit-tree", "-m", "x", "-p", f"{tip}~2", f"{tip}^{{tree}}")
    run_git("update-ref", "refs/heads/holdfast/diabetes", shortcut)
    assert "sequence 4 after 2" in text_of(verify("diabetes"))


def loose_files(*revisions):
    """The loose file of each git object that these lead to."""
    listed = run_git("rev-list", "--objects", "--no-object-names", *revisions).split()
    return {Path(".git/objects", digest[:2], digest[2:]) for digest in listed}


def damage_each(files, times, seed):
    """Flip bits of loose git objects, one at a time; one in the padding of a compressed stream changes nothing."""
    chosen = random.Random(seed)
    for file in [file for file in files for _ in range(times)]:
        whole = zlib.decompress(file.read_bytes())
        data = flip_bit(file, chosen.randrange(8 * file.stat().st_size))
        assert inflated(file) == whole or found_or_refused(), f"{file} was damaged and nothing was found"
        write_over(file, data)


def inflated(file):
    try:
        return zlib.decompress(file.read_bytes())
    except zlib.error:
        return None


def found_or_refused():
    """Whether the ledger or the version in it is found to be damaged; objects of DVC are left out, for speed."""
    try:
        versions = registry.versions("diabetes")
        return bool(ledger_findings("diabetes")) or [*commit_findings(versions[0], record_of(versions[0]))] or False
    except HoldfastError:
        return True


def test_flipped_bit_in_each_git_object_of_the_ledger_is_found(loose):
    damage_each(sorted(loose_files("holdfast/diabetes") - loose_files("main")), times=1, seed=5)
    assert verify("diabetes") == []


@pytest.mark.campaign
def test_many_flipped_bits_in_git_objects_of_the_ledger_are_found(loose):
    damage_each(sorted(loose_files("holdfast/diabetes")), times=3, seed=6)


def test_missing_git_object_is_named(loose):
    digest = run_git("rev-parse", f"{loose.commit}:ledger/model_card.md")
    Path(".git/objects", digest[:2], digest[2:]).unlink()
    assert f"git object {digest}: missing, expected {loose.commit[:12]}:ledger/model_card.md" in text_of(
        verify("diabetes")
    )


def test_record_with_a_flipped_bit_is_never_used(loose):
    digest = run_git("rev-parse", f"{loose.commit}:ledger/record.json")
    file = Path(".git/objects", digest[:2], digest[2:])
    whole = zlib.decompress(file.read_bytes())
    for bit in random.Random(7).sample(range(8 * file.stat().st_size), 20):
        data = flip_bit(file, bit)
        if inflated(file) != whole:
            with pytest.raises(HoldfastError):
                load_version(loose)
        write_over(file, data)


def test_git_object_exchanged_for_a_valid_one_is_found(loose):
    digest = run_git("rev-parse", f"{loose.commit}:ledger/model_card.md")
    other = run_git("hash-object", "-w", "params.yaml")
    write_over(Path(".git/objects", digest[:2], digest[2:]), Path(".git/objects", other[:2], other[2:]).read_bytes())
    assert "model_card.md" in text_of(verify("diabetes"))


# ---- git remote


def test_tag_deleted_in_the_remote_is_found(remote, version):
    run_git("update-ref", "-d", f"refs/tags/{version.name}", folder=remote)
    assert "remote 'origin': tag diabetes@v1.0.0: deleted" in text_of(verify("diabetes"))


def test_tag_moved_in_the_remote_is_found(remote, version):
    run_git("update-ref", f"refs/tags/{version.name}", "refs/heads/holdfast/diabetes", folder=remote)
    assert "remote 'origin': tag diabetes@v1.0.0: " in text_of(verify("diabetes"))


def test_ledger_rewritten_in_the_remote_is_found(remote, version):
    run_git(
        "-c",
        "user.name=x",
        "-c",
        "user.email=x@y",
        "commit-tree",
        "-m",
        "x",
        f"{version.commit}^{{tree}}",
        folder=remote,
    )
    foreign = run_git(
        "-c",
        "user.name=x",
        "-c",
        "user.email=x@y",
        "commit-tree",
        "-m",
        "x",
        f"{version.commit}^{{tree}}",
        folder=remote,
    )
    run_git("update-ref", "refs/heads/holdfast/diabetes", foreign, folder=remote)
    assert "expected a continuation of" in text_of(verify("diabetes"))


def test_ledger_missing_in_the_remote_is_found(remote):
    run_git("update-ref", "-d", "refs/heads/holdfast/diabetes", folder=remote)
    assert "remote 'origin': refs/heads/holdfast/diabetes: missing" in text_of(verify("diabetes"))


def test_clone_that_is_behind_the_remote_verifies(remote, version):
    registry.append("diabetes", Event("decision", {"reason": "more"}))
    run_git("update-ref", "refs/heads/holdfast/diabetes", f"{registry.tip('diabetes')}~1")
    assert verify("diabetes") == []


def test_vanished_remote_is_told_and_the_rest_is_checked(remote, version):
    shutil.rmtree(remote)
    run_git("tag", "-d", version.name)
    assert links(verify("diabetes")) == ["remote", "tag"]


# ---- record and commit


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("dvc.lock", "dvc.lock"),
        ("data/raw/diabetes.dvc", "data hashes in dvc.lock"),
        ("metrics/diabetes/train.json", "metrics/diabetes/train.json in dvc.lock"),
        ("requirements.lock", "requirements.lock"),
        ("tasks/train.py", "code of stage train"),
        ("tasks/reporting/report.html.j2", "code of stage report"),
    ],
)
def test_file_of_the_commit_that_the_record_does_not_know_is_found(version, path, told):
    data = git.read_file(version.commit, path)
    flipped = data.replace(b"md5: ", b"md5: f", 1) if b"md5: " in data else data + b" "
    forged = commit_with(version, {path: flipped})
    assert told in text_of(commit_findings(forged, record_of(version)))


def test_file_missing_from_the_commit_is_named(version):
    forged = commit_with(version, {"tasks/train.py": None})
    assert "has no tasks/train.py" in text_of(commit_findings(forged, record_of(version)))


# ---- objects


def all_objects(version):
    """Every object of a version: path and hash."""
    found = {}
    for path, pin in record_of(version)["data"].items():
        found |= {f"{path}/{name}".rstrip("/"): md5 for name, md5 in storage.objects_in(pin["md5"], path).items()}
    return found


def found_in_objects(version):
    """What `verify` finds in the objects of a version; commit and ledger are left out, for speed."""
    with Stock.opened() as stock:
        return text_of([*object_findings(version, record_of(version), stock), *stock.findings()])


def test_flipped_bit_in_every_object_of_the_cache_is_found(version):
    for number, (path, md5) in enumerate(all_objects(version).items()):
        file = storage.object_path(md5)
        data = flip_bit(file, 13 * number + 1)
        assert str(file) in found_in_objects(version), f"{path} was damaged and not named"
        write_over(file, data)
    assert verify("diabetes") == []


def test_flipped_bit_in_every_object_of_the_remote_is_found(version):
    for number, md5 in enumerate(all_objects(version).values()):
        file = Path(".dvc/remote/files/md5", md5[:2], md5[2:])
        data = flip_bit(file, 13 * number + 1)
        assert f"other bytes, expected object {md5}" in found_in_objects(version)
        write_over(file, data)


@pytest.mark.campaign
def test_many_flipped_bits_in_the_cache_are_found(version):
    chosen = random.Random(8)
    for md5 in all_objects(version).values():
        file = storage.object_path(md5)
        for _ in range(50):
            data = flip_bit(file, chosen.randrange(8 * file.stat().st_size))
            assert str(file) in found_in_objects(version)
            write_over(file, data)


def test_damaged_object_is_found_by_the_whole_check(version):
    flip_bit(object_file(version, "data/split/diabetes.parquet"), 99)
    assert "data/split/diabetes.parquet of diabetes@v1.0.0: MD5 is" in text_of(verify("diabetes"))


def test_object_missing_in_cache_but_in_the_remote_is_no_finding(version):
    shutil.rmtree(".dvc/cache")
    assert verify("diabetes") == []


def test_object_missing_in_the_remote_is_found(version):
    lose_remote()
    found = verify("diabetes")
    assert links(found) == ["object"]
    assert "models/diabetes/booster.ubj of diabetes@v1.0.0: missing" in text_of(found)


def test_object_gone_from_cache_and_remote_is_found(version):
    lose_remote()
    file = object_file(version, "models/diabetes/booster.ubj")
    file.unlink()
    assert f"{file}: models/diabetes/booster.ubj of diabetes@v1.0.0: missing here and in the remote" in text_of(
        verify("diabetes")
    )


def test_project_without_a_dvc_remote_is_told(version):
    Path(".dvc/config.local").unlink()
    assert "DVC remote: none is configured" in text_of(verify("diabetes"))


def test_dvc_remote_that_does_not_answer_is_told_and_the_rest_is_checked(version):
    Path(".dvc/config.local").write_text("[core]\n    remote = here\n['remote \"here\"']\n    url = nothing://host/x\n")
    flip_bit(object_file(version, "models/diabetes/booster.ubj"), 3)
    found = verify("diabetes")
    assert links(found) == ["object"]
    assert "DVC remote: DVC remote nothing://host/x:" in text_of(found)
    assert "booster.ubj of diabetes@v1.0.0: MD5 is" in text_of(found)


def test_only_the_asked_version_is_read(version):
    second = register_here(identity="another", batches={})
    promote_here(second)
    broken = commit_with(version, {"ledger/record.json": b"{}"})
    assert verify("diabetes", second) == []
    assert links(verify("diabetes", broken)) == ["record"]
