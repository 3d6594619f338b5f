"""Methods that look at answers: agreement cascades, and votes of three.

Each is simulated on answers that were recorded, with the models' costs, in all orders; those that no cheaper one equals
on the training half are its settings. Answers are compared as `reduce: vote` compares them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import combinations, permutations

import numpy as np
from numpy.typing import NDArray

from learning.compare.methods import TARGETS, Trial, Tried
from learning.compare.metrics import Floats
from learning.compare.sweep import Sweep
from learning.compare.table import Table
from pipelines.reducers import normalise

LONGEST = 4
"""Models in a cascade."""
MOST_ORDERS = 4_000
VOTERS = 3
SILENT = -1
ANSWERED = 0.5
"""There is something to agree on where so many answers are recorded."""

Codes = NDArray[np.int64]
Simulate = Callable[[Table, Codes, tuple[int, ...]], Sweep]


def answer_methods(trial: Trial) -> Iterator[Tried]:
    """Those that the recorded answers allow; without parsed answers there is nothing to agree on."""
    known, unseen = answer_codes(trial.train), answer_codes(trial.test)
    voters = [model for model in range(len(trial.train.models)) if (known[:, model] != SILENT).mean() >= ANSWERED]
    if len(voters) < VOTERS:
        return
    orders = [order for length in range(VOTERS, LONGEST + 1) for order in _orders(trial, voters, length)]
    yield _best_orders("agreement cascade", trial, agreement_cascade, orders, (known, unseen))
    triples = list(combinations(sorted(voters, key=lambda model: -trial.train.score[:, model].mean()), VOTERS))
    yield _best_orders("vote of three", trial, vote, triples, (known, unseen))


def answer_codes(table: Table) -> Codes:
    """A number for each answer, [questions, models]: the same where two models say the same; -1 where one is silent."""
    codes = np.full(table.score.shape, SILENT)
    for row, outcome in enumerate(table.outcomes):
        said: dict[str, int] = {}
        for column, model in enumerate(table.models):
            answer = normalise(outcome.pred.get(model, ""))
            if answer:
                codes[row, column] = said.setdefault(answer, len(said))
    return codes


def agreement_cascade(table: Table, codes: Codes, order: tuple[int, ...]) -> Sweep:
    """Ask the models in turn until one says what an earlier one said; its answer stands, else that of the last."""
    columns = list(order)
    said = codes[:, columns]
    agrees = np.stack(
        [(said[:, [k]] == said[:, :k]).any(axis=1) & (said[:, k] != SILENT) for k in range(len(order))], 1
    )
    agrees[:, -1] = True
    last = agrees.argmax(axis=1)
    rows = np.arange(len(table))
    spent = table.cost[:, columns].cumsum(axis=1)[rows, last]
    asked = np.zeros((len(table.models), 1))
    asked[columns, 0] = [(last >= place).mean() for place in range(len(order))]
    return Sweep(table.score[rows, np.array(columns)[last]][:, None], spent[:, None], asked)


def vote(table: Table, codes: Codes, voters: tuple[int, ...]) -> Sweep:
    """Ask three; what two of them say stands, else what the first says, or the first that says anything."""
    first, second, third = (codes[:, voter] for voter in voters)
    agree = (second == third) & (second != SILENT) & (first != second)
    spoke = np.where(first != SILENT, voters[0], np.where(second != SILENT, voters[1], voters[2]))
    stands = np.where(agree, voters[1], spoke)
    asked = np.zeros((len(table.models), 1))
    asked[list(voters)] = 1
    spent = table.cost[:, list(voters)].sum(axis=1)
    return Sweep(table.score[np.arange(len(table)), stands][:, None], spent[:, None], asked)


def _orders(trial: Trial, voters: Sequence[int], length: int) -> list[tuple[int, ...]]:
    """All orders of so many models; where they are too many, those of the models that are cheapest or best."""
    score, cost = trial.train.score.mean(axis=0), trial.train.cost.mean(axis=0)
    worth = sorted(voters, key=lambda model: sum((score > score[model]) & (cost < cost[model])))
    while len(worth) > length and _count(len(worth), length) > MOST_ORDERS:
        worth.pop()
    return list(permutations(sorted(worth), length))


def _count(models: int, length: int) -> int:
    return int(np.prod(range(models - length + 1, models + 1)))


def _best_orders(
    name: str, trial: Trial, simulate: Simulate, orders: Sequence[tuple[int, ...]], codes: tuple[Codes, Codes]
) -> Tried:
    """Those that no cheaper order equals on the training half, tried on unseen questions."""
    known, unseen = codes
    swept = [simulate(trial.train, known, order) for order in orders]
    quality = np.array([one.quality.mean() for one in swept])
    cost = np.array([one.cost.mean() for one in swept])
    best = frontier(quality, cost)
    on_train = joined([swept[index] for index in best])
    on_test = joined([simulate(trial.test, unseen, orders[index]) for index in best])
    chosen = {target: on_test.setting(on_train.cheapest(trial.goal(target))) for target in TARGETS}
    return Tried(name, on_test, chosen)


def frontier(quality: Floats, cost: Floats) -> list[int]:
    """The places of those that nothing cheaper equals, from the cheapest."""
    best: list[int] = []
    for index in np.lexsort((-quality, cost)).tolist():
        if not best or quality[index] > quality[best[-1]]:
            best.append(index)
    return best


def joined(settings: Sequence[Sweep]) -> Sweep:
    """Settings of one method as one sweep."""
    return Sweep(
        np.concatenate([one.quality for one in settings], axis=1),
        np.concatenate([one.cost for one in settings], axis=1),
        np.concatenate([one.asked for one in settings], axis=1),
    )
