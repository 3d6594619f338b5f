"""Routers and embeddings of others: `module:function`, or the name of an entry point."""

from __future__ import annotations

from functools import lru_cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

from mirepoix.errors import PipelineError
from mirepoix.strict import unknown


@lru_cache(maxsize=256)
def load(name: str, group: str, built_in: tuple[str, ...] = ()) -> Any:
    """The object that `name` stands for in `group`; raises PipelineError, which also names what is `built_in`."""
    if ":" in name:
        return _imported(name)
    found = {entry.name: entry for entry in entry_points(group=group)}
    if name not in found:
        what = group.rpartition(".")[2].removesuffix("s")
        raise PipelineError(unknown(f"{what} {name!r}", name, (*built_in, *found)))
    return _imported(found[name].value)


def _imported(target: str) -> Any:
    module, _, name = target.partition(":")
    try:
        found = getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise PipelineError(f"{target!r} cannot be imported: {error}.") from error
    if not callable(found):
        raise PipelineError(f"{target!r} is no function.")
    return found
