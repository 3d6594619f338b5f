"""What models charge, as recorded costs tell: for each question, each token of it, and each token of its answer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.optimize import nnls

from learning.outcomes import Outcome
from pipelines.learned.policy import Tariff
from pipelines.routers.query import estimate

TINY = 1e-12


def tariffs_of(outcomes: Sequence[Outcome], models: Sequence[str]) -> dict[str, Tariff]:
    """The tariff of each model that fits the costs of `outcomes` best, which hold one of each model (least squares)."""
    return {model: _tariff(outcomes, model) for model in models}


def _tariff(outcomes: Sequence[Outcome], model: str) -> Tariff:
    paid = np.array([float(outcome.cost[model]) for outcome in outcomes])
    tokens = [estimate(outcome.question) for outcome in outcomes]
    known = [outcome.out_tokens[model] for outcome in outcomes if model in outcome.out_tokens]
    mean = sum(known) / max(len(known), 1)
    answers = [outcome.out_tokens.get(model, mean) for outcome in outcomes]
    parts = np.column_stack([np.ones(len(outcomes)), tokens, answers])
    scale = np.maximum(parts.mean(axis=0), TINY)
    rates, _ = nnls(parts / scale, paid / max(paid.mean(), TINY))
    fixed, sent, received = (rates / scale * max(paid.mean(), TINY)).tolist()
    return Tariff(fixed, sent, received)
