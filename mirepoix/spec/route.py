"""Choose one way on by looking at the query alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from mirepoix.spec.node import KINDS, Node
from mirepoix.strict import Strict, unknown

if TYPE_CHECKING:
    from mirepoix.spec import Pipeline

CONDITIONS = ("below", "task", "private", "examples", "model")
ROUTERS = ("first", "complexity", "task", "privacy", "semantic", "cheapest", "fastest", "learned")
"""Those built in. Others go by the name of an entry point of the group `mirepoix.routers`, or by `module:function`."""
USES = {
    "first": (),
    "complexity": ("below",),
    "task": ("task",),
    "privacy": ("private",),
    "semantic": ("examples",),
    "cheapest": (),
    "fastest": (),
    "learned": ("model",),
}
"""The conditions that each router looks at; one that is not built in may look at any."""
AIMS = ("target_quality", "quality_per_usd", "max_cost_per_call")
OPTIONS = {"embeddings": "semantic", "at_least": "semantic", "router": "learned"} | dict.fromkeys(AIMS, "learned")
"""The options of a route that belong to one router."""

Text = Annotated[str, StringConstraints(min_length=1, max_length=10_000)]


class Branch(Strict):
    """One way out of a route, and what speaks for it.

    `below`: the score is below this bound (complexity). `task`: the work is of this kind (task). `private`: it is meant
    for what is personal or secret (privacy). `examples`: queries like those that belong here (semantic). `model`: the
    name under which a trained router knows who answers here (learned); by default the model of the branch's first call.
    """

    below: float | None = Field(default=None, gt=0, le=1)
    task: str | None = None
    private: Literal[True] | None = None
    examples: tuple[Text, ...] | None = Field(default=None, min_length=1, max_length=1000)
    model: str | None = Field(default=None, min_length=1, max_length=200)
    then: Pipeline

    @model_validator(mode="before")
    @classmethod
    def _from_shape(cls, data: Any) -> Any:
        """Let `{below: 0.3, call: {...}}` stand for `{below: 0.3, then: {call: {...}}}`."""
        if not isinstance(data, Mapping) or "then" in data:
            return data
        conditions = {key: data[key] for key in CONDITIONS if key in data}
        node = {key: value for key, value in data.items() if key not in conditions}
        for key in node:
            if key not in (*KINDS, "name"):
                raise ValueError(unknown(f"key {str(key)!r}", str(key), (*CONDITIONS, *KINDS, "name")))
        return {**conditions, "then": node}


class Route(Node):
    """Choose one branch by looking at the query alone.

    Branches that cannot answer it (it must not leave the house, it is too long, a model lacks what a call needs) are
    ruled out first; `by` chooses among the others. `embeddings` (semantic) is how texts become vectors: `ngrams`, an
    entry point of the group `mirepoix.embeddings`, or `module:function`; `at_least` is the similarity under which the
    last branch, if it has no examples, is taken. `router` (learned) is the name of one that was trained and promoted;
    it aims at one thing: `target_quality`, the share of the quality of the best single model that must be kept;
    `quality_per_usd`, how many more right answers a dollar must buy; or `max_cost_per_call`, USD.
    """

    kind: Literal["route"] = "route"
    by: str = Field(pattern=r"^([a-z][a-z0-9_-]{0,63}|[A-Za-z_][\w.]*:[A-Za-z_]\w*)$")
    to: tuple[Branch, ...] = Field(min_length=1)
    embeddings: str | None = Field(default=None, pattern=r"^([a-z][a-z0-9_-]{0,63}|[A-Za-z_][\w.]*:[A-Za-z_]\w*)$")
    at_least: float | None = Field(default=None, ge=0, le=1)
    router: str | None = Field(default=None, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")
    target_quality: float | None = Field(default=None, gt=0, le=1)
    quality_per_usd: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    max_cost_per_call: float | None = Field(default=None, gt=0, allow_inf_nan=False)

    @model_validator(mode="after")
    def _branches_fit(self) -> Self:
        uses = USES.get(self.by)
        if uses is not None:
            self._refuse_what_is_not_looked_at(uses)
        if self.by in ("complexity", "task"):
            self._require_on_all_but_the_last(uses[0] if uses else "")
        if self.by == "privacy" and not any(branch.private for branch in self.to):
            raise ValueError("a route by privacy needs a branch that is private: true.")
        if self.by == "semantic" and any(branch.examples is None for branch in self.to[: max(1, len(self.to) - 1)]):
            raise ValueError("each branch of a route by semantic has examples; only the last may be without.")
        if self.by == "learned":
            self._require_router_and_one_aim()
        self._require_differing_bounds_and_tasks()
        return self

    def _refuse_what_is_not_looked_at(self, uses: tuple[str, ...]) -> None:
        for index, branch in enumerate(self.to):
            for other in CONDITIONS:
                if other not in uses and getattr(branch, other) is not None:
                    asks = f"asks for {uses[0]!r}, not {other!r}" if uses else f"does not look at {other!r}"
                    raise ValueError(f"branch {index}: a route by {self.by} {asks}.")
        for option, router in OPTIONS.items():
            if getattr(self, option) is not None and self.by != router:
                raise ValueError(f"{option!r} belongs to a route by {router}.")

    def _require_router_and_one_aim(self) -> None:
        if self.router is None:
            raise ValueError("a route by learned names its 'router': one that `mirepoix train` made.")
        given = [aim for aim in AIMS if getattr(self, aim) is not None]
        if len(given) != 1:
            raise ValueError(f"a route by learned has exactly one of {', '.join(AIMS)}; this one has {len(given)}.")

    def _require_on_all_but_the_last(self, condition: str) -> None:
        for index, branch in enumerate(self.to):
            last = index == len(self.to) - 1
            if (getattr(branch, condition) is None) != last:
                need = f"has no {condition!r}: it is the default" if last else f"needs {condition!r}"
                raise ValueError(f"branch {index}: the {'last' if last else 'earlier'} branch {need}.")

    def _require_differing_bounds_and_tasks(self) -> None:
        bounds = [branch.below for branch in self.to if branch.below is not None]
        if bounds != sorted(set(bounds)):
            raise ValueError(f"the bounds of a route rise from branch to branch; these are {bounds}.")
        tasks = [branch.task for branch in self.to if branch.task is not None]
        if len(tasks) != len(set(tasks)):
            raise ValueError(f"each task has one branch; these are {tasks}.")
