"""What a walk costs and how long its models take: as recorded where it was asked, as may be expected elsewhere.

Seconds are those of the models along the longest way; waiting in queues and for limits is not in them. Where a tier was
never asked, the tiers behind it count by how often that model's answer was not accepted; a route that cannot decide
counts its branches by how often it took them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import reduce

from mirepoix.config import Config
from mirepoix.errors import ConfigError
from mirepoix.paths import Place, advisers, child, children, comparisons_of, judge_of, samples_of
from mirepoix.prices import Usage, cost
from mirepoix.spec import Call, Cascade, Chain, Ensemble, If, Map, Route
from mirepoix.states import StepState
from mirepoix.views import AttemptView, CallView
from pipelines.references import needs
from pipelines.replay import Walk
from pipelines.whatif.means import Means

Price = Callable[[CallView, AttemptView], float]


@dataclass(frozen=True, slots=True)
class Expected:
    """USD, seconds, how many calls each model gets, and how many of these were never made (`unseen`, by model)."""

    cost: float = 0.0
    seconds: float = 0.0
    calls: Counter[str] = field(default_factory=Counter)
    unseen: Counter[str] = field(default_factory=Counter)

    def then(self, other: Expected) -> Expected:
        """One after the other."""
        return self._with(other, self.seconds + other.seconds)

    def beside(self, other: Expected) -> Expected:
        """Both at once."""
        return self._with(other, max(self.seconds, other.seconds))

    def times(self, weight: float) -> Expected:
        """With this probability, or so often."""
        return Expected(
            self.cost * weight,
            self.seconds * weight,
            Counter({model: count * weight for model, count in self.calls.items()}),
            Counter({model: count * weight for model, count in self.unseen.items()}),
        )

    def _with(self, other: Expected, seconds: float) -> Expected:
        return Expected(self.cost + other.cost, seconds, self.calls + other.calls, self.unseen + other.unseen)


NOTHING = Expected()


def as_recorded(call: CallView, attempt: AttemptView) -> float:
    """What the request was billed."""
    return float(attempt.cost_usd or 0)


def by_prices_of(config: Config) -> Price:
    """What the request would be billed at the prices of `config`; as recorded where it does not know the model."""

    def price(call: CallView, attempt: AttemptView) -> float:
        model = config.models.get(call.model)
        if model is None or attempt.cost_usd is None or attempt.cached:
            return as_recorded(call, attempt)
        usage = Usage(
            input=attempt.input_tokens or 0,
            output=attempt.output_tokens or 0,
            cached=attempt.cached_tokens or 0,
            cache_write=attempt.cache_write_tokens or 0,
        )
        provider = config.providers[model.provider]
        return float(cost(model, provider.api, usage, provider.prices_of))

    return price


@dataclass(frozen=True, slots=True)
class Expecting:
    """Expects what `walk` takes; `means` stand in for calls that were never made."""

    walk: Walk
    means: Means
    price: Price

    def of(self, place: Place) -> Expected:
        """What the work at `place` takes."""
        match place.node:
            case Call() as node:
                return self._call(place, node)
            case Chain():
                return self._chain(place)
            case Route() as node:
                return self._route(place, node)
            case If():
                return self._condition(place)
            case Cascade() as node:
                return self._tiers(place, node, 0)
            case Ensemble() as node:
                return self._ensemble(place, node)
            case Map():
                return self._map(place)

    def _call(self, place: Place, node: Call) -> Expected:
        step = self.walk.heard.get(place.path)
        if step is None:
            return self._unseen(place, node)
        attempts = [(call, attempt) for call in step.calls for attempt in call.attempts]
        return Expected(
            cost=sum(self.price(call, attempt) for call, attempt in attempts),
            seconds=sum(attempt.latency_s or 0.0 for _, attempt in attempts),
            calls=Counter({call.model: 1 for call in step.calls}),
        )

    def _unseen(self, place: Place, node: Call) -> Expected:
        config, question = self.walk.config, self.walk.questions.get(place.path)
        taken = self.means.of_call(node.model, None if question is None else question.length)
        model = config.models[node.model]
        provider = config.providers[model.provider]
        # A thousand such calls, so that the mean's fractions of a token count.
        usage = Usage(input=round(1000 * taken.input), output=round(1000 * taken.output))
        try:
            usd = float(cost(model, provider.api, usage, provider.prices_of)) / 1000
        except ConfigError:
            usd = 0.0
        one = Counter({node.model: 1})
        return Expected(usd, taken.seconds, one, one)

    def _chain(self, place: Place) -> Expected:
        links, whole = children(place), NOTHING
        finished: list[float] = []
        failed = self._state(place) is StepState.FAILED
        for link, needed in zip(links, needs(place), strict=True):
            if failed and link.path not in self.walk.ends:
                finished.append(0.0)
                continue
            taken = self.of(link)
            finished.append(max((finished[index] for index in needed), default=0.0) + taken.seconds)
            whole = whole.beside(taken)
        return Expected(whole.cost, max(finished), whole.calls, whole.unseen)

    def _route(self, place: Place, node: Route) -> Expected:
        made = self.walk.decisions.get(place.path)
        if made:
            choice = made[-1].choice
            return self.of(child(place, int(choice[3:]))) if choice.startswith("to.") else NOTHING
        ways = [
            self.of(branch).times(self.means.share(place.path, f"to.{branch.index}", len(node.to)))
            for branch in children(place)
        ]
        return _in_line(ways)

    def _condition(self, place: Place) -> Expected:
        made = self.walk.decisions.get(place.path)
        if made:
            return NOTHING if made[-1].choice == "skip" else self.of(child(place, 0))
        return self.of(child(place, 0)).times(self.means.share(place.path, "then", 2))

    def _tiers(self, place: Place, node: Cascade, index: int) -> Expected:
        """From tier `index` on; where nobody knows whether its answer would do, as often as it usually does not.

        Whom a policy would ask is not foreseen: what it asked counts, or, where that is not known, the first tier.
        """
        if node.policy is not None:
            asked = [tier for tier in children(place) if tier.path in self.walk.ends] or children(place)[:1]
            return _in_line([self.of(tier) for tier in asked])
        tier, gates = child(place, index), node.accept.gates
        samples = samples_of(place, index) if gates and gates.consistency else []
        judges = [judge_of(place, index)] if gates and gates.judge else []
        compared = comparisons_of(place, index)[:1]  # with one other: those that are the same as one need no further
        more = index + 1 < len(node.tiers)
        if self._is_open(place, tier):
            beside = _at_once([self.of(sample) for sample in samples])
            taken = _in_line([self.of(tier), beside, *map(self.of, (*judges, *compared))])
            refused = 1 - (self.means.accepted(tier.node.model) if isinstance(tier.node, Call) else 0.5)
            return taken.then(self._tiers(place, node, index + 1).times(refused)) if more else taken
        sampled = [self.of(sample) for sample in samples if sample.path in self.walk.ends]
        judged = [self.of(judge) for judge in judges if judge.path in self.walk.ends]
        judged += [self.of(one) for one in comparisons_of(place, index) if one.path in self.walk.ends]
        taken = _in_line([self.of(tier), _at_once(sampled), *judged])
        went_on = more and child(place, index + 1).path in self.walk.ends
        return taken.then(self._tiers(place, node, index + 1)) if went_on else taken

    def _is_open(self, place: Place, tier: Place) -> bool:
        """Whether the walk did not get beyond this tier, for want of an answer to it or about it."""
        if self._state(place) in (StepState.SUCCEEDED, StepState.FAILED):
            return False
        after = child(place, tier.index + 1).path if tier.index + 1 < len(children(place)) else None
        return after is None or after not in self.walk.ends

    def _ensemble(self, place: Place, node: Ensemble) -> Expected:
        asked = [member for member in children(place) if member.path in self.walk.ends]
        members = asked or (children(place) if node.hedge is None else children(place)[:1])
        taken = _at_once([self.of(member) for member in members])
        ended = self._state(place) in (StepState.SUCCEEDED, StepState.FAILED)
        advice = [adviser for adviser in advisers(place) if adviser.path in self.walk.ends or not ended]
        return _in_line([taken, *map(self.of, advice)])

    def _map(self, place: Place) -> Expected:
        made = self.walk.decisions.get(place.path)
        if made:
            return _at_once([self.of(child(place, index)) for index in range(made[0].features["items"])])
        return self.of(child(place, 0)).times(self.means.items(place.path))

    def _state(self, place: Place) -> StepState | None:
        end = self.walk.ends.get(place.path)
        return None if end is None else end.state


def _in_line(parts: Sequence[Expected]) -> Expected:
    return reduce(Expected.then, parts, NOTHING)


def _at_once(parts: Sequence[Expected]) -> Expected:
    return reduce(Expected.beside, parts, NOTHING)
