"""Routers of a pair compared in folds: nothing is predicted by what saw it, and only what is no chance is sure."""

from __future__ import annotations

from pathlib import Path
from zlib import crc32

import numpy as np
import pytest

from learning.compare import crossfit
from learning.compare.crossfit import FEWEST, LEARNED, POOLED, Recovered, compare_all, cross_fit
from learning.compare.metrics import Floats
from learning.compare.plan import Plan, plan
from learning.compare.report import sure_leads
from learning.compare.rivals import Pair
from learning.compare.table import Table
from tests.learning.compare.made import made, write

TIMES = 200


def planned(folder: Path, *names: str, count: int = 240) -> list[Plan]:
    """A plan of files, each of other questions."""
    files = [write(folder / f"{name}.jsonl", made(count, crc32(name.encode()))) for name in names]
    return plan(files, [], [], None, 1, None).plans


def hindsight(train: Table, test: Table, pair: Pair) -> Floats:
    """What only who saw the outcomes can know; refuses questions that it learned from."""
    assert not {one.id for one in train.outcomes} & {one.id for one in test.outcomes}
    return np.asarray(test.score[:, pair[1]] - test.score[:, pair[0]])


def by_length_of_id(train: Table, test: Table, pair: Pair) -> Floats:
    """Knows nothing, and in each fold on a scale of its own."""
    del pair
    return np.array([crc32(one.id.encode()) % 1_000 for one in test.outcomes]) + len(train) * 1e6


@pytest.fixture
def two_methods(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that knows all, as the learned router, and one that knows nothing."""
    methods = {LEARNED: hindsight, "nothing": by_length_of_id, "random mix": crossfit.METHODS["random mix"]}
    monkeypatch.setattr(crossfit, "METHODS", methods)


@pytest.mark.usefixtures("two_methods")
def test_each_question_is_predicted_once_by_what_has_not_seen_it(tmp_path: Path) -> None:
    [one] = planned(tmp_path, "made")
    folds = one.folds()
    assert sorted(row for _, unseen in folds for row in unseen) == list(range(240))
    assert len(folds) == 5
    found = cross_fit(one, TIMES)
    whole = one.promised[1]
    gain = np.sort(whole.score[:, one.trial.pair[1]] - whole.score[:, one.trial.pair[0]])[::-1]
    best = float(np.cumsum(gain).mean() / gain.sum())
    assert found.apgr[LEARNED][0] == pytest.approx(best, abs=0.02), "who knows all, in folds as well"
    assert found.apgr["nothing"][0] == pytest.approx(0.5, abs=0.1), "ranks of a fold: its scale says nothing"
    assert found.apgr["random mix"] == pytest.approx(0.5)


@pytest.mark.usefixtures("two_methods")
def test_parts_of_a_benchmark_count_once_among_all_and_what_is_sure_is_told(tmp_path: Path) -> None:
    plans = planned(tmp_path, "made_a", "made_b", "other")
    assert [one.name for one in plans] == ["made_a", "made_b", "other", "made"]
    crossed = compare_all(plans, [cross_fit(one, TIMES) for one in plans])
    assert crossed[-1].name == POOLED
    assert crossed[-1].files == ["other", "made"], "a part is in the whole"
    assert all(one.leads["nothing"].surely for one in crossed)
    text = sure_leads(crossed)
    assert "surely ahead of nothing on made_a, made_b, other, made, all together;" in text
    assert "surely behind none." in text


def test_the_luckiest_of_many_differences_is_not_sure() -> None:
    """Two hundred rivals as good as the learned router: by themselves some seem worse, all together hardly any run."""
    random = np.random.default_rng(1)
    alone = together = 0
    for _ in range(20):
        differences = random.standard_normal((200, 300)) * 0.1
        drawn = random.multinomial(300, np.full(300, 1 / 300), size=TIMES) / 300
        weights = np.concatenate([np.full((1, 300), 1 / 300), drawn])
        level = np.zeros(TIMES + 1)
        quality = {LEARNED: level, **{str(n): weights @ one for n, one in enumerate(differences)}}
        [one] = compare_all([], [Recovered("made", FEWEST - 1, quality, quality)])
        alone += any(lead.quality[1] > 0 for lead in one.leads.values() if lead.quality[1] is not None)
        together += any(lead.surely for lead in one.leads.values())
    assert alone == 20
    assert together <= 4


def test_a_file_whose_cheapest_model_is_the_best_has_no_pair(tmp_path: Path) -> None:
    same = [(one, dict.fromkeys(one.score, 1.0)) for one in made(60, 1)]
    lines = write(
        tmp_path / "right.jsonl", [type(one)(one.id, one.question, score, cost=one.cost) for one, score in same]
    )
    plans = plan([lines], [], [], None, 1, None).plans
    assert compare_all(plans, [cross_fit(one, TIMES) for one in plans]) == []
