"""What Holdfast raises when a user can do something about it."""


class HoldfastError(Exception):
    """Something that the user can mend; the text says what was found, expected, where, and what to do.

    `exit_code` is what the command line ends with; docs/exit-codes.md lists them.
    """

    exit_code = 1


class ConfigError(HoldfastError):
    """A declaration under `configs/`, `params.yaml` or the command line is not valid; nothing ran."""

    exit_code = 2


class DataError(HoldfastError):
    """The data are not what was declared.

    Parameters
    ----------
    text : str
        What was found, expected, and what to do.
    key : tuple of str or int
        Where it is about a key of the pipeline's YAML, the keys that lead there, such as `("split", "folds")`; the
        shell that knows the file puts it and the line before the text.
    """

    def __init__(self, text: str = "", *, key: tuple[str | int, ...] = ()) -> None:
        super().__init__(text)
        self.key = key


class StageFailedError(HoldfastError):
    """A stage ended in something that is no HoldfastError: a bug, an exit, a killed process."""


class CorruptionError(HoldfastError):
    """Bytes are not the ones that were pinned; they were not used."""

    exit_code = 3


class EnvironmentMismatchError(HoldfastError):
    """The machine or its libraries are not the ones that the project is locked to."""

    exit_code = 4
