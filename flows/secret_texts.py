"""Texts that Prefect keeps secret; they go from here to what uses them and into no parameter, result or log."""

from __future__ import annotations

from configs.errors import ConfigError


class NoSecretError(ConfigError):
    """Prefect has no Secret block of that name, or it holds no text."""


def read_secret(name: str) -> str:
    """What a Prefect Secret block holds.

    Raises
    ------
    NoSecretError
        The text does not show what the block holds.
    """
    from flows.server import prefect_server

    with prefect_server():
        from prefect.blocks.system import Secret

        try:
            held = Secret.load(name).get()  # type: ignore[union-attr]
        except ValueError:
            held = None
    if not isinstance(held, str) or not held:
        raise NoSecretError(
            f"Prefect has no Secret block {name!r} with a text in it. Make one in Prefect's UI, under Blocks, or: "
            f"`python -c \"from prefect.blocks.system import Secret; Secret(value=input()).save('{name}')\"`."
        )
    return held
