"""What models and pipelines do on average, learnt from recorded jobs: for calls that were never made."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace
from statistics import StatisticsError, fmean, linear_regression

from mirepoix.paths import find
from mirepoix.spec import Call
from mirepoix.views import AttemptView, StepView
from pipelines.replay import Walk

UNDECIDED = 0.5


@dataclass(slots=True)
class _Seen:
    """The answered requests to one model: characters sent, tokens in and out, seconds."""

    lengths: list[float] = field(default_factory=list)
    inputs: list[float] = field(default_factory=list)
    outputs: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    def add(self, length: int, attempt: AttemptView) -> None:
        """Count one that told its tokens."""
        if attempt.input_tokens is None or attempt.output_tokens is None or attempt.cached:
            return
        self.lengths.append(length)
        self.inputs.append(attempt.input_tokens)
        self.outputs.append(attempt.output_tokens)
        self.seconds.append(attempt.latency_s or 0.0)


@dataclass(frozen=True, slots=True)
class Expectation:
    """The tokens and seconds that a call may be expected to take; `measured` where its model was ever recorded."""

    input: float
    output: float
    seconds: float
    measured: bool


@dataclass(slots=True)
class Means:
    """Learnt walk by walk."""

    _models: dict[str, _Seen] = field(default_factory=lambda: defaultdict(_Seen))
    _choices: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    _accepted: dict[str, list[bool]] = field(default_factory=lambda: defaultdict(list))
    _items: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))

    def learn(self, walk: Walk) -> None:
        """From a job as it was recorded."""
        for path, step in walk.heard.items():
            question = walk.questions.get(path)
            for attempt in _answered(step):
                self._models[step.calls[-1].model].add(question.length if question else 0, attempt)
        self.learn_decisions(walk)

    def learn_decisions(self, walk: Walk) -> None:
        """What the walk decided, and no more."""
        for path, decisions in walk.decisions.items():
            kind = walk.kinds[path]
            for decision in decisions:
                if kind in ("route", "if"):
                    self._choices[path][decision.choice] += 1
                elif kind == "map" and decision.choice == "spread":
                    self._items[path].append(decision.features["items"])
                elif kind == "cascade" and decision.choice in ("accept", "escalate"):
                    self._learn_acceptance(walk, path, decision.choice, decision.features.get("tier", 0))

    def deciding_as(self, other: Means) -> Means:
        """These, but with what `other` saw decided, wherever it saw something decided."""
        return replace(
            self,
            _choices=self._choices | other._choices,
            _accepted=self._accepted | other._accepted,
            _items=self._items | other._items,
        )

    def of_call(self, model: str, length: int | None) -> Expectation:
        """Of a call to `model` that sends so many characters (None: not known). Of all models where it is a new one.

        Input tokens by the least squares of tokens over characters, output tokens and seconds by their mean.
        """
        seen = self._models.get(model)
        measured = seen is not None and bool(seen.outputs)
        if seen is None or not seen.outputs:
            seen = self._all()
        if not seen.outputs:
            return Expectation((length or 0) / 4, 0.0, 0.0, measured=False)
        return Expectation(_input(seen, length), fmean(seen.outputs), fmean(seen.seconds), measured)

    def share(self, path: str, choice: str, of: int) -> float:
        """How often the route or condition at `path` chose so; evenly among `of` where it was never asked."""
        chosen = self._choices.get(path)
        return 1 / of if not chosen else chosen[choice] / chosen.total()

    def accepted(self, model: str) -> float:
        """How often a tier's answer by `model` was accepted."""
        seen = self._accepted.get(model)
        return fmean(seen) if seen else UNDECIDED

    def items(self, path: str) -> float:
        """Over how many items the map at `path` spread."""
        seen = self._items.get(path)
        return fmean(seen) if seen else 1.0

    def _learn_acceptance(self, walk: Walk, path: str, choice: str, tier: int) -> None:
        node = find(walk.spec, f"tiers.{tier}" if path == "$" else f"{path}.tiers.{tier}").node
        if isinstance(node, Call):
            self._accepted[node.model].append(choice == "accept")

    def _all(self) -> _Seen:
        whole = _Seen()
        for seen in self._models.values():
            whole.lengths += seen.lengths
            whole.inputs += seen.inputs
            whole.outputs += seen.outputs
            whole.seconds += seen.seconds
        return whole


def _input(seen: _Seen, length: int | None) -> float:
    if length is None:
        return fmean(seen.inputs)
    try:
        slope, start = linear_regression(seen.lengths, seen.inputs)
    except StatisticsError:  # one request, or all of one length
        return fmean(seen.inputs)
    return max(0.0, start + slope * length)


def _answered(step: StepView) -> list[AttemptView]:
    """The requests to the model that answered last."""
    return [attempt for attempt in step.calls[-1].attempts if attempt.error_kind is None] if step.calls else []
