"""What the templates of a step see: the input, the answers before it, and the item inside a map."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from pydantic import JsonValue

from mirepoix.ended import Below
from mirepoix.errors import PipelineError
from mirepoix.paths import Place, is_adviser
from mirepoix.spec import Call, Ensemble, Map
from pipelines.ensembles import candidates, standing_of
from pipelines.gates import fence
from pipelines.items import items_of
from pipelines.reducers.verdict import mark_of, shown
from pipelines.scope import Scope, scope_of
from pipelines.templates import as_text, render

Values = dict[str, JsonValue]


class Record(Protocol):
    """What is known of a job so far, in the ledger or in a replay."""

    @property
    def job_id(self) -> str:
        """The job."""

    @property
    def given(self) -> JsonValue:
        """Its input."""

    def outputs(self, paths: Iterable[str]) -> Values:
        """The answers of those of `paths` that have one."""

    def below(self, path: str) -> list[Below]:
        """The steps right below `path`, in order."""


def visible_values(record: Record, place: Place) -> Values:
    """What a template at `place` sees: input, previous, steps, and item inside a map. Raises PipelineError."""
    scope = scope_of(place)
    outputs = record.outputs(scope.paths)
    values: Values = {
        "input": record.given,
        "steps": {name: outputs[path] for name, path in scope.names.items() if path in outputs},
    }
    item = _item(record, scope)
    if scope.items_of is not None:
        values["item"] = item
    values["previous"] = _previous(scope, outputs, item if scope.items_of is not None else record.given)
    if scope.judged:
        values |= _material(scope.judged, values, outputs)
    return values | _advice(record, place)


def find_items(record: Record, place: Place) -> list[JsonValue]:
    """What the map at `place` runs over. Raises PipelineError."""
    node = place.node
    if not isinstance(node, Map):
        raise PipelineError(f"step {place.path!r} is no map.")
    return items_of(node, render(node.over, visible_values(record, place)))


def _previous(scope: Scope, outputs: Values, first: JsonValue) -> JsonValue:
    """The answer of the step before, passing over those that were not done; `first` where there is none.

    Who does not refer to it may come before it is there, and never sees that it is not.
    """
    for path in scope.previous:
        if outputs.get(path) is not None or path not in scope.optional:
            return outputs.get(path)
    return first


def _material(tiers: Sequence[Place], values: Values, outputs: Values) -> Values:
    """What a judge sees: what the first tier was asked, as far as that is known, what it answered, and the `other`."""
    tier = tiers[0]
    asked = render(tier.node.prompt, values) if isinstance(tier.node, Call) else as_text(values["previous"])
    answers = {
        name: fence(name, as_text(outputs[one.path])) for name, one in zip(("answer", "other"), tiers, strict=False)
    }
    return {"question": fence("question", asked), **answers}


def _item(record: Record, scope: Scope) -> JsonValue:
    if scope.items_of is None or scope.item is None:
        return None
    return find_items(record, scope.items_of)[scope.item]


def _advice(record: Record, place: Place) -> Values:
    """What the prompt of the adviser at `place` sees beside what every prompt does; nothing when it is none."""
    if place.parent is None or not is_adviser(place):
        return {}
    node = place.parent.node
    if not isinstance(node, Ensemble):
        return {}
    standing = standing_of(place.parent, record.job_id, record.below(place.parent.path))
    mark = mark_of(standing.seed)
    answers = [shown(group.members[0].answer, mark) for group in candidates(node, standing)]
    return {"answers": answers, "mark": mark}
