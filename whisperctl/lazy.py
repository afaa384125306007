"""Names of a package that are imported from its modules when they are first asked for."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module


def attribute(package: str, homes: Mapping[str, str], name: str) -> object:
    """The name that a package's ``__getattr__`` is asked for.

    Args:
        package: the package's own name.
        homes: for each name the module in the package that has it.
        name: what is asked for.

    Raises:
        AttributeError: there is no such name.
    """
    if name not in homes:
        raise AttributeError(f'module "{package}" has no attribute "{name}"')
    return getattr(import_module(f"{package}.{homes[name]}"), name)
