"""Following every hash from tag to file: tags, ledger, git remote, record, dvc.lock, objects, bundle.

What a tag names is found to be what was registered, or the link that does not hold is named. Somebody who rewrites the
ledger and its tags, here and in the remote alike, leaves no trace that could be found: that is out of scope, and the
reason for a remote that refuses forced pushes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tasks.verify.broken import Finding
from tasks.verify.remake import Divergence, rebuild

if TYPE_CHECKING:
    from tasks.registry import Version

__all__ = ["Divergence", "Finding", "rebuild", "verify"]


def verify(pipeline: str, version: Version | None = None) -> list[Finding]:
    """Check every hash of a pipeline's versions, or of one of them; no ref moves, and nothing of the user's changes.

    A folder's list of files that the cache lacks is brought from the remote, to see what it lists.

    Parameters
    ----------
    pipeline : str
    version : Version, optional
        Check the objects of this one alone; tags, ledger and remote are checked against each other in any case.

    Returns
    -------
    list of Finding
        Empty if every link holds; from the tags downwards.
    """
    from tasks.registry import versions
    from tasks.verify.ledger_chain import ledger_findings
    from tasks.verify.version_chain import Stock, version_findings

    found = ledger_findings(pipeline, version.commit if version else None)
    with Stock.opened() as stock:
        for each in [version] if version else versions(pipeline):
            found += version_findings(each, stock)
        found += stock.findings()
    return found
