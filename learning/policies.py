"""Learn from recorded answers whom to ask next and when to stop: makes an `AnswerPolicy`.

Three things are fitted, each on what the one before it says of questions that it did not learn from: the chance that
an answer is right, given who agrees with whom (logistic regression over all sets of models that can have been asked);
how much that would gain by further models (ridge regression on what came of it); and, by playing the whole on questions
held out, what quality each price of quality yields, and each plain way of asking beside it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from learning.cascades import characters_of, groups_in, orders, play_agreement
from learning.outcomes import Outcome
from learning.train import train_router
from mirepoix.errors import InputError
from mirepoix.spec import SameAs
from pipelines.learned.answer_policy import MOST_MODELS, AnswerPolicy, Linear, sets_of
from pipelines.learned.margin import safe_quality
from pipelines.learned.states import Floats, Ints, States, chance_of, log_odds
from pipelines.learned.ways import InOrder, Priced, Promise, Way

FOLDS = 4
PRICES = np.geomspace(0.008, 1.5, 28)
"""Tried prices of quality: right answers for what a question costs the dearest model."""
PENALTY = 30.0
"""Of the squared standardised weights of who is right, against the log-likelihood of rows that count 1 a question."""
RIDGE = 75.0
"""Of the squared standardised weights of what is gained, against the squared error of rows that count 1 a question."""
RIDGE_BEGIN = 300.0
MOST_ROWS = 15_000
"""So many rows tell the weights: a question has up to 63, which differ little; more take time and change nothing."""
BELIEVED = 0.5
"""How far what further models add counts as the learned chances have it, and not as it came out: by chance, mostly."""
NEWTON_STEPS = 12
CONVERGED = 1e-6
"""No standardised weight moved by more: further steps, of which most of the training's time is made, change nothing."""


@dataclass(frozen=True, eq=False)
class Recorded:
    """Outcomes as arrays, [questions, models]: USD, scores and what `States` holds; `characters` of each question."""

    groups: Ints
    prior: Floats
    length: Floats
    score: Floats
    cost: Floats
    characters: Floats

    def of(self, rows: Ints) -> Recorded:
        """Those questions alone."""
        return Recorded(*(array[rows] for array in vars(self).values()))

    def states(self, asked: Sequence[bool]) -> States:
        """As they stand when these models have answered."""
        return States(tuple(asked), self.groups, self.prior, self.length)


def train_policy(
    outcomes: Sequence[Outcome], models: Sequence[str], *, by: SameAs | None = None, seed: int = 1
) -> AnswerPolicy:
    """Learn from `outcomes` whom of `models` to ask when; the same input gives the same bytes.

    `by` is when two answers are the same (default: as normalised texts). Raises InputError where there are too few
    outcomes or too many models, or one lacks a score or a cost.
    """
    if not 2 <= len(models) <= MOST_MODELS:
        raise InputError(f"an answer policy is trained for 2 to {MOST_MODELS} models, not {len(models)}.")
    router = train_router(outcomes, models, seed=seed)
    recorded, mean, spread = _record(outcomes, models, _priors(outcomes, models, seed), by or SameAs())
    empty = np.zeros(0)
    blank = AnswerPolicy(
        router,
        right=Linear(empty, empty),
        gain=Linear(empty, empty),
        begin=Linear(empty, empty),
        length_mean=mean,
        length_spread=spread,
        usd=empty,
        usd_a_character=empty,
        promise=Promise((), empty, empty, empty),
    )
    rows = np.random.default_rng(seed).permutation(len(outcomes))
    promise = _promise(blank, recorded, np.array_split(rows, FOLDS))
    return replace(_fit(blank, recorded.of(rows)), promise=promise)


def _priors(outcomes: Sequence[Outcome], models: Sequence[str], seed: int) -> Floats:
    """The chance of each model from each question alone, by a router that learned from the others."""
    chances = np.zeros((len(outcomes), len(models)))
    folds = np.array_split(np.random.default_rng(seed).permutation(len(outcomes)), FOLDS)
    for number, test in enumerate(folds):
        learn = np.concatenate([fold for other, fold in enumerate(folds) if other != number])
        router = train_router([outcomes[row] for row in learn], models, seed=seed)
        for row in test:
            known = router.predict(outcomes[row].question)
            chances[row] = [known[model] for model in models]
    return chances


def _record(
    outcomes: Sequence[Outcome], models: Sequence[str], chances: Floats, by: SameAs
) -> tuple[Recorded, Floats, Floats]:
    """The outcomes as arrays, and the mean and spread of the logarithms of the answers' lengths, [models]."""
    for outcome in outcomes:
        unpriced = [model for model in models if model not in outcome.cost]
        if unpriced:
            raise InputError(f"outcome {outcome.id!r} has no cost of {unpriced[0]!r}: record it, or give prices.")
    lengths = np.log1p([[characters_of(outcome, model) for model in models] for outcome in outcomes])
    mean, spread = lengths.mean(axis=0), np.maximum(lengths.std(axis=0), 1e-3)
    recorded = Recorded(
        groups=np.array([groups_in(outcome, models, by) for outcome in outcomes]),
        prior=log_odds(chances),
        length=(lengths - mean) / spread,
        score=np.array([[outcome.score[model] for model in models] for outcome in outcomes]),
        cost=np.array([[float(outcome.cost[model]) for model in models] for outcome in outcomes]),
        characters=np.array([float(len(outcome.question)) for outcome in outcomes]),
    )
    return recorded, mean, spread


def _promise(blank: AnswerPolicy, recorded: Recorded, folds: Sequence[Ints]) -> Promise:
    """What came of questions that the policy had not learned from, in each way of asking."""
    ways = ways_to_try(recorded.cost)
    quality, cost = np.zeros((2, len(ways), len(recorded.score)))
    for number, test in enumerate(folds):
        learn = np.concatenate([fold for other, fold in enumerate(folds) if other != number])
        played = play(_fit(blank, recorded.of(learn)), recorded.of(test), ways)
        quality[:, test], cost[:, test] = played
    best = recorded.score[:, recorded.score.mean(axis=0).argmax()]
    relative = quality.mean(axis=1) / max(float(best.mean()), 1e-9)
    safe = np.array([safe_quality(one, best) for one in quality])
    return Promise(ways, relative, safe, cost.mean(axis=1))


def ways_to_try(cost: Floats) -> tuple[Way, ...]:
    """Cascade routing and routing at each price, and each fixed order; `cost` is USD, [questions, models]."""
    prices = (PRICES / cost.mean(axis=0).max()).tolist()
    priced = [Priced(price, once) for once in (False, True) for price in prices]
    return (*priced, *(InOrder(order, agreement) for order, agreement in orders(cost)))


def play(policy: AnswerPolicy, recorded: Recorded, ways: Sequence[Way]) -> tuple[Floats, Floats]:
    """The quality and cost of each question in each of the ways, both [ways, questions]."""
    models = recorded.score.shape[1]
    expected = policy.costs(recorded.characters)
    looks: dict[tuple[bool, ...], tuple[Ints, Floats]] = {}
    if any(isinstance(way, Priced) and not way.once for way in ways):
        looks = {asked: _look(policy, recorded.states(asked)) for asked in [(False,) * models, *_masks(models)]}
    played = np.empty((len(ways), 2, len(recorded.score)))
    for number, way in enumerate(ways):
        if isinstance(way, InOrder):
            played[number] = play_agreement(way.order, way.agreement, recorded.groups, recorded.score, recorded.cost)
        elif way.once:
            best = (chance_of(recorded.prior) - way.price * expected).argmax(axis=1)[:, None]
            for row, values in enumerate((recorded.score, recorded.cost)):
                played[number, row] = np.take_along_axis(values, best, axis=1)[:, 0]
        else:
            played[number] = _play_learned(looks, recorded, expected, way.price)
    return played[:, 0], played[:, 1]


def _play_learned(
    looks: Mapping[tuple[bool, ...], tuple[Ints, Floats]], recorded: Recorded, expected: Floats, price: float
) -> tuple[Floats, Floats]:
    """Cascade routing at that price: quality and cost of each question."""
    models = recorded.score.shape[1]
    sets = sets_of(models)
    expected_sets = np.stack([expected[:, list(one)].sum(axis=1) for one in sets], axis=1)
    cheapest = np.stack([np.array(one)[expected[:, list(one)].argmin(axis=1)] for one in sets], axis=1)
    quality, cost = np.zeros((2, len(recorded.score)))
    places = {(False,) * models: np.arange(len(recorded.score))}
    for asked in sorted(looks, key=sum):
        here = places.pop(asked, None)
        if here is None or not len(here):
            continue
        top, gains = looks[asked]
        free = [index for index, one in enumerate(sets) if not any(asked[m] for m in one)]
        stop = np.ones(len(here), bool)
        if free:
            worth = gains[here][:, free] - price * expected_sets[here][:, free]
            best = worth.argmax(axis=1)
            answered = (recorded.groups[here] >= 0)[:, asked].any(axis=1)
            stop = (worth[np.arange(len(here)), best] <= 0) & answered
            model = cheapest[here, np.array(free)[best]]
            for each in range(models):
                going = here[~stop & (model == each)]
                cost[going] += recorded.cost[going, each]
                then = tuple(was or m == each for m, was in enumerate(asked))
                places[then] = np.concatenate([places.get(then, going[:0]), going])
        ended = here[stop]
        quality[ended] = recorded.score[ended, top[ended]]
    return quality, cost


def _look(policy: AnswerPolicy, states: States) -> tuple[Ints, Floats]:
    """The model whose answer is most likely right, and what each set of further models would gain, by question."""
    chance, top, second = policy.best(states)
    return top, np.stack(policy.gains(states, top, chance, second), axis=1)


def _fit(blank: AnswerPolicy, recorded: Recorded) -> AnswerPolicy:
    """The policy as these questions have it, in the order in which they stand."""
    models = recorded.score.shape[1]
    looks = _look_across(blank, recorded)
    right = {asked: BELIEVED * chance + (1 - BELIEVED) * score for asked, (_, chance, _, score) in looks.items()}
    gains, begins = [], []
    for one in sets_of(models):
        before = [asked for asked in _masks(models) if not any(asked[m] for m in one)]
        rows = [recorded.states(asked).prospect(*looks[asked][:3]) for asked in before]
        gained = [right[tuple(was or m in one for m, was in enumerate(asked))] - right[asked] for asked in before]
        gains.append(_ridge(np.concatenate(rows), np.concatenate(gained), len(before) * RIDGE) if before else None)
        begins.append(_ridge(recorded.prior, right[tuple(m in one for m in range(models))], RIDGE_BEGIN))
    width = next(len(gain.weights) for gain in gains if gain is not None)
    # With two models nothing is left to be asked after both: that pair only ever begins.
    known = [Linear(np.zeros(width), np.zeros(())) if gain is None else gain for gain in gains]
    usd, slope = _costs(recorded)
    return replace(
        blank, right=_fit_right(recorded), gain=_stack(known), begin=_stack(begins), usd=usd, usd_a_character=slope
    )


def _look_across(
    blank: AnswerPolicy, recorded: Recorded
) -> dict[tuple[bool, ...], tuple[Ints, Floats, Floats, Floats]]:
    """For each set of models asked: the top answer, its chance, the next one's, and the score of the top answer.

    Each question is judged by weights learned from the others.
    """
    models, count = recorded.score.shape[1], len(recorded.score)
    folds = np.array_split(np.arange(count), FOLDS)
    looks = {asked: (np.zeros(count, np.int64), *np.zeros((3, count))) for asked in _masks(models)}
    for number, test in enumerate(folds):
        learn = np.concatenate([fold for other, fold in enumerate(folds) if other != number])
        judge, judged = replace(blank, right=_fit_right(recorded.of(learn))), recorded.of(test)
        for asked, (top, chance, second, score) in looks.items():
            chance[test], top[test], second[test] = judge.best(judged.states(asked))
            answered = (judged.groups[:, asked] >= 0).any(axis=1)
            score[test] = judged.score[np.arange(len(test)), top[test]] * answered
    return looks


def _fit_right(recorded: Recorded) -> Linear:
    """Who is right given who agrees with whom, from all sets of models that can have been asked."""
    models = recorded.score.shape[1]
    rows, scores = [], []
    for asked in _masks(models):
        states = recorded.states(asked)
        for model in [model for model, was in enumerate(asked) if was]:
            support = states.supporters(model)
            first = (support[:, :model].sum(axis=1) == 0) & (recorded.groups[:, model] >= 0)
            rows.append(states.candidate(model)[first])
            scores.append(recorded.score[first, model])
    features, right = np.concatenate(rows), np.concatenate(scores)
    chosen = _some(len(right))
    return _logistic(features[chosen], right[chosen], len(recorded.score) / len(chosen))


def _some(rows: int) -> Ints:
    """All of so many rows, or some of them by lot."""
    return np.random.default_rng(rows).permutation(rows)[:MOST_ROWS]


def _logistic(features: Floats, target: Floats, weight: float) -> Linear:
    """Logistic regression by Newton's method; each row counts `weight`, the weights of standardised features little."""
    mean, spread = features.mean(axis=0), np.maximum(features.std(axis=0), 1e-6)
    rows = np.hstack([(features - mean) / spread, np.ones((len(features), 1))])
    penalty = np.diag([*np.full(features.shape[1], PENALTY * weight), 1e-6])
    beta = np.zeros(rows.shape[1])
    for _ in range(NEWTON_STEPS):
        chance = 1 / (1 + np.exp(-np.clip(rows @ beta, -30, 30)))
        slope = weight * rows.T @ (target - chance) - penalty @ beta
        curve = weight * (rows * (chance * (1 - chance))[:, None]).T @ rows + penalty
        step = np.linalg.solve(curve + 1e-9 * np.eye(len(beta)), slope)
        beta += step
        if np.abs(step).max() < CONVERGED:
            break
    weights = beta[:-1] / spread
    return Linear(weights, np.array(beta[-1] - weights @ mean))


def _ridge(features: Floats, target: Floats, penalty: float) -> Linear:
    """Least squares with a `penalty` of the weights of standardised features, as if all rows were looked at."""
    chosen = _some(len(target))
    penalty *= len(chosen) / len(target)
    features, target = features[chosen], target[chosen]
    mean, spread = features.mean(axis=0), np.maximum(features.std(axis=0), 1e-6)
    rows = (features - mean) / spread
    beta = np.linalg.solve(rows.T @ rows + penalty * np.eye(rows.shape[1]), rows.T @ (target - target.mean()))
    weights = beta / spread
    return Linear(weights, np.array(target.mean() - weights @ mean))


def _costs(recorded: Recorded) -> tuple[Floats, Floats]:
    """USD of a question, and for each of its characters: the least-squares line of each model, rising or level."""
    characters = recorded.characters - recorded.characters.mean()
    slope = np.maximum(0.0, characters @ recorded.cost / max(float(characters @ characters), 1e-9))
    slope = np.minimum(slope, recorded.cost.mean(axis=0) / max(float(recorded.characters.mean()), 1.0))
    return recorded.cost.mean(axis=0) - slope * recorded.characters.mean(), slope


def _stack(parts: Sequence[Linear]) -> Linear:
    return Linear(np.stack([part.weights for part in parts]), np.array([float(part.bias) for part in parts]))


def _masks(models: int) -> Iterator[tuple[bool, ...]]:
    """Every set of models that can have been asked, none left out but the empty one."""
    return (asked for asked in product((False, True), repeat=models) if any(asked))
