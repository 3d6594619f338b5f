"""Thresholds from labelled runs: on synthetic runs whose best thresholds are known, and from traces."""

from __future__ import annotations

import random
import time
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mirepoix import Branch, Call, Cascade, Chain, Ensemble, Route
from mirepoix.errors import PipelineError
from mirepoix.paths import find
from mirepoix.spec import Pipeline, dump, parse
from mirepoix.states import JobState, StepState
from mirepoix.views import AttemptView, CallView, Decision, StepView, TraceView
from pipelines.calibration import NEVER, Run, TierRun, calibrate, estimate, interval, play, runs_needed
from pipelines.labelled import NO_ANSWER, Label, asking_all, find_cascade, run_of, same_gates

CHEAP, DEAR = 1.0, 10.0


def honest(count: int) -> list[Run]:
    """A first tier whose score is exactly what its answer is worth, and a second one that is always right.

    With threshold t the quality is 1 - (1 - t)^2 / 2 and the cost CHEAP + DEAR t: 0.98 asks for t = 0.8, at 9.
    """
    shares = [(index + 0.5) / count for index in range(count)]
    return [(TierRun(share, share, CHEAP), TierRun(1.0, 1.0, DEAR)) for share in shares]


def noisy(count: int, seed: int) -> list[Run]:
    """The same with answers that are right or wrong, as often as the score says."""
    dice = random.Random(seed)
    scores = [dice.random() for _ in range(count)]
    return [(TierRun(s, float(dice.random() < s), CHEAP), TierRun(1.0, 1.0, DEAR)) for s in scores]


def test_the_known_threshold_is_found() -> None:
    found = calibrate(honest(500), 2, 0.98)
    assert found.best.policy[0] == pytest.approx(0.8, abs=0.005)
    assert found.best.cost == pytest.approx(9.0, abs=0.05)
    assert found.best.quality >= 0.98
    assert found.best.shares == pytest.approx((0.2, 0.8), abs=0.005)
    assert found.strongest.quality == 1
    assert found.held_out == pytest.approx(0.98, abs=0.01)


def test_the_known_threshold_is_found_in_noise() -> None:
    found = calibrate(noisy(600, 7), 2, 0.95)  # 1 - (1 - t)^2 / 2 = 0.95 at t = 0.684
    assert found.best.policy[0] == pytest.approx(0.684, abs=0.12)
    assert found.best.low < 0.95 < found.best.high + 0.03


def test_three_tiers_are_searched_together() -> None:
    dice = random.Random(3)
    runs: list[Run] = []
    for _ in range(200):
        hard = dice.random()
        runs.append(
            (
                TierRun(1 - hard, float(hard < 0.4), 1),
                TierRun(1 - hard, float(hard < 0.7), 3),
                TierRun(1 - hard, float(hard < 0.95), 20),
            )
        )
    found = calibrate(runs, 3, 0.94)
    best = found.best
    assert best.quality >= 0.94
    # Known: accept at tier 0 what it gets right (score > 0.6), at tier 1 what that does (> 0.3), the rest at the last.
    assert best.policy[0] == pytest.approx(0.6, abs=0.06)
    assert best.policy[1] == pytest.approx(0.3, abs=0.06)
    assert best.cost < 0.6 * found.strongest.cost


def test_a_target_out_of_reach_is_told() -> None:
    runs: list[Run] = [(TierRun(0.5, 0.0, 1), TierRun(0.5, float(index % 2), 1)) for index in range(40)]
    found = calibrate(runs, 2, 0.9)
    assert not found.reached
    assert found.best.quality == 0.5
    assert "No thresholds reach 0.9" in found.verdict


def test_few_runs_cannot_tell_and_say_how_many_could() -> None:
    found = calibrate(noisy(12, 1), 2, 0.9)
    assert found.reached
    assert not found.sure
    assert found.held_out is None
    assert "cannot tell" in found.verdict
    assert calibrate([(TierRun(0.9, 1.0, 1), TierRun(1, 1.0, 9))] * 200, 2, 0.98).sure


def test_what_was_never_asked_counts_as_wrong_and_costs_what_it_costs_elsewhere() -> None:
    runs: list[Run] = [
        (TierRun(0.9, 1.0, 1.0),),
        (TierRun(0.2, 0.0, 1.0), TierRun(0.9, 1.0, 5.0)),
    ]
    asked = estimate(runs, (0.5,))
    assert (asked.quality, asked.unknown, asked.cost) == (1.0, 0.0, 3.5)
    strict = estimate(runs, (0.95,))
    assert (strict.quality, strict.unknown, strict.cost) == (0.5, 0.5, 6.0)


def test_a_tier_that_gave_no_answer_is_never_accepted() -> None:
    run: Run = (TierRun(NO_ANSWER, 0.0, 1.0), TierRun(0.5, 1.0, 2.0))
    assert play(run, (0.0,), [1, 2]) == (1, 1.0, 3.0)
    assert calibrate([run] * 30, 2, 0.9).best.quality == 1


def test_one_tier_leaves_nothing_to_choose() -> None:
    found = calibrate([(TierRun(0.5, 1.0, 1.0),)] * 30, 1, 0.9)
    assert (found.best.policy, found.best.quality) == ((), 1.0)


@pytest.mark.parametrize(
    ("right", "count", "low", "high"),
    # Where none or all are right, the far end is z^2 / (n + z^2) from it.
    [(0, 10, 0.0, 0.2775), (5, 10, 0.2366, 0.7634), (10, 10, 0.7225, 1.0), (90, 100, 0.8256, 0.9448)],
)
def test_the_interval_is_wilsons(right: int, count: int, low: float, high: float) -> None:
    assert interval([1.0] * right + [0.0] * (count - right)) == pytest.approx((low, high), abs=1e-3)


def test_graded_qualities_get_a_bootstrap_that_holds_their_mean() -> None:
    dice = random.Random(5)
    low, high = interval([dice.betavariate(8, 2) for _ in range(200)])
    assert low < 0.8 < high
    assert high - low < 0.05


def test_the_runs_needed_are_those_that_wilsons_interval_needs() -> None:
    needed = runs_needed(0.99, 0.95)
    assert needed is not None
    for count, enough in ((int(needed * 1.1), True), (int(needed * 0.9), False)):
        right = round(count * 0.99)
        assert (interval([1.0] * right + [0.0] * (count - right))[0] >= 0.95) == enough, count
    assert runs_needed(0.95, 0.95) is None


def test_many_runs_of_many_tiers_take_no_age() -> None:
    dice = random.Random(1)
    runs: list[Run] = [
        tuple(TierRun(dice.random(), float(dice.random() < 0.8), 1.0 + tier) for tier in range(4)) for _ in range(1000)
    ]
    started = time.monotonic()
    calibrate(runs, 4, 0.8)
    assert time.monotonic() - started < 20


TIER = st.builds(
    TierRun, score=st.floats(0, 1), quality=st.one_of(st.none(), st.floats(0, 1)), cost=st.floats(0.001, 10)
)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.lists(TIER, min_size=1, max_size=2).map(tuple), min_size=1, max_size=8), st.floats(0, 1))
def test_no_single_threshold_is_cheaper_at_the_target(runs: list[Run], target: float) -> None:
    found = calibrate(runs, 2, target)
    for threshold in [*{tier.score for run in runs for tier in run}, 0.0, 0.5, NEVER]:
        other = estimate(runs, (threshold,))
        if found.reached and other.quality >= target:
            assert found.best.cost <= other.cost + 1e-9
        if not found.reached:
            assert other.quality <= found.best.quality + 1e-9


CASCADE = parse(
    {"cascade": {"tiers": [{"call": {"model": "a"}}, {"call": {"model": "b"}}], "accept": {"at_least": 0.7}}}
)


def step(path: str, output: Any = None, *, cost: str = "0", decisions: list[Decision] | None = None) -> StepView:
    """A step that has ended."""
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    attempt = AttemptView(
        outcome="answered", status=200, input_tokens=1, output_tokens=1, cost_usd=Decimal(cost), latency_s=1.0,
        error=None, error_kind=None, finish_reason="stop", request_id=None, prompt_hash="", answer_hash=None,
        started_at=moment,
    )  # fmt: skip
    made = tuple(decisions or ())
    return StepView(
        path=path, parent=None, kind="call", state=StepState.SUCCEEDED, decision=made[-1] if made else None,
        decisions=made, calls=(CallView(provider="p", model="m", attempts=(attempt,)),), output=output,
        error_kind=None, error=None, started_at=moment, finished_at=moment,
    )  # fmt: skip


def traced(spec: Pipeline, *steps: StepView) -> TraceView:
    """A job that went through `spec`."""
    return TraceView(
        job="J", pipeline="p", version="v", state=JobState.SUCCEEDED, tenant="t", input="?", cost_usd=Decimal(0),
        latency_s=1.0, spec=dump(spec), steps=steps,
    )  # fmt: skip


def decided(choice: str, tier: int, score: float, **more: Any) -> Decision:
    """What a cascade decided."""
    return Decision(choice=choice, reason="", confidence=score, features={"tier": tier, "score": score, **more})


SEEN = traced(
    CASCADE,
    step("$", "Paris", decisions=[decided("escalate", 0, 0.4), decided("accept", 1, 0.9)]),
    step("tiers.0", "Lyon", cost="0.1"),
    step("tiers.1", "Paris.", cost="2"),
)


def test_a_trace_tells_each_tiers_score_quality_and_cost() -> None:
    run, whole = run_of(find(CASCADE, "$"), SEEN, Label(expected=("paris",)))
    assert run == (TierRun(0.4, 0.0, 0.1), TierRun(0.9, 1.0, 2.0))
    assert whole


def test_a_label_without_the_right_answer_is_of_the_tier_that_stood() -> None:
    run, _ = run_of(find(CASCADE, "$"), SEEN, Label(quality=1.0))
    assert [tier.quality for tier in run] == [None, 1.0]


def test_scores_that_gates_were_left_out_of_are_told() -> None:
    trace = traced(
        CASCADE, step("$", "x", decisions=[decided("accept", 0, 0.9, not_asked=["judge"])]), step("tiers.0", "x")
    )
    assert run_of(find(CASCADE, "$"), trace, Label(quality=1.0))[1] is False


def test_only_jobs_with_the_same_gates_count() -> None:
    tiers = [{"call": {"model": "a"}}, {"call": {"model": "b"}}]
    place = find(CASCADE, "$")
    assert same_gates(place, SEEN)
    assert same_gates(
        place, traced(parse({"cascade": {"tiers": tiers, "accept": {"at_least": [0.1], "ask_all": True}}}))
    )
    assert not same_gates(place, traced(parse({"cascade": {"tiers": tiers, "accept": {"gates": {"hedging": 1}}}})))
    assert not same_gates(place, traced(parse({"cascade": {"tiers": tiers[:1]}})))
    assert not same_gates(find(Chain(steps=(Call(model="a"), CASCADE)), "1"), SEEN)


@pytest.mark.parametrize(
    ("spec", "path"),
    [
        (CASCADE, "$"),
        (Chain(steps=(Call(model="a"), Ensemble(members=(CASCADE, Call(model="a"))))), "1.members.0"),
        (Route(by="task", to=(Branch(task="x", then=Call(model="a")), Branch(then=CASCADE))), "to.1"),
    ],
)
def test_a_cascade_is_found_and_made_to_ask_all_wherever_it_stands(spec: Pipeline, path: str) -> None:
    place = find_cascade(spec, None)
    assert place.path == path
    changed = asking_all(place)
    node = find(parse(dump(changed)), path).node
    assert isinstance(node, Cascade)
    assert node.accept.ask_all
    assert same_gates(place, traced(changed))


def test_of_several_cascades_one_must_be_named() -> None:
    with pytest.raises(PipelineError, match="name one with --step"):
        find_cascade(Chain(steps=(CASCADE, CASCADE)), None)
    assert find_cascade(Chain(steps=(CASCADE, CASCADE)), "1").path == "1"
    with pytest.raises(PipelineError, match="no cascade"):
        find_cascade(Call(model="a"), None)
