"""Ask the gates of a cascade about one tier's answer: the cheap ones at once, those that ask models when it matters."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import JsonValue

from mirepoix.answer import Answer
from mirepoix.spec import Accept
from mirepoix.spec.gates import Function, Gate, Gates
from pipelines.gates.function import score_function
from pipelines.gates.models import score_agreement, score_consistency, score_judge, score_logprob
from pipelines.gates.quality import judge
from pipelines.gates.schema import score_schema
from pipelines.gates.seen import Score, Tier
from pipelines.gates.weigh import Said, floor_of
from pipelines.gates.words import score_complete, score_confidence, score_hedging, score_length, score_refusal

ALONE: Mapping[str, Callable[[Any, Tier], Score]] = {
    "refusal": score_refusal,
    "hedging": score_hedging,
    "complete": score_complete,
    "length": score_length,
    "schema": score_schema,
    "confidence": score_confidence,
    "logprob": score_logprob,
}
"""Gates that look at nothing but the answer itself."""
ASK_MODELS: Mapping[str, Callable[[Any, Tier], Score]] = {"consistency": score_consistency, "judge": score_judge}
"""Gates that need further calls, the cheaper first."""
EMPTY = Said("empty", Score(0.0, "the answer is empty", veto=True), 1.0)


@dataclass(frozen=True, slots=True)
class Heed:
    """What the gates said so far of a tier's answer, and those that wait to be asked. `features` go into the trace."""

    said: tuple[Said, ...]
    waiting: Mapping[str, Gate] = field(default_factory=dict)
    features: Mapping[str, JsonValue] = field(default_factory=dict)


def ask_gates(accept: Accept, tiers: Sequence[Tier], index: int, given: JsonValue = None) -> Heed:
    """What the gates of `accept` say of the answer of tier `index`; `given` is the job's input."""
    tier, gates = tiers[index], accept.gates
    if gates is None:
        quality = judge(tier.answer, tier.finish_reason)
        return Heed((Said("quality", Score(quality.score, quality.reason), 1.0),), features=quality.features)
    if tier.empty:
        return Heed((EMPTY,))
    said: list[Said] = []
    waiting: dict[str, Gate] = {}
    for name, gate in gates.listed.items():
        if (name == "consistency" and tier.samples is None) or (name == "judge" and tier.judge is None):
            waiting[name] = gate
        else:
            score = _score(name, gate, tiers, index, given)
            said.append(Said(name, score, gate.weight, _floor(gate, accept.threshold(index), score)))
    return Heed(tuple(said), waiting)


def wants_logprobs(accept: Accept) -> bool:
    """Whether tiers are to be asked for the log-probabilities of their tokens."""
    return accept.gates is not None and accept.gates.logprob is not None


def needs_function(accept: Accept) -> Function | None:
    """The user's own gate, if there is one."""
    gates: Gates | None = accept.gates
    return None if gates is None else gates.function


def _score(name: str, gate: Gate, tiers: Sequence[Tier], index: int, given: JsonValue) -> Score:
    tier, earlier = tiers[index], tiers[:index]
    if name == "agreement":
        return score_agreement(gate, tier, earlier)
    if isinstance(gate, Function):
        before = tuple(None if other.error is not None else other.answer for other in earlier)
        return score_function(gate, Answer(given, tier.answer, index, tier.finish_reason, tier.logprob, before))
    return (ALONE.get(name) or ASK_MODELS[name])(gate, tier)


def _floor(gate: Gate, threshold: float, score: Score) -> float | None:
    """A gate that broke, and is to be passed over then, is no veto either."""
    ignored = score.value is None and getattr(gate, "on_error", None) == "ignore"
    return None if ignored else floor_of(gate, threshold)
