"""Messages through Prefect's notification blocks: one per incident, written down once it was sent."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from prefect import task
from prefect.blocks.abstract import NotificationBlock
from prefect.blocks.core import Block
from prefect.cache_policies import NO_CACHE
from prefect.tasks import exponential_backoff

from configs.errors import ConfigError, HoldfastError
from configs.load import check_pipeline
from tasks import monitoring, registry
from tasks.monitoring.message import body, subject
from tasks.monitoring.watch import newest
from tasks.registry import Event


class NoBlockError(ConfigError):
    """Prefect has no notification block of a declared name."""


class NotSentError(HoldfastError):
    """A block could not send its message."""


@task(name="notify", cache_policy=NO_CACHE, retries=2, retry_delay_seconds=exponential_backoff(5))
def notify(block: str, title: str, text: str) -> None:
    """Send one message; the block knows where to.

    Raises
    ------
    NoBlockError
    NotSentError
        With the kind of the error alone: what a block's error says may hold the address or the token that it sends by.
    """
    sender, failed = loaded(block), None
    try:
        sender.notify(text, subject=title)  # type: ignore[unused-coroutine]  # no loop runs here: it is done
    except Exception as error:  # each kind of block has its own
        failed = kind_of(error)
    if failed is not None:
        raise NotSentError(
            f"notify.blocks: {block!r} could not send its message ({failed}); its address and keys are not shown. Look "
            "at the block in Prefect's UI, under Blocks. The next run tries again."
        )


def kind_of(error: Exception) -> str:
    """What went wrong, without a word of what the error says."""
    status = getattr(getattr(error, "response", None), "status_code", None)
    return type(error).__name__ + (f", status {status}" if status is not None else "")


def loaded(block: str) -> NotificationBlock:
    """A notification block of Prefect.

    Raises
    ------
    NoBlockError
        If there is none of that name, or it sends no messages.
    """
    try:
        found: Any = Block.load(block)
    except ValueError:
        found = None
    if not isinstance(found, NotificationBlock):
        raise NoBlockError(
            f"notify.blocks: Prefect has no notification block {block!r}. Make one in Prefect's UI, under Blocks; its "
            "name is `type/name`, as `prefect block ls` lists it."
        )
    return found


def tell(pipeline: str, judged: Collection[str]) -> None:
    """Tell the declared blocks of each incident that is news; see `tasks.monitoring.untold`."""
    declared = check_pipeline(pipeline)
    events = registry.events(pipeline)
    for event in monitoring.untold(events, judged) if declared.notify.blocks else []:
        call = newest(events, "retrain")
        text = body(event, call["decision"] if call else None, declared)
        for block in declared.notify.blocks:
            notify(block, subject(event), text)
        note(pipeline, event, declared.notify.blocks)


def note(pipeline: str, event: Mapping[str, Any], blocks: tuple[str, ...]) -> None:
    """Write down who was told."""
    registry.append(pipeline, Event("notice", {"incident": event["incident"], "blocks": list(blocks)}))
