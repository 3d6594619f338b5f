"""Pipelines as data: a tree of frozen models that nest freely, the same in Python and in YAML.

    Chain(steps=[Call(name="text", model="reader"), Call(name="summary", model="mini")])

    chain: [{name: text, call: {model: reader}}, {name: summary, call: {model: mini}}]

A node stands in YAML as a mapping with exactly one kind (`call`, `route`, `cascade`, `ensemble`, `chain`, `map`) and
optionally a `name`. What a step may refer to in its prompt: `input` (the job's input), `previous` (the output of the
step before it in its chain, else the input), `steps.NAME` (any earlier named step of a chain around it), `item` (inside
a map).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, TypeAdapter, model_validator

from mirepoix.strict import Strict, unknown

KINDS = ("call", "route", "cascade", "ensemble", "chain", "map")

StepName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]


def _from_shape(data: Any) -> Any:
    """Turn `{name: x, call: {...}}` into `{kind: call, name: x, ...}`; leave built nodes as they are."""
    if isinstance(data, _Node) or not isinstance(data, Mapping) or "kind" in data:
        return data
    kinds = [key for key in data if key in KINDS]
    rest = {key: value for key, value in data.items() if key not in KINDS}
    strange = next((key for key in rest if key != "name"), None)
    if strange is not None:
        raise ValueError(unknown(f"key {str(strange)!r}", str(strange), (*KINDS, "name")))
    if len(kinds) != 1:
        raise ValueError(f"a node has exactly one of {', '.join(KINDS)}; this one has {', '.join(kinds) or 'none'}.")
    body = data[kinds[0]]
    if kinds[0] == "chain" and isinstance(body, Sequence) and not isinstance(body, str):
        body = {"steps": body}
    if not isinstance(body, Mapping):
        raise ValueError(f"{kinds[0]} takes a mapping of its settings, not {type(body).__name__}.")
    return {"kind": kinds[0], **rest, **body}


class _Node(Strict):
    name: StepName | None = None


class Call(_Node):
    """One question to one model. `prompt` and `system` are sandboxed templates.

    `max_tokens` bounds the answer, `timeout` the seconds that one attempt may take (at the most its provider's).
    """

    kind: Literal["call"] = "call"
    model: str
    prompt: str = "{{ previous }}"
    system: str | None = None
    temperature: float | None = Field(default=None, ge=0, le=2)
    max_tokens: int | None = Field(default=None, gt=0)
    timeout: float | None = Field(default=None, gt=0, le=3600)


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


class Route(_Node):
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


class Accept(Strict):
    """A cascade stops at the first answer whose quality score is at least this (0..1)."""

    at_least: float = Field(default=0.8, ge=0, le=1)


class Cascade(_Node):
    """Ask the first tier; look at its answer; go on to the next tier only when it is not good enough."""

    kind: Literal["cascade"] = "cascade"
    tiers: tuple[Pipeline, ...] = Field(min_length=1, max_length=20)
    accept: Accept = Accept()


class Vote(Strict):
    """The answer that most members gave, compared without case, punctuation and surrounding white space."""


class Reduce(Strict):
    """How the members' answers become one."""

    vote: Vote = Vote()


class Ensemble(_Node):
    """Ask all members at once and reduce their answers; `min_success` members must answer (default: a majority)."""

    kind: Literal["ensemble"] = "ensemble"
    members: tuple[Pipeline, ...] = Field(min_length=1, max_length=200)
    reduce: Reduce = Reduce()
    min_success: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _can_succeed(self) -> Self:
        if self.min_success is not None and self.min_success > len(self.members):
            raise ValueError(f"min_success is {self.min_success}, but there are only {len(self.members)} members.")
        return self

    @property
    def quorum(self) -> int:
        """How many members must answer."""
        return self.min_success if self.min_success is not None else len(self.members) // 2 + 1


class Chain(_Node):
    """One step after another; each sees what earlier ones answered. The last one's answer is the chain's."""

    kind: Literal["chain"] = "chain"
    steps: tuple[Pipeline, ...] = Field(min_length=1, max_length=200)

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        names = [step.name for step in self.steps if step.name]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two steps of one chain are called {twice[0]!r}; names must differ.")
        return self


class Map(_Node):
    """Do the same for each item `over` a template that gives a JSON list or lines; the answers form a list."""

    kind: Literal["map"] = "map"
    over: str = "{{ previous }}"
    each: Pipeline
    max_items: int = Field(default=100, ge=1, le=1000)


Pipeline = Annotated[
    Annotated[Call | Route | Cascade | Ensemble | Chain | Map, Field(discriminator="kind")],
    BeforeValidator(_from_shape),
]

for _model in (Branch, Route, Cascade, Ensemble, Chain, Map):
    _model.model_rebuild()

_ADAPTER: TypeAdapter[Pipeline] = TypeAdapter(Pipeline)


def parse(data: object) -> Pipeline:
    """Build a pipeline from plain data, in the YAML shape or that of `dump`; raises pydantic's ValidationError."""
    return _ADAPTER.validate_python(data)


def dump(spec: Pipeline) -> dict[str, Any]:
    """Plain data that `parse` turns back into the same pipeline."""
    return spec.model_dump(mode="json", exclude_none=True)


def version(spec: Pipeline) -> str:
    """The first 16 hex digits of the SHA-256 of the canonical JSON of `spec`."""
    text = json.dumps(dump(spec), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
