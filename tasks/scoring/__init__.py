"""Scoring: rows in, predictions and decisions out, by the champion; a file or folder, a frame, or one row.

>>> from tasks.scoring import scorer                                    # doctest: +SKIP
>>> flights = scorer("flights")                                         # doctest: +SKIP
>>> flights.one({"carrier": "UA", "origin": "EWR", ...}).decision       # doctest: +SKIP
'0'

`tasks.scoring.job` says what a run over files would do, `tasks.scoring.batch` does it; docs/scoring.md tells the story.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tasks.scoring.row_scorer import Scorer

__all__ = ["scorer"]


def scorer(pipeline: str, version: str | None = None) -> Scorer:
    """What scores rows with a pipeline's champion, loaded once, in the project that is the current directory.

    Parameters
    ----------
    pipeline : str
        A pipeline of params.yaml.
    version : str, optional
        Such as `v1.2.0`; the champion, or the workspace's last bundle where there is none, when absent.

    Returns
    -------
    Scorer
        `one({"column": value})` scores a row in well under a millisecond, `frame(rows)` many.

    Raises
    ------
    NoModelError, UnknownVersionError
        If there is no such model.
    CorruptionError, EnvironmentMismatchError
        See `tasks.scoring.serving.load`.
    """
    from configs.load import load_pipeline
    from tasks.scoring.row_scorer import Scorer
    from tasks.scoring.serving import choose, load

    return Scorer(load(choose(pipeline, version)), load_pipeline(pipeline))
