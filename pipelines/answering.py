"""What an outsider may ask of a pipeline: which fields of its input it reads, and an answer that fits a schema."""

from __future__ import annotations

from typing import Any

from mirepoix.errors import PipelineError
from mirepoix.paths import walk
from mirepoix.spec import Call, Cascade, Chain, Ensemble, If, Pipeline, Route
from pipelines.references import templates_of
from pipelines.templates import fields_of


def input_fields(spec: Pipeline) -> frozenset[str]:
    """The fields of the job's input that `spec` reads by name; none for a pipeline that takes a plain text."""
    templates = [template for place in walk(spec) for template in templates_of(place)]
    return frozenset().union(*(fields_of(template, "input") for template in templates))


def answering_in(spec: Pipeline, schema: dict[str, Any]) -> Pipeline:
    """`spec`, every call whose answer may be the whole's held to `schema`. Raises PipelineError where none speaks last.

    A call that is held to a schema of its own, or has tools, cannot be held to another.
    """
    match spec:
        case Call() if spec.schema_ is None and spec.tools is None:
            return spec.model_copy(update={"schema_": schema})
        case Route():
            branches = [branch.model_copy(update={"then": answering_in(branch.then, schema)}) for branch in spec.to]
            return spec.model_copy(update={"to": tuple(branches)})
        case Cascade():
            return spec.model_copy(update={"tiers": tuple(answering_in(tier, schema) for tier in spec.tiers)})
        case Chain():
            last = answering_in(spec.steps[-1], schema)
            return spec.model_copy(update={"steps": (*spec.steps[:-1], last)})
        case If():
            return spec.model_copy(update={"then": answering_in(spec.then, schema)})
        case Ensemble() if _chooses(spec):
            return spec.model_copy(update={"members": tuple(answering_in(member, schema) for member in spec.members)})
        case _:
            raise PipelineError(f"its last word is a {spec.kind} that cannot be held to another schema.")


def _chooses(ensemble: Ensemble) -> bool:
    """Whether the ensemble's answer is one of its members'."""
    reduce = ensemble.reduce
    return reduce.fuse is None and reduce.by_field is None and reduce.numbers is None and not _averages(ensemble)


def _averages(ensemble: Ensemble) -> bool:
    return ensemble.reduce.median is not None or ensemble.reduce.mean is not None
