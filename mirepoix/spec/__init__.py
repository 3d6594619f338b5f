"""Pipelines as data: a tree of frozen models that nest freely, the same in Python and in YAML.

    Chain(steps=[Call(name="text", model="reader"), Call(name="summary", model="mini")])

    chain: [{name: text, call: {model: reader}}, {name: summary, call: {model: mini}}]

A node stands in YAML as a mapping with exactly one kind (`call`, `route`, `cascade`, `ensemble`, `chain`, `map`) and
optionally a `name`; a step of a chain may also say `when` it is done, and the root what to `store` of its jobs' texts.
What a step may refer to in its prompt: `input`
(the job's input), `previous` (the output of the step before it in its chain, else the input), `steps.NAME` (any earlier
named step of a chain around it), `item` (inside a map). Steps of a chain that do not refer to each other run side by
side.
"""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, TypeAdapter

from mirepoix.spec.agreement import Agreement, Comparison, Fields, SameAs
from mirepoix.spec.call import Cache, Call
from mirepoix.spec.cascade import Accept, Cascade, Policy
from mirepoix.spec.chain import Chain
from mirepoix.spec.condition import If
from mirepoix.spec.ensemble import Ensemble, Hedge, TieJudge
from mirepoix.spec.gates import Gates
from mirepoix.spec.map import Map, Split
from mirepoix.spec.node import KINDS, Node, StepName, from_shape
from mirepoix.spec.reduce import ByField, First, Fuse, Judge, Mean, Median, Numbers, Reduce, Tolerance, Vote
from mirepoix.spec.route import Branch, Route

__all__ = [
    "KINDS",
    "Accept",
    "Agreement",
    "Branch",
    "ByField",
    "Cache",
    "Call",
    "Cascade",
    "Chain",
    "Comparison",
    "Ensemble",
    "Fields",
    "First",
    "Fuse",
    "Gates",
    "Hedge",
    "If",
    "Judge",
    "Map",
    "Mean",
    "Median",
    "Node",
    "Numbers",
    "Pipeline",
    "Policy",
    "Reduce",
    "Route",
    "SameAs",
    "Split",
    "StepName",
    "TieJudge",
    "Tolerance",
    "Vote",
    "dump",
    "parse",
    "version",
]

Pipeline = Annotated[
    Annotated[Call | Route | Cascade | Ensemble | Chain | Map | If, Field(discriminator="kind")],
    BeforeValidator(from_shape),
]

for _model in (Branch, Route, Cascade, Ensemble, Chain, Map, If):
    _model.model_rebuild(_types_namespace={"Pipeline": Pipeline})

_ADAPTER: TypeAdapter[Pipeline] = TypeAdapter(Pipeline)


def parse(data: object) -> Pipeline:
    """Build a pipeline from plain data, in the YAML shape or that of `dump`; raises pydantic's ValidationError."""
    return _ADAPTER.validate_python(data)


def dump(spec: Pipeline) -> dict[str, Any]:
    """Plain data that `parse` turns back into the same pipeline."""
    return spec.model_dump(mode="json", exclude_none=True, by_alias=True)


def version(spec: Pipeline) -> str:
    """The first 16 hex digits of the SHA-256 of the canonical JSON of `spec`."""
    text = json.dumps(dump(spec), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
