"""What may be promised of a measured quality: kept on new questions, though it was chosen for looking good."""

from __future__ import annotations

import numpy as np
import pytest

from pipelines.learned.margin import BEST_OF_MANY, ONE_OF_A_LINE, POINT, safe_quality
from pipelines.learned.states import Floats
from pipelines.learned.ways import cheapest_safe

WAYS, QUESTIONS, SPLITS = 60, 300, 200
TARGET = 0.97


def ways(source: np.random.Generator) -> tuple[Floats, Floats]:
    """New questions, asked of the best single model [questions] and in ways that are worse the cheaper they are."""
    best = (source.random(QUESTIONS) < 0.8).astype(float)
    lost = source.random((WAYS, QUESTIONS)) < np.linspace(0.04, 0.2, WAYS)[:, None]
    won = source.random((WAYS, QUESTIONS)) < 0.16
    return best, np.where(best > 0, 1.0 - lost, won)


def test_a_promise_of_the_cheapest_of_many_is_kept_on_new_questions() -> None:
    source = np.random.default_rng(1)
    cost = np.arange(WAYS, 0, -1.0)
    kept, plain = 0, 0
    for _ in range(SPLITS):
        (best, here), (new_best, there) = ways(source), ways(source)
        relative = here.mean(axis=1) / best.mean()
        met = there.mean(axis=1) >= (TARGET - POINT) * new_best.mean()
        kept += met[cheapest_safe(np.array([safe_quality(one, best) for one in here]), cost, TARGET)]
        plain += met[cheapest_safe(relative, cost, TARGET)]
    assert kept >= 0.9 * SPLITS
    assert plain < 0.5 * SPLITS, "what looked good enough was lucky"


def test_the_best_single_model_is_promised_whole_and_few_differences_tell_little() -> None:
    best = np.tile([1.0, 1.0, 1.0, 0.0], 5)
    assert safe_quality(best, best) == 1.0
    never_worse = best.copy()
    never_worse[3] = 1.0
    assert safe_quality(never_worse, best) < 0.98
    many = np.tile(best, 100)
    won = many.copy()
    won[3::20] = 1.0
    assert safe_quality(won, many) > 1.0


def test_less_is_promised_of_fewer_questions_and_to_be_surer() -> None:
    best, other = np.tile([1.0, 1.0, 1.0, 0.0], 100), np.tile([1.0, 1.0, 0.0, 1.0], 100)
    assert safe_quality(other[:40], best[:40]) < safe_quality(other, best) < 1.0
    assert safe_quality(other, best, BEST_OF_MANY) < safe_quality(other, best, ONE_OF_A_LINE)


def test_a_standard_error_is_kept_back_however_many_the_questions() -> None:
    best, other = np.tile([1.0, 1.0, 1.0, 0.0], 20_000), np.tile([1.0, 1.0, 0.0, 1.0], 20_000)
    error = np.std(other - best) / np.sqrt(len(best)) / best.mean()
    assert safe_quality(other, best) == pytest.approx(1 - error, abs=1e-6)
