"""RouteLLM's matrix factorisation (Ong et al. 2024, arXiv:2406.18665, section 4.2), trained with numpy.

The worth of model M for query q is delta(M, q) = w . (v_M * (W q)), with a vector v_M of length 1 for each model, a
projection W of the query's embedding, and weights w; the chance that A's answer wins over B's is
sigmoid(delta(A, q) - delta(B, q)). Trained on comparisons that are no tie, with Adam and noise on the embeddings, at
the published settings: 128 dimensions, batches of 64, 100 epochs.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from learning.compare.metrics import Floats
from learning.compare.rivals import Pair
from learning.compare.table import Table

DIMENSIONS = 128
BATCH = 64
EPOCHS = 100
MOST_STEPS = 2_000
"""Of many comparisons fewer epochs are enough."""
RATE = 3e-4
DECAY = 1e-5
NOISE = 0.1
"""As a share of the length of a query's embedding: the published 0.1 per dimension would drown one of 256."""
SEED = 42
MOST_PAIRS = 8
"""Comparisons taken from one question."""


def by_factorisation(train: Table, test: Table, pair: Pair) -> Floats:
    """How likely the strong model of `pair` wins on the questions of `test`, 0..1."""
    cheap, strong = pair
    random = np.random.default_rng(SEED)
    queries, sides = _comparisons(train, random)
    if not len(queries):
        return np.full(len(test), 0.5)
    known = train.vectors.astype(np.float32)
    fitted = _Factors.start(len(train.models), known.shape[1], random)
    epochs = min(EPOCHS, max(1, MOST_STEPS * BATCH // len(queries)))
    for _ in range(epochs):
        order = random.permutation(len(queries))
        for start in range(0, len(order), BATCH):
            rows = order[start : start + BATCH]
            seen = known[queries[rows]]
            seen += random.standard_normal(seen.shape, np.float32) * np.float32(NOISE / seen.shape[1] ** 0.5)
            fitted.learn(seen, sides[rows])
    return np.asarray(1 / (1 + np.exp(-(fitted.worth(test.vectors, strong) - fitted.worth(test.vectors, cheap)))))


Numbers = NDArray[np.intp]
Singles = NDArray[np.float32]


def _comparisons(train: Table, random: np.random.Generator) -> tuple[Numbers, Singles]:
    """Queries, and for each the models: 1 for the one that won on it, -1 for the one that lost."""
    found: list[tuple[int, int, int]] = []
    for query, score in enumerate(train.score):
        untied = np.argwhere(score[:, None] > score)
        for winner, loser in untied[random.permutation(len(untied))[:MOST_PAIRS]]:
            found.append((query, winner, loser))
    queries, winners, losers = np.array(found, np.intp).reshape(-1, 3).T
    sides = np.eye(len(train.models), dtype=np.float32)
    return queries, sides[winners] - sides[losers]


@dataclass(eq=False, slots=True)
class _Factors:
    """The parameters, and the state of Adam (Kingma and Ba 2015) for each."""

    models: Singles
    projection: Singles
    weights: Singles
    moments: dict[str, tuple[Singles, Singles]] = field(default_factory=dict)
    steps: int = 0

    @classmethod
    def start(cls, models: int, size: int, random: np.random.Generator) -> _Factors:
        return cls(
            random.standard_normal((models, DIMENSIONS), np.float32),
            (random.uniform(-1, 1, (size, DIMENSIONS)) / np.sqrt(size)).astype(np.float32),
            (random.uniform(-1, 1, DIMENSIONS) / np.sqrt(DIMENSIONS)).astype(np.float32),
        )

    def worth(self, queries: Floats, model: int) -> Floats:
        unit = self.models[model] / np.linalg.norm(self.models[model])
        return np.asarray((queries @ self.projection) @ (unit * self.weights))

    def learn(self, queries: Singles, sides: Singles) -> None:
        """One step down the gradient of the mean of -log sigmoid(worth of the winner - worth of the loser)."""
        self.steps += 1
        lengths = np.linalg.norm(self.models, axis=1, keepdims=True)
        units = self.models / lengths
        projected = queries @ self.projection
        apart = sides @ units
        margin = (apart * projected) @ self.weights
        pull = -1 / (1 + np.exp(margin)) / len(margin)
        to_units = sides.T @ (pull[:, None] * projected * self.weights)
        along = (to_units * units).sum(axis=1, keepdims=True)
        self._step("models", (to_units - along * units) / lengths)
        self._step("projection", queries.T @ (pull[:, None] * apart * self.weights))
        self._step("weights", ((apart * projected) * pull[:, None]).sum(axis=0))

    def _step(self, name: str, gradient: Singles) -> None:
        value = getattr(self, name)
        mean, square = self.moments.setdefault(name, (np.zeros_like(value), np.zeros_like(value)))
        gradient += DECAY * value
        mean += 0.1 * (gradient - mean)
        square += 0.001 * (gradient * gradient - square)
        spread = np.sqrt(square / (1 - 0.999**self.steps)) + 1e-8
        value -= RATE / (1 - 0.9**self.steps) * mean / spread
