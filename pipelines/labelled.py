"""From the traces of jobs whose right answers are known to what `pipelines.calibration` learns from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from pydantic import JsonValue

from mirepoix.errors import NotFound, PipelineError
from mirepoix.paths import FIELDS, Place, child, comparisons_of, find, judge_of, samples_of, walk
from mirepoix.spec import Branch, Cascade, Pipeline, parse
from mirepoix.views import Decision, StepView, TraceView
from pipelines.calibration import NEVER, Policy, Run, TierRun
from pipelines.reducers import normalise

NO_ANSWER = -math.inf


@dataclass(frozen=True, slots=True)
class Label:
    """What is known of a job: answers that count as right, or what the answer it gave was worth, 0..1."""

    expected: tuple[JsonValue, ...] = ()
    quality: float | None = None


def find_gated(spec: Pipeline, path: str | None) -> Place:
    """As `find_cascade`, one that has thresholds. Raises PipelineError, NotFound."""
    place = find_cascade(spec, path)
    if isinstance(place.node, Cascade) and place.node.policy is not None:
        raise PipelineError(f"step {place.path!r} follows a learned policy and has no thresholds; `mirepoix tune` it.")
    return place


def find_cascade(spec: Pipeline, path: str | None) -> Place:
    """The cascade at `path`, or the only one of `spec`. Raises PipelineError, NotFound."""
    if path is not None:
        place = find(spec, path)
        if not isinstance(place.node, Cascade):
            raise PipelineError(f"step {path!r} is no cascade.")
        return place
    found = [place for place in walk(spec) if isinstance(place.node, Cascade)]
    if len(found) != 1:
        names = ", ".join(place.path for place in found)
        raise PipelineError(
            f"the pipeline has {len(found)} cascades ({names}); name one with --step." if found else "no cascade in it."
        )
    return found[0]


def asking_all(place: Place) -> Pipeline:
    """The pipeline around the cascade at `place`, which asks all its tiers and gates there."""
    node = place.node
    if not isinstance(node, Cascade):
        raise PipelineError(f"step {place.path!r} is no cascade.")
    asks = node.model_copy(update={"accept": node.accept.model_copy(update={"ask_all": True})})
    return _rebuilt(place, asks)


def thresholds_of(policy: Policy) -> list[float | None]:
    """As printed: None for a tier whose answer is never accepted."""
    return [None if threshold == NEVER else threshold for threshold in policy]


def same_gates(place: Place, trace: TraceView) -> bool:
    """Whether the job went through the cascade at `place`, but for its thresholds."""
    try:
        found = find(parse(trace.spec), place.path)
    except NotFound:
        return False
    return _without_thresholds(found.node) == _without_thresholds(place.node)


def run_of(place: Place, trace: TraceView, label: Label) -> tuple[Run, bool]:
    """The tiers that the job asked in the cascade at `place`, and whether the scores of all of them are whole.

    A score is not whole where gates were left out because the others had settled it.
    """
    steps = {step.path: step for step in trace.steps}
    node, step = place.node, steps.get(place.path)
    if not isinstance(node, Cascade) or step is None:
        return (), True
    run: list[TierRun] = []
    whole = True
    for index in range(len(node.tiers)):
        tier = steps.get(child(place, index).path)
        if tier is None or tier.finished_at is None:
            break
        decision = _decision(step, index)
        last = index == len(node.tiers) - 1
        whole = whole and (last or decision is None or not decision.features.get("not_asked"))
        answered = tier.error is None
        score = float(decision.features["score"]) if answered and decision is not None else NO_ANSWER
        # Where the last tier gives no answer, that of the best before it stands.
        answer = tier.output if answered else step.output if last else None
        run.append(TierRun(score, _quality(label, step, answer, index), float(_cost(place, trace, index))))
    return tuple(run), whole


def _quality(label: Label, step: StepView, answer: JsonValue, index: int) -> float | None:
    if label.expected:
        return float(normalise(answer) in {normalise(right) for right in label.expected}) if answer is not None else 0.0
    stood = step.decision.features.get("accepted", step.decision.features.get("tier")) if step.decision else None
    return label.quality if index == stood else None


def _decision(step: StepView, index: int) -> Decision | None:
    """The last one on that tier that tells its score."""
    of_tier = [d for d in step.decisions if d.features.get("tier") == index and "score" in d.features]
    return of_tier[-1] if of_tier else None


def _cost(place: Place, trace: TraceView, index: int) -> Decimal:
    """What asking the tier cost, with its samples and its judge."""
    roots = [child(place, index).path, *_beside(place, index)]
    return sum(
        (
            attempt.cost_usd or Decimal(0)
            for step in trace.steps
            if any(step.path == root or step.path.startswith(f"{root}.") for root in roots)
            for call in step.calls
            for attempt in call.attempts
        ),
        Decimal(0),
    )


def _beside(place: Place, index: int) -> Sequence[str]:
    gates = place.node.accept.gates if isinstance(place.node, Cascade) else None
    samples = [sample.path for sample in samples_of(place, index)] if gates and gates.consistency else []
    judges = [judge_of(place, index).path] if gates and gates.judge else []
    return [*samples, *judges, *(comparison.path for comparison in comparisons_of(place, index))]


def _without_thresholds(node: Pipeline) -> Pipeline:
    if not isinstance(node, Cascade):
        return node
    accept = node.accept.model_copy(update={"at_least": 0.0, "ask_all": None, "agreement": None, "otherwise": None})
    return node.model_copy(update={"accept": accept, "name": None})


def _rebuilt(place: Place, node: Pipeline) -> Pipeline:
    """The whole pipeline with `node` at `place`."""
    if place.parent is None:
        return node
    above = place.parent.node
    field = FIELDS[above.kind]
    below: Any = getattr(above, field)
    changed: Any = node
    if isinstance(below, tuple):
        old = below[place.index]
        new = old.model_copy(update={"then": node}) if isinstance(old, Branch) else node
        changed = (*below[: place.index], new, *below[place.index + 1 :])
    return _rebuilt(place.parent, above.model_copy(update={field: changed}))
