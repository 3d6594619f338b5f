"""Choose one way on by looking at the query alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import Field, model_validator

from mirepoix.spec.node import KINDS, Node
from mirepoix.strict import Strict, unknown

if TYPE_CHECKING:
    from mirepoix.spec import Pipeline


class Branch(Strict):
    """One way out of a route: taken when the score is `below` a bound, or the `task` is this one, or else."""

    below: float | None = Field(default=None, gt=0, le=1)
    task: str | None = None
    then: Pipeline

    @model_validator(mode="before")
    @classmethod
    def _from_shape(cls, data: Any) -> Any:
        """Let `{below: 0.3, call: {...}}` stand for `{below: 0.3, then: {call: {...}}}`."""
        if not isinstance(data, Mapping) or "then" in data:
            return data
        conditions = {key: data[key] for key in ("below", "task") if key in data}
        node = {key: value for key, value in data.items() if key not in conditions}
        for key in node:
            if key not in (*KINDS, "name"):
                raise ValueError(unknown(f"key {str(key)!r}", str(key), ("below", "task", *KINDS, "name")))
        return {**conditions, "then": node}


class Route(Node):
    """Choose one branch by looking at the query alone. The first branch that fits is taken; the last is the default."""

    kind: Literal["route"] = "route"
    by: Literal["complexity", "task"]
    to: tuple[Branch, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _branches_fit(self) -> Self:
        condition, other = ("below", "task") if self.by == "complexity" else ("task", "below")
        for index, branch in enumerate(self.to):
            last = index == len(self.to) - 1
            if getattr(branch, other) is not None:
                raise ValueError(f"branch {index}: a route by {self.by} asks for {condition!r}, not {other!r}.")
            if (getattr(branch, condition) is None) != last:
                need = f"has no {condition!r}: it is the default" if last else f"needs {condition!r}"
                raise ValueError(f"branch {index}: the {'last' if last else 'earlier'} branch {need}.")
        bounds = [branch.below for branch in self.to if branch.below is not None]
        if bounds != sorted(set(bounds)):
            raise ValueError(f"the bounds of a route rise from branch to branch; these are {bounds}.")
        tasks = [branch.task for branch in self.to if branch.task is not None]
        if len(tasks) != len(set(tasks)):
            raise ValueError(f"each task has one branch; these are {tasks}.")
        return self
