"""Say which decisions of a replay come out as they were recorded."""

from __future__ import annotations

import json
from collections import defaultdict
from enum import StrEnum
from itertools import zip_longest

from pydantic import BaseModel, ConfigDict, JsonValue

from mirepoix.printable import printable
from mirepoix.spec import version
from mirepoix.states import StepState
from mirepoix.views import Decision, TraceView
from pipelines.replay.walk import Walk


class Outcome(StrEnum):
    """How a decision of the replay compares with the recorded one."""

    SAME = "same"
    """The same choice, for the same reason, from the same features."""
    OTHERWISE = "explained_otherwise"
    """The same choice; its reason, confidence or features differ."""
    CHANGED = "changed"
    """Another choice."""
    NEW = "new"
    """The replay decides here, and nothing was recorded."""
    GONE = "gone"
    """It was recorded, and the replay does not come to it."""
    FACT = "as_recorded"
    """A worker decided it about the request itself; it is taken as recorded."""


CHOSEN_ALIKE = (Outcome.SAME, Outcome.OTHERWISE, Outcome.FACT)


class ReplayedDecision(BaseModel):
    """One decision of a step, as recorded and as the replay makes it."""

    model_config = ConfigDict(frozen=True)

    path: str
    kind: str
    number: int
    outcome: Outcome
    recorded: Decision | None
    replayed: Decision | None

    @property
    def differing(self) -> list[str]:
        """The features that are not the same in both."""
        if self.recorded is None or self.replayed is None:
            return []
        before, after = self.recorded.features, self.replayed.features
        return [name for name in sorted({*before, *after}) if before.get(name) != after.get(name)]


class UnaskedCall(BaseModel):
    """A call that no recorded answer serves: this question was never put to this model."""

    model_config = ConfigDict(frozen=True)

    path: str
    model: str


class Replay(BaseModel):
    """What a replay of a job came to. `state` and `output` are those of the replay, `running` where answers end.

    `same`: every choice comes out as recorded, and recorded answers lead to the end of what was done.
    `facts` says by step what was taken as recorded because only a clock, or a worker, knows it.
    """

    model_config = ConfigDict(frozen=True)

    job: str
    pipeline: str
    version: str
    replayed_version: str
    same: bool
    decisions: tuple[ReplayedDecision, ...]
    unasked: tuple[UnaskedCall, ...]
    facts: dict[str, str]
    state: StepState
    output: JsonValue
    same_output: bool

    @property
    def changes(self) -> list[ReplayedDecision]:
        """The decisions that do not come out the same."""
        return [one for one in self.decisions if one.outcome not in (Outcome.SAME, Outcome.FACT)]


def compare(trace: TraceView, walk: Walk) -> Replay:
    """The decisions of `trace`, each beside that of `walk`."""
    recorded = {step.path: step.decisions for step in trace.steps if step.decisions}
    kinds = walk.kinds | {step.path: step.kind for step in trace.steps}
    replayed: dict[str, list[Decision]] = defaultdict(list, walk.decisions)
    paths = [*recorded, *(path for path in replayed if path not in recorded)]
    decisions = tuple(
        _one(path, kinds[path], number, before, after, fact=walk.kinds.get(path) == "call")
        for path in paths
        for number, (before, after) in enumerate(zip_longest(recorded.get(path, ()), replayed[path]))
    )
    end = walk.end
    return Replay(
        job=trace.job,
        pipeline=trace.pipeline,
        version=trace.version,
        replayed_version=version(walk.spec),
        same=all(one.outcome in CHOSEN_ALIKE for one in decisions) and not walk.unasked,
        decisions=decisions,
        unasked=tuple(UnaskedCall(path=one.path, model=one.model) for one in walk.unasked),
        facts=dict(walk.facts),
        state=end.state,
        output=end.output,
        same_output=_json(end.output) == _json(trace.output),
    )


def _one(
    path: str, kind: str, number: int, before: Decision | None, after: Decision | None, *, fact: bool
) -> ReplayedDecision:
    after = None if after is None else _as_stored(after)
    outcome = Outcome.FACT if fact and after is not None else _outcome(before, after)
    return ReplayedDecision(path=path, kind=kind, number=number, outcome=outcome, recorded=before, replayed=after)


def _outcome(before: Decision | None, after: Decision | None) -> Outcome:
    if before is None:
        return Outcome.NEW
    if after is None:
        return Outcome.GONE
    if before.choice != after.choice:
        return Outcome.CHANGED
    return Outcome.SAME if before == after else Outcome.OTHERWISE


def _as_stored(decision: Decision) -> Decision:
    """As it would be read back from the ledger."""
    return Decision(
        choice=printable(decision.choice, 400),
        reason=printable(decision.reason),
        confidence=decision.confidence,
        features=json.loads(json.dumps(decision.features)),
        trained=decision.trained,
    )


def _json(value: JsonValue) -> str:
    return json.dumps(value, sort_keys=True)
