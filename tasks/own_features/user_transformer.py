"""Finding the user's transformer: a dotted name in `configs/<pipeline>/` becomes an unfitted object."""

from __future__ import annotations

from typing import Any

from sklearn.base import BaseEstimator, clone

from configs.errors import ConfigError, HoldfastError
from configs.wording import hint, listed
from tasks.own_features.user_code import code_folder, load_module


class UnknownTransformerError(ConfigError):
    """`features.transformer` names no transformer in the pipeline's own code."""


def new_transformer(name: str, pipeline: str) -> Any:
    """Import what `features.transformer` names, and make an unfitted transformer of it.

    Parameters
    ----------
    name : str
        `<module>.<class>` or `<module>.<object>`.
    pipeline : str

    Returns
    -------
    object
        A new instance of the class, made without arguments, or a clone of the object.

    Raises
    ------
    UnknownTransformerError
        If the module cannot be imported, has no such name, or it is no transformer.
    """
    module_name, _, attribute = name.rpartition(".")
    module, file = imported(module_name, pipeline), code_folder(pipeline) / f"{module_name.replace('.', '/')}.py"
    if not hasattr(module, attribute):
        known = sorted(
            key for key, value in vars(module).items() if is_transformer(value) and not is_imported(value, module)
        )
        found = f"transformers there are {listed(known)}" if known else "no transformer is there"
        raise UnknownTransformerError(f"{file}: there is no {attribute!r}{hint(attribute, known)}; {found}")
    found = getattr(module, attribute)
    if not is_transformer(found):
        raise UnknownTransformerError(
            f"{file}: {attribute!r} is no transformer of scikit-learn; a class with `fit` and `transform`, such as one "
            "of TransformerMixin and BaseEstimator, was expected"
        )
    if not isinstance(found, type):
        return clone(found)
    try:
        return found()
    except TypeError as error:
        raise UnknownTransformerError(
            f"{file}: {attribute!r} cannot be made without arguments ({error}); give them default values, or name an "
            f"object: `ready = {attribute}(...)`"
        ) from error


def imported(name: str, pipeline: str) -> Any:
    """Import a module of the pipeline's own code."""
    folder = code_folder(pipeline)
    try:
        return load_module(pipeline, name)
    except HoldfastError:
        raise
    except Exception as error:  # whatever the user's code raises while it is imported
        file = folder / f"{name.replace('.', '/')}.py"
        known = sorted(path.stem for path in folder.glob("*.py") if path.stem != "__init__")
        if not file.exists() and not file.with_suffix("").is_dir():
            there = f"modules there are {listed(known)}" if known else "no module is there"
            raise UnknownTransformerError(f"{file}: there is no such file{hint(name, known)}; {there}") from error
        raise UnknownTransformerError(f"{file}: cannot be imported: {type(error).__name__}: {error}") from error


def is_transformer(found: Any) -> bool:
    """Whether something is a scikit-learn transformer, or a class of them."""
    kind = found if isinstance(found, type) else type(found)
    return issubclass(kind, BaseEstimator) and hasattr(found, "fit") and hasattr(found, "transform")


def is_imported(found: Any, module: Any) -> bool:
    """Whether a class comes from elsewhere."""
    return isinstance(found, type) and found.__module__ != module.__name__
