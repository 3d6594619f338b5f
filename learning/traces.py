"""Outcomes out of the ledger: what is known of the answers that models gave to a house's own questions.

A job's question is its input, as a route at the root of its pipeline sees it. A call that answered that question (not a
part of it, as the steps of a chain and the items of a map do) says how good its model is at it: what users, unit tests
and judges said of the job's answer, where that is the call's; what a cascade's judge said; whether an answer fitted its
schema. Jobs with the same question are one outcome, so that replays and other pipelines add what other models said.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from hashlib import sha256
from statistics import fmean

from learning.outcomes import PICODOLLAR, Outcome
from mirepoix.config import Config
from mirepoix.states import ErrorKind, FeedbackSource, StepState
from mirepoix.views import CallView, StepView, TraceView
from pipelines.reducers import normalise
from pipelines.routers.query import as_query
from pipelines.templates import as_text

TRUST = (FeedbackSource.USER, FeedbackSource.UNIT_TEST, FeedbackSource.JUDGE, FeedbackSource.SCHEMA)
"""Whose word counts where several speak of one model's answer: the first of these."""
BRANCHES = {"route": "to", "cascade": "tiers", "ensemble": "members"}
"""What hands its own question on, and under which name in paths."""


def outcomes_of(traces: Iterable[TraceView], config: Config) -> list[Outcome]:
    """One outcome for each question, in the order of the first job; without scores where none are known."""
    known: dict[str, _Known] = defaultdict(_Known)
    for trace in traces:
        question = "" if trace.input is None else as_query(trace.input, config).text
        if question.strip():
            _learn(known[question], trace)
    return [_outcome(question, found) for question, found in known.items()]


@dataclass(slots=True)
class _Known:
    """What is known of one question: by model what each source says, what answers cost, their tokens, the last one."""

    said: dict[str, dict[FeedbackSource, list[float]]] = field(default_factory=lambda: defaultdict(dict))
    cost: dict[str, list[Decimal]] = field(default_factory=lambda: defaultdict(list))
    tokens: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    response: dict[str, str] = field(default_factory=dict)

    def say(self, model: str, source: FeedbackSource, score: float) -> None:
        self.said[model].setdefault(source, []).append(score)


def _outcome(question: str, known: _Known) -> Outcome:
    return Outcome(
        id=sha256(question.encode("utf-8", "replace")).hexdigest()[:16],
        question=question,
        score={model: _trusted(said) for model, said in known.said.items()},
        cost={model: (sum(paid, Decimal(0)) / len(paid)).quantize(PICODOLLAR) for model, paid in known.cost.items()},
        out_tokens={model: fmean(tokens) for model, tokens in known.tokens.items()},
        response=known.response,
    )


def _trusted(said: Mapping[FeedbackSource, list[float]]) -> float:
    return fmean(next(said[source] for source in TRUST if source in said))


def _learn(known: _Known, trace: TraceView) -> None:
    judged = dict(_judged(trace))
    for step in _answering(trace):
        call = step.calls[-1]
        if step.state is not StepState.SUCCEEDED:
            if step.error_kind == ErrorKind.INVALID_OUTPUT:
                known.say(call.model, FeedbackSource.SCHEMA, 0.0)
            continue
        known.response[call.model] = as_text(step.output)
        if not any(attempt.cached for attempt in call.attempts):
            known.cost[call.model].append(_cost(call))
            if call.attempts and (tokens := call.attempts[-1].output_tokens) is not None:
                known.tokens[call.model].append(tokens)
        if step.path in judged:
            known.say(call.model, FeedbackSource.JUDGE, judged[step.path])
        if any(attempt.form is not None for attempt in call.attempts):
            known.say(call.model, FeedbackSource.SCHEMA, 1.0)
        if normalise(step.output) == normalise(trace.output):
            for given in trace.feedback:
                known.say(call.model, given.source, given.score)


def _answering(trace: TraceView) -> Iterator[StepView]:
    """The calls that were asked the job's own question."""
    handing_on: dict[str, str] = {}
    for step in trace.steps:  # parents stand before their children
        field = step.path.split(".")[-2:-1]
        if step.parent is not None and field != [handing_on.get(step.parent)]:
            continue
        if step.kind in BRANCHES:
            handing_on[step.path] = BRANCHES[step.kind]
        elif step.kind == "call" and step.calls:
            yield step


def _judged(trace: TraceView) -> Iterator[tuple[str, float]]:
    """The paths of tiers whose answers a cascade's judge scored, and the score."""
    for step in trace.steps:
        for decision in step.decisions if step.kind == "cascade" else ():
            for gate in decision.features.get("gates", ()):
                if gate["gate"] == "judge" and gate["score"] is not None:
                    path = f"tiers.{decision.features['tier']}"
                    yield (path if step.path == "$" else f"{step.path}.{path}"), float(gate["score"])


def _cost(call: CallView) -> Decimal:
    return sum((attempt.cost_usd or Decimal(0) for attempt in call.attempts), Decimal(0))
