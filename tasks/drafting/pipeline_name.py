"""What a pipeline is called that is drafted from a file: by its folder under data/incoming, or by the file."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path

from configs.errors import ConfigError
from configs.load import UnknownPipelineError, require_pipeline_name
from tasks.batch import batch_name

INCOMING = Path("data/incoming")
LONGEST = 64


class NamelessError(ConfigError):
    """No name can be made of a file's."""


def name_for(file: Path) -> str:
    """A legal name for the pipeline of a file.

    Parameters
    ----------
    file : Path
        Relative to the repository's root where it lies inside.

    Raises
    ------
    NamelessError
        If the file's name has no letter or digit that a name may have, or is one that no pipeline may have.

    Examples
    --------
    >>> name_for(Path("data/incoming/homes/2013-01.csv")), name_for(Path("/mnt/Größe (alt).CSV.gz"))
    ('homes', 'groe-alt')
    >>> name_for(Path("2013-01.csv"))
    'data-2013-01'
    """
    is_sorted_in = file.parent.parent == INCOMING
    told = file.parent.name if is_sorted_in else batch_name(file)
    plain = unicodedata.normalize("NFKD", told).encode("ascii", "ignore").decode().lower()
    name = "-".join(re.findall("[a-z0-9]+", plain))
    if name[:1].isdigit():
        name = f"data-{name}"
    name = name[:LONGEST].rstrip("-")
    try:
        require_pipeline_name(name)
    except UnknownPipelineError as error:
        raise NamelessError(f"no pipeline can be called after {str(file)!r}; give it a name with --name.") from error
    return name
