"""What becomes of one recorded job under another configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import JsonValue

from mirepoix.config import Config
from mirepoix.paths import root
from mirepoix.states import JobState, StepState
from mirepoix.views import TraceView
from pipelines.labelled import Label
from pipelines.reducers import normalise
from pipelines.replay import Library, Walk, walk_recorded, walk_with
from pipelines.routers.learned import Routers
from pipelines.whatif.expect import Expected, Expecting, as_recorded, by_prices_of
from pipelines.whatif.means import Means


@dataclass(frozen=True, slots=True)
class JobOutcome:
    """What a job took and gave, and what it would.

    A quality is 0..1, None where nobody knows. `judged`: a judge's score of the answer stands in for a label.
    `decides_anew`: some decision comes out otherwise.
    """

    job: str
    recorded: Expected
    expected: Expected
    quality: float | None
    new_quality: float | None
    judged: bool
    decides_anew: bool

    @property
    def unseen(self) -> bool:
        """Whether the new way asks a model a question that it was never asked."""
        return bool(self.expected.unseen)


@dataclass(slots=True)
class Evaluation:
    """Evaluates `policy` on recorded jobs. All are learnt first, since one job may hold what another asks.

    `routers` are the trained ones: those that decided then by hash, those that decide now by name.
    """

    config: Config
    policy: Config
    labels: Mapping[str, Label] = field(default_factory=dict)
    routers: Routers = field(default_factory=dict)
    heard: Library = field(default_factory=Library)
    means: Means = field(default_factory=Means)
    walks: list[Walk] = field(default_factory=list)
    left_out: int = 0

    def learn(self, trace: TraceView) -> None:
        """Take a job that has ended; one that never began, or whose pipeline the policy does not know, is left out."""
        if trace.state is JobState.CANCELLED or not trace.steps or trace.pipeline not in self.policy.pipelines:
            self.left_out += 1
            return
        walk = walk_recorded(trace, self.config, self.heard, self.routers)
        self.means.learn(walk)
        self.walks.append(walk)

    def outcomes(self) -> list[JobOutcome]:
        """What would become of each."""
        return [self._outcome(walk) for walk in self.walks]

    def _outcome(self, was: Walk) -> JobOutcome:
        trace = was.trace
        walk = walk_with(trace, self.policy.pipelines[trace.pipeline], self.policy, self.heard, self.routers)
        label = self.labels.get(trace.job)
        worth = (
            (_by_judge(was), _by_judge(walk))
            if label is None
            else (_worth(label, trace.output, was), _worth(label, trace.output, walk))
        )
        return JobOutcome(
            job=trace.job,
            recorded=Expecting(was, self.means, as_recorded).of(root(was.spec)),
            expected=Expecting(walk, self.means, by_prices_of(self.policy)).of(root(walk.spec)),
            quality=worth[0],
            new_quality=worth[1],
            judged=label is None,
            decides_anew=_choices(was) != _choices(walk),
        )


def _worth(label: Label, recorded: JsonValue, walk: Walk) -> float | None:
    """What the walk's output is worth. Without what is expected, another output than the labelled one is not known."""
    if walk.end.state is StepState.FAILED:
        return 0.0
    if walk.end.state is not StepState.SUCCEEDED:
        return None
    said = normalise(walk.end.output)
    if label.expected:
        return float(said in {normalise(right) for right in label.expected})
    return label.quality if said == normalise(recorded) else None


def _by_judge(walk: Walk) -> float | None:
    """The last score that a judge gave to an answer which then stood."""
    if walk.end.state is not StepState.SUCCEEDED:
        return None
    scores = [
        gate["score"]
        for decisions in walk.decisions.values()
        if decisions and decisions[-1].choice == "accept" and "accepted" not in decisions[-1].features
        for gate in decisions[-1].features.get("gates", [])
        if gate["gate"] == "judge" and gate["score"] is not None
    ]
    return float(scores[-1]) if scores else None


def _choices(walk: Walk) -> dict[str, list[str]]:
    return {path: [decision.choice for decision in made] for path, made in walk.decisions.items() if made}
