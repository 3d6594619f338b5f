"""What other policies would have done, by recorded jobs whose truth is known."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from statistics import fmean

import pytest

from mirepoix import Call, Cascade
from mirepoix.config_file import parse_config
from mirepoix.spec import Accept, Pipeline, dump, version
from mirepoix.states import JobState, StepState, Store
from mirepoix.views import AttemptView, CallView, StepView, TraceView
from pipelines.labelled import Label
from pipelines.whatif import Evaluation, WhatIf, estimate, rate

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
MODELS = ("small", "middle", "large")
SKILL = {"small": 0.55, "middle": 0.75, "large": 0.9}
PRICE = {"small": 1, "middle": 10, "large": 50}
CONFIG = """
providers: {p: {api: python}}
models:
  small: {provider: p, callable: "json:loads", price: {input: 1, output: 1}}
  middle: {provider: p, callable: "json:loads", price: {input: 10, output: 10}}
  large: {provider: p, callable: "json:loads", price: {input: 50, output: 50}}
"""
JOBS, TRIALS, DRAWN = 600, 100, 150


def cascade(at_least: float) -> Pipeline:
    """Three models, whose answers tell how sure they are."""
    return Cascade(tiers=tuple(Call(model=model) for model in MODELS), accept=Accept(at_least=at_least))


@dataclass(frozen=True, slots=True)
class World:
    """What every model would say to every question: the truth that no ledger holds."""

    answers: dict[tuple[int, str], str]

    @classmethod
    def of(cls, seed: int) -> World:
        """Models are right as often as their skill says, and surer where they are right."""
        dice = random.Random(seed)
        answers: dict[tuple[int, str], str] = {}
        for number in range(JOBS):
            hard = dice.uniform(-0.3, 0.3)
            for model in MODELS:
                right = dice.random() < SKILL[model] - hard
                sure = min(0.99, max(0.01, dice.gauss(0.8 if right else 0.55, 0.15)))
                answers[number, model] = f"{'right' if right else 'wrong'} {number}\nConfidence: {sure:.2f}"
        return cls(answers)

    def play(self, number: int, at_least: float) -> TraceView:
        """The trace of a job that asked the cascade."""
        spec = cascade(at_least)
        steps: list[StepView] = []
        for index, model in enumerate(MODELS):
            answer = self.answers[number, model]
            steps.append(_step(f"tiers.{index}", model, answer))
            if float(answer.rpartition(" ")[2]) >= at_least:
                break
        top = _view("$", None, "cascade", steps[-1].output, ())
        return _trace(number, spec, [top, *steps])


def _step(path: str, model: str, answer: str) -> StepView:
    attempt = AttemptView(
        outcome="answered",
        status=200,
        input_tokens=100,
        output_tokens=50,
        cost_usd=Decimal(150 * PRICE[model]) / 1_000_000,
        latency_s=1.0,
        error=None,
        error_kind=None,
        finish_reason="stop",
        request_id=None,
        prompt_hash="",
        answer_hash=None,
        started_at=NOON,
    )
    return _view(path, "$", "call", answer, (CallView(provider="p", model=model, attempts=(attempt,)),))


def _view(path: str, parent: str | None, kind: str, output: object, calls: tuple[CallView, ...]) -> StepView:
    return StepView.model_validate(
        {
            "path": path,
            "parent": parent,
            "kind": kind,
            "state": StepState.SUCCEEDED,
            "decision": None,
            "decisions": (),
            "calls": calls,
            "output": output,
            "error_kind": None,
            "error": None,
            "started_at": NOON,
            "finished_at": NOON + timedelta(seconds=1),
        }
    )


def _trace(number: int, spec: Pipeline, steps: Sequence[StepView]) -> TraceView:
    return TraceView(
        job=f"job{number}",
        pipeline="asked",
        version=version(spec),
        state=JobState.SUCCEEDED,
        tenant="default",
        input=f"question {number}",
        output=steps[0].output,
        cost_usd=Decimal(0),
        latency_s=1.0,
        spec=dump(spec),
        steps=tuple(steps),
    )


def evaluate(world: World, recorded: float, policy: float) -> tuple[Evaluation, float, float]:
    """All jobs recorded under one threshold and evaluated under another; that one's true quality and cost a job."""
    config = parse_config(CONFIG)
    other = config.model_copy(update={"pipelines": {"asked": cascade(policy)}})
    labels = {f"job{n}": Label(expected=tuple(_right_answers(world, n))) for n in range(JOBS)}
    evaluation = Evaluation(config, other, labels)
    for number in range(JOBS):
        evaluation.learn(world.play(number, recorded))
    truth = [world.play(number, policy) for number in range(JOBS)]
    right = fmean(str(trace.output).startswith("right") for trace in truth)
    spent = fmean(sum(PRICE[step.calls[0].model] * 150e-6 for step in trace.steps[1:]) for trace in truth)
    return evaluation, right, spent


def _right_answers(world: World, number: int) -> list[str]:
    said = [world.answers[number, model] for model in MODELS]
    return [answer for answer in said if answer.startswith("right")] or ["-"]


@pytest.mark.parametrize(
    ("recorded", "policy", "unseen"), [(0.9, 0.7, False), (0.7, 0.72, True)], ids=["milder", "a little stricter"]
)
def test_the_interval_of_quality_covers_the_truth_in_90_of_100_trials(
    recorded: float, policy: float, unseen: bool
) -> None:
    evaluation, truth, _ = evaluate(World.of(7), recorded, policy)
    outcomes = evaluation.outcomes()
    covered, widths = 0, list[float]()
    for seed in range(TRIALS):
        drawn = random.Random(seed).choices(outcomes, k=DRAWN)
        quality = rate(drawn).expected
        assert quality is not None
        covered += quality.low <= truth <= quality.high
        widths.append(quality.high - quality.low)
    print(f"{covered} of {TRIALS} cover {truth:.3f}; mean width {fmean(widths):.3f}")
    assert any(one.unseen for one in outcomes) is unseen
    assert covered >= 90
    assert fmean(widths) < 0.25, "so wide that it says nothing"


def whole(recorded: float, policy: float) -> tuple[WhatIf, float, float]:
    """The estimate from all jobs, and the truth."""
    evaluation, right, spent = evaluate(World.of(3), recorded, policy)
    return estimate(evaluation.outcomes(), evaluation.means), right, spent


def test_a_milder_threshold_is_known_to_the_last_cent_and_answer() -> None:
    found, right, spent = whole(0.9, 0.6)
    assert found.unseen_jobs == 0
    assert found.cost_usd.expected == pytest.approx(spent, rel=1e-9)
    assert found.quality is not None
    assert found.quality.mean == pytest.approx(right)
    assert sum(share.expected for share in found.models.values()) == pytest.approx(1)


def test_what_was_never_asked_is_told_and_estimated_and_its_quality_stays_unknown() -> None:
    found, right, spent = whole(0.6, 0.9)
    assert found.unseen_jobs > 0
    assert found.quality is not None
    assert found.quality.unknown == found.unseen_jobs
    assert found.quality.low <= right <= found.quality.high
    assert any("never put to large" in said for said in found.said)
    assert found.cost_usd.expected == pytest.approx(spent, rel=0.06)


@pytest.mark.parametrize("recorded", [0.6, 0.7, 0.8])
def test_a_stricter_threshold_counts_later_tiers_by_what_it_accepts_itself(recorded: float) -> None:
    found, _, spent = whole(recorded, 0.9)
    assert found.unseen_jobs > 0
    assert found.cost_usd.expected == pytest.approx(spent, rel=0.06)


def test_jobs_whose_texts_are_gone_are_counted_and_in_no_number() -> None:
    world, config = World.of(1), parse_config(CONFIG)
    evaluation = Evaluation(config, config.model_copy(update={"pipelines": {"asked": cascade(0.7)}}))
    for number, kept in enumerate([Store.FULL, Store.REDACTED, Store.NONE] * 4):
        filed = world.play(number, 0.7).model_copy(update={"store": kept, "filed": number < 9})
        evaluation.learn(filed)
    assert (len(evaluation.outcomes()), evaluation.not_known, evaluation.left_out) == (6, 6, 0)


def test_other_prices_change_the_cost_alone() -> None:
    world, config = World.of(1), parse_config(CONFIG)
    dearer = parse_config(CONFIG.replace("price: {input: 50, output: 50}", "price: {input: 100, output: 100}"))
    evaluation = Evaluation(config, dearer.model_copy(update={"pipelines": {"asked": cascade(0.7)}}))
    traces = [world.play(number, 0.7) for number in range(50)]
    for trace in traces:
        evaluation.learn(trace)
    found = estimate(evaluation.outcomes(), evaluation.means)
    large = sum(step.path == "tiers.2" for trace in traces for step in trace.steps)
    assert large > 0
    assert found.decided_anew == 0
    assert found.total_expected_usd - found.total_recorded_usd == pytest.approx(large * 150 * 50e-6)
