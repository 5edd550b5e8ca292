"""What the registry costs as it grows: registering, promoting, listing; beside `gto show`.

    python benchmarks/registry.py [--quick] [--rounds N]

In throw-away repositories with 1, 100 and 2,000 versions: each an event of the ledger and an annotated tag, every tenth
promoted. Each act is measured as Holdfast runs it, in one process after its imports; listing also as a whole process,
as `gto show --json` of the same repository is. Prints one JSON object per size and system, and the ratios last.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tasks import registry  # noqa: E402 - the clone's own code is measured
from tasks.registry.event import EVENT, RECORD, iso, json_bytes, subject_of  # noqa: E402
from tasks.registry.git import git, tree_with  # noqa: E402

P = "flights"
SIZES = (1, 100, 2000)
START = 1_700_000_000  # seconds; the first event's
WHO = "Bench <bench@example.org>"
LIST = f"from tasks import registry; print(len(registry.versions({P!r})), registry.champion({P!r}))"


def record_of(number: registry.SemVer, parent: registry.Version | None) -> dict[str, Any]:
    """A version record of about the size of a real one."""
    files = {f"file-{place}": f"{place:064x}" for place in range(60)}
    return {"format": 1, "version": str(number), "parent": parent and str(parent.number), "files": files}


def register(identity: str) -> registry.Version:
    """Register one version."""
    tree = tree_with("HEAD", {"dvc.lock": f"{identity}\n".encode()})
    return registry.register(P, tree, identity, record_of, lambda _old: "minor", {"reason": "measured"})


# ---- a registry of many versions, written by one command


def fill(count: int) -> None:
    """Make a ledger of `count` versions, and then promote every tenth, as Holdfast would, by `git fast-import`."""
    stream = []
    for minor in range(count):
        number = registry.SemVer(1, minor, 0)
        facts = {"kind": "version", "version": str(number), "identity": f"filled-{minor}", "parent": None}
        files = {RECORD: json_bytes(record_of(number, None)), "dvc.lock": f"{minor}\n".encode()}
        stream += [commit(minor + 1, facts, files), tag(f"{P}@{number}", f":{minor + 1}", minor + 1)]
    git("fast-import", "--quiet", stdin=b"".join(stream))
    stream, tip = [], registry.tip(P)
    for counter, version in enumerate(registry.versions(P)[::10], 1):
        facts = {"kind": "promotion", "version": str(version.number), "version_commit": version.commit}
        facts |= {"stage": "champion", "number": counter, "act": "promotion", "previous": None}
        stream += [
            commit(count + counter, facts, {}, tip if counter == 1 else None),
            tag(f"{P}#champion#{counter}", version.commit, count + counter),
        ]
    git("fast-import", "--quiet", stdin=b"".join(stream))


def commit(sequence: int, facts: Mapping[str, Any], files: Mapping[str, bytes], parent: str | None = None) -> bytes:
    """One event's commit, as fast-import reads it; `parent` is needed where a new stream goes on with the branch."""
    at = START + sequence
    facts = {**facts, "sequence": sequence, "format": 1, "pipeline": P, "at": iso(at), "by": WHO, "reason": "filled"}
    head = f"commit refs/heads/holdfast/{P}\nmark :{sequence}\ncommitter {WHO} {at} +0000\n".encode()
    base = f"from {parent}\n".encode() if parent else b""
    changes = b"".join(
        b"M 100644 inline %s\n%s" % (path.encode(), data(content))
        for path, content in {EVENT: json_bytes(facts), **files}.items()
    )
    return head + data(subject_of(facts).encode()) + base + changes


def tag(name: str, target: str, sequence: int) -> bytes:
    """One annotated tag, as fast-import reads it."""
    return f"tag {name}\nfrom {target}\ntagger {WHO} {START + sequence} +0000\n".encode() + data(b"filled")


def data(content: bytes) -> bytes:
    """A counted text of fast-import."""
    return b"data %d\n%s\n" % (len(content), content)


# ---- measuring


def seconds_of(act: Callable[[], Any], rounds: int) -> float:
    """The median of some rounds, in seconds."""
    found = []
    for _ in range(rounds):
        start = time.perf_counter()
        act()
        found.append(time.perf_counter() - start)
    return statistics.median(found)


def process_seconds(command: list[str], rounds: int) -> float:
    """The median wall time of a whole process, in seconds; it must succeed."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return seconds_of(lambda: subprocess.run(command, check=True, capture_output=True, env=environment), rounds)


def measure(size: int, rounds: int, gto_up_to: int) -> dict[str, float]:
    """Every act in a new repository of `size` versions, in seconds; prints it as it goes."""
    with tempfile.TemporaryDirectory(prefix="holdfast-registry-", ignore_cleanup_errors=True) as folder:
        os.chdir(folder)
        git("init", "-q", "-b", "main")
        Path("params.yaml").write_text(f"pipelines: [{P}]\n")
        git("add", "-A")
        git("-c", "user.name=Bench", "-c", "user.email=bench@example.org", "commit", "-q", "-m", "first")
        git("config", "user.name", "Bench")
        git("config", "user.email", "bench@example.org")
        fill(size)
        ours = measure_ours(size, rounds)
        gto = [str(Path(sys.executable).parent / "gto"), "show", "--json"]
        few = min(rounds, 3 if size < SIZES[-1] else 1)
        theirs = {"show process": process_seconds(gto, few)} if size <= gto_up_to else {}
        os.chdir(ROOT)
    for system, found in filter(all, (("holdfast", ours), ("gto", theirs))):
        print(
            json.dumps({"system": system, "versions": size, **{k: round(v, 4) for k, v in found.items()}}), flush=True
        )
    return {**ours, **{f"gto {name}": value for name, value in theirs.items()}}


def measure_ours(size: int, rounds: int) -> dict[str, float]:
    """The acts of Holdfast. Those that write come last; they add a few versions."""
    if len(registry.versions(P)) != size:
        raise RuntimeError(f"{len(registry.versions(P))} versions where {size} were made")
    found = {
        "list": seconds_of(lambda: registry.versions(P), rounds),
        "champion": seconds_of(lambda: registry.champion(P), rounds),
        "history": seconds_of(lambda: registry.promotions(P), rounds),
        "list process": process_seconds([sys.executable, "-c", LIST], rounds),
    }
    names = iter(range(10**6))
    found["register"] = seconds_of(lambda: register(f"new-{next(names)}"), rounds)
    newest = iter(reversed(registry.versions(P)))
    found["promote"] = seconds_of(lambda: registry.promote(P, next(newest), "measured", WHO), rounds)
    found["rollback"] = seconds_of(lambda: registry.rollback(P, "measured", WHO), 1)
    return found


def main() -> None:
    """Measure each size, and print the ratios last."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="three rounds, gto up to 100 versions; within a minute")
    parser.add_argument("--rounds", type=int, help="rounds of each act; the median counts")
    options = parser.parse_args()
    rounds = options.rounds or (3 if options.quick else 11)
    compared = SIZES[1] if options.quick else SIZES[-1]  # gto takes minutes for 2,000
    found = {size: measure(size, rounds, compared) for size in SIZES}
    least, most = found[SIZES[0]], found[SIZES[-1]]
    ratios = {
        "list_over_gto_show": found[compared]["list process"] / found[compared]["gto show process"],
        "compared_at": compared,
        "list_seconds": most["list process"],
        "promote_seconds": most["promote"],
        **{f"{act}_growth": most[act] / least[act] for act in ("list", "register", "promote", "rollback")},
    }
    print(json.dumps({"bench": "registry", "ratios": {name: round(value, 3) for name, value in ratios.items()}}))


if __name__ == "__main__":
    main()
