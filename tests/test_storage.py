import contextlib
import subprocess
import sys
from pathlib import Path

import pytest

from configs.errors import CorruptionError
from tasks.version.dvc_config import (
    NoDefaultRemoteError,
    UnreadableConfigError,
    cache_folder,
    ensure_remote,
    remote_url,
    with_default_remote,
)
from tasks.version.pins import pinned_here
from tasks.version.storage import (
    MissingObjectError,
    RemoteUnreachableError,
    fetch,
    file_md5,
    md5_of,
    object_path,
    push,
    push_version,
    read_listing,
    read_object,
    without_secrets,
)
from tests.versions import flip_bit

CONFIG = Path(".dvc/config.local")


@pytest.fixture
def stocked(tmp_path, monkeypatch):
    """An empty DVC project with a local remote, and one object in its cache."""
    monkeypatch.chdir(tmp_path)
    Path(".dvc/tmp").mkdir(parents=True)
    Path(".dvc/config").write_text("[core]\n    no_scm = true\n")
    CONFIG.write_text("[core]\n    remote = here\n['remote \"here\"']\n    url = ../elsewhere\n")
    return put(b"some bytes")


def put(data):
    path = object_path(md5_of(data))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return md5_of(data)


@pytest.fixture
def repository():
    """DVC's own view of the current directory, opened when it is asked for."""
    from tasks.ledger import open_repository

    with contextlib.ExitStack() as stack:
        yield lambda: stack.enter_context(open_repository())


def test_object_is_read_where_dvc_keeps_it(project, repository):
    md5 = pinned_here("diabetes")["data/split/diabetes.parquet"].md5
    assert str(object_path(md5)) == repository().cache.local.oid_to_path(md5)
    assert read_object(md5) == Path("data/split/diabetes.parquet").read_bytes()


def test_listing_names_the_files_of_a_folder(project):
    listing = read_listing(pinned_here("diabetes")["models/diabetes"].md5)
    assert listing == {path.name: file_md5(path) for path in Path("models/diabetes").iterdir()}


@pytest.mark.parametrize("place", [".dvc/config", ".dvc/config.local", "user"])
def test_cache_folder_is_the_one_that_dvc_uses(stocked, repository, tmp_path, monkeypatch, place):
    monkeypatch.setenv("DVC_GLOBAL_CONFIG_DIR", str(tmp_path / "user"))
    path = tmp_path / "user/config" if place == "user" else Path(place)
    path.parent.mkdir(exist_ok=True)
    with path.open("a") as file:
        file.write("[cache]\n    dir = ../shared # all projects\n")
    assert str(cache_folder() / "files/md5") == repository().cache.local.path


def test_missing_object_comes_from_the_remote(stocked):
    push([stocked])
    object_path(stocked).unlink()
    assert read_object(stocked) == b"some bytes"


def test_wrong_object_is_replaced_from_the_remote(stocked):
    push([stocked])
    flip_bit(object_path(stocked), 5)
    assert read_object(stocked) == b"some bytes"
    assert object_path(stocked).read_bytes() == b"some bytes"
    assert object_path(stocked).stat().st_mode & 0o777 == 0o444


def test_object_is_fetched_through_dvc_where_the_remote_is_a_url(stocked, tmp_path):
    CONFIG.write_text(f"[core]\n    remote = here\n['remote \"here\"']\n    url = file://{tmp_path}/distant\n")
    push([stocked])
    flip_bit(object_path(stocked), 5)
    assert read_object(stocked) == b"some bytes"


def test_url_remote_without_the_object_is_told(stocked, tmp_path):
    CONFIG.write_text(f"[core]\n    remote = here\n['remote \"here\"']\n    url = file://{tmp_path}/distant\n")
    object_path(stocked).unlink()
    with pytest.raises(MissingObjectError, match=r"missing, a part of the model; .*distant.* has it not"):
        read_object(stocked, "the model")


def test_unreachable_remote_is_told_without_its_password(stocked):
    CONFIG.write_text("[core]\n    remote = here\n['remote \"here\"']\n    url = nothing://ann:secret@host/x\n")
    with pytest.raises(RemoteUnreachableError, match=r"DVC remote nothing://host/x: ") as caught:
        push([stocked])
    assert "secret" not in str(caught.value)


def test_object_gone_from_cache_and_remote_is_named(stocked):
    object_path(stocked).unlink()
    with pytest.raises(MissingObjectError, match=rf"{object_path(stocked)}: missing, a part of the model; .*elsewhere"):
        read_object(stocked, "the model")


def test_object_gone_without_a_remote_says_so(stocked):
    CONFIG.unlink()
    object_path(stocked).unlink()
    with pytest.raises(MissingObjectError, match="no DVC remote is configured"):
        read_object(stocked)


def test_object_wrong_in_cache_and_remote_is_never_handed_out(stocked):
    push([stocked])
    remote = Path("elsewhere/files/md5", stocked[:2], stocked[2:])
    flip_bit(remote, 9)
    flip_bit(object_path(stocked), 5)
    with pytest.raises(CorruptionError, match=rf"elsewhere: object {stocked} .* expected {stocked}"):
        read_object(stocked)
    assert not list(object_path(stocked).parent.glob(".*.tmp"))


def test_wrong_object_without_a_remote_names_both_hashes(stocked):
    CONFIG.unlink()
    flip_bit(object_path(stocked), 5)
    with pytest.raises(CorruptionError, match=rf"MD5 is {file_md5(object_path(stocked))}, expected {stocked}"):
        fetch([stocked])


def test_right_object_is_not_fetched(stocked):
    CONFIG.write_text("[core]\n    remote = here\n['remote \"here\"']\n    url = nothing://host/x\n")
    assert read_object(stocked) == b"some bytes"


def test_reading_imports_no_dvc(project):
    code = "import sys; from tasks.version.storage import read_object, object_path; "
    code += "object_path('ab' * 16); print([name for name in ('dvc', 'pandas', 'numpy') if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout == "[]\n"


# ---- pushing


def test_pushed_version_has_every_object_in_the_remote(project, repository):
    push_version("diabetes")
    assert repository().status(targets=["report@diabetes", "data/raw/diabetes.dvc"], cloud=True) == {}


def test_pushing_what_the_cache_lacks_names_it(stocked):
    object_path(stocked).unlink()
    with pytest.raises(MissingObjectError, match=rf"has not got 1 of 1 objects after the push, such as {stocked}"):
        push([stocked])


def test_remote_is_made_where_there_is_none(project, repository):
    ensure_remote()
    assert remote_url() == str(Path(".dvc/remote").resolve()) == repository().cloud.get_remote().path
    changed = subprocess.run(["git", "status", "--porcelain"], check=True, capture_output=True, text=True).stdout
    assert changed == ""


def test_configured_remote_is_kept(stocked):
    before = CONFIG.read_bytes()
    ensure_remote()
    assert CONFIG.read_bytes() == before


def test_remotes_without_a_default_are_refused(stocked):
    CONFIG.write_text("['remote \"one\"']\n    url = x\n")
    with pytest.raises(NoDefaultRemoteError, match=r"found remotes one and core\.remote None"):
        remote_url()


def test_configuration_that_is_none_is_refused(stocked):
    CONFIG.write_text("[core\n")
    with pytest.raises(UnreadableConfigError, match=r"config\.local: not as DVC's configuration is written"):
        remote_url()


def test_other_settings_survive_the_new_remote():
    before = "[core]\n    autostage = true # mine\n[cache]\n    type = copy\n"
    after = with_default_remote(before, Path("/x"))
    assert after.startswith("[core]\n    remote = holdfast\n    autostage = true # mine\n[cache]\n    type = copy\n")


def test_configuration_with_credentials_stays_private(project):
    CONFIG.write_text("[core]\n    autostage = true\n")
    CONFIG.chmod(0o600)
    ensure_remote()
    assert CONFIG.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("url", ["/a/b", "s3://bucket/x"])
def test_address_without_secrets_is_shown_as_it_is(url):
    assert without_secrets(url) == url
