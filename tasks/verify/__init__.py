"""Following every hash from tag to file: tags, ledger, git remote, record, dvc.lock, objects, bundle.

What a tag names is found to be what was registered, or the link that does not hold is named. Somebody who rewrites the
ledger and its tags, here and in the remote alike, leaves no trace that could be found: that is out of scope, and the
reason for a remote that refuses forced pushes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from configs.errors import HoldfastError
from tasks.verify.broken import Finding
from tasks.verify.remake import Divergence, rebuild

if TYPE_CHECKING:
    from tasks.registry import Version

__all__ = ["Divergence", "Finding", "erasures", "rebuild", "verify"]


def erasures(pipeline: str) -> list[str]:
    """What was erased on purpose, in words: when, why, which versions were made of it."""
    return [
        f"{event['at']}: {len(event['objects'])} objects were erased ({event['reason']}); of versions: "
        f"{', '.join(event['versions']) or 'none'}"
        for event in erasure_events(pipeline)
    ]


def erased_objects(pipeline: str) -> set[str]:
    """MD5s of objects that were erased on purpose."""
    return {md5 for event in erasure_events(pipeline) for md5 in event["objects"]}


def erasure_events(pipeline: str) -> list[dict[str, Any]]:
    """The ledger's events of that kind; of a ledger that cannot be read, none: what is wrong with it is told anyway."""
    from tasks.registry import tip
    from tasks.registry.event import chain_of

    try:
        return chain_of("erasure", tip(pipeline))
    except HoldfastError:
        return []


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
    with Stock.opened(frozenset(erased_objects(pipeline))) as stock:
        for each in [version] if version else versions(pipeline):
            found += version_findings(each, stock)
        found += stock.findings()
    return found
