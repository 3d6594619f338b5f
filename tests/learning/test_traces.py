"""What a house's own jobs tell of its models, and what they do not."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from learning.traces import outcomes_of
from mirepoix.config import Config
from mirepoix.states import FeedbackSource, JobState, StepState
from mirepoix.views import AttemptView, CallView, Decision, FeedbackView, StepView, TraceView

NOW = datetime(2026, 11, 30, tzinfo=UTC)
CONFIG = Config.model_validate(
    {"providers": {"p": {"api": "python", "external": False}}, "models": {"a": {"provider": "p", "callable": "m:f"}}}
)


def step(path: str, kind: str, parent: str | None = None, *, output: Any = None, **more: Any) -> StepView:
    fields: dict[str, Any] = {"state": StepState.SUCCEEDED, "decisions": (), "calls": (), "error_kind": None} | more
    return StepView(
        path=path,
        parent=parent,
        kind=kind,
        output=output,
        error=None,
        started_at=NOW,
        finished_at=NOW,
        decision=None,
        **fields,
    )


def call(
    path: str, model: str, parent: str | None = None, *, output: Any = "yes", form: str | None = None, **more: Any
) -> StepView:
    attempt = AttemptView(
        outcome="answered",
        status=200,
        input_tokens=1,
        output_tokens=1,
        cost_usd=Decimal("0.001"),
        latency_s=1.0,
        error=None,
        error_kind=None,
        finish_reason=None,
        form=form,
        request_id=None,
        prompt_hash="",
        answer_hash=None,
        started_at=NOW,
        cached=more.pop("cached", False),
    )
    calls = (CallView(provider="p", model=model, attempts=(attempt,)),)
    return step(path, "call", parent, output=output, calls=calls, **more)


def job(steps: Sequence[StepView], given: Any = "Is it?", output: Any = "yes", **feedback: float) -> TraceView:
    said = tuple(
        FeedbackView(source=FeedbackSource(source.replace("_", "-")), score=score, at=NOW)
        for source, score in feedback.items()
    )
    return TraceView(
        job="j",
        pipeline="p",
        version="v",
        state=JobState.SUCCEEDED,
        tenant="t",
        input=given,
        output=output,
        cost_usd=Decimal(0),
        latency_s=1.0,
        spec={},
        steps=tuple(steps),
        feedback=said,
    )


def scores(*traces: TraceView) -> dict[str, dict[str, float]]:
    return {outcome.question: dict(outcome.score) for outcome in outcomes_of(traces, CONFIG)}


def test_feedback_is_of_the_call_whose_answer_is_the_jobs() -> None:
    ensemble = [
        step("$", "ensemble"),
        call("members.0", "a", "$"),
        call("members.1", "b", "$", output="no"),
        call("judge.0", "c", "$"),
    ]
    assert scores(job(ensemble, user=0.75)) == {"Is it?": {"a": 0.75}}


def test_jobs_with_the_same_question_are_one_outcome_and_a_user_is_believed_first() -> None:
    traces = [
        job([call("$", "a")], user=1.0, judge=0.0),
        job([call("$", "a")], user=0.5),
        job([call("$", "b")], unit_test=0.0),
    ]
    (outcome,) = outcomes_of(traces, CONFIG)
    assert outcome.score == {"a": 0.75, "b": 0.0}
    assert outcome.cost == {"a": Decimal("0.001"), "b": Decimal("0.001")}
    assert outcome.out_tokens == {"a": 1.0, "b": 1.0}
    assert outcome.response == {"a": "yes", "b": "yes"}


def test_a_cascades_judge_and_a_schema_speak_where_nobody_else_does() -> None:
    gates = [{"gate": "judge", "score": 0.2}, {"gate": "length", "score": 1.0}]
    decision = Decision(choice="escalate", reason="", confidence=1, features={"tier": 0, "gates": gates})
    cascade = [
        step("$", "cascade", decisions=(decision,)),
        call("tiers.0", "a", "$", output="no"),
        call("samples.0.1", "a", "$"),
        call("tiers.1", "b", "$", form="plain"),
    ]
    assert scores(job(cascade)) == {"Is it?": {"a": 0.2, "b": 1.0}}
    broken = call("$", "a", output=None, state=StepState.FAILED, error_kind="invalid_output")
    assert scores(job([broken], output=None)) == {"Is it?": {"a": 0.0}}


def test_what_is_asked_a_part_of_the_question_tells_nothing_of_it() -> None:
    chain = [step("$", "chain"), call("0", "a", "$"), step("tiers", "map", "$"), call("tiers.items.0", "b", "tiers")]
    assert scores(job(chain, user=1.0)) == {"Is it?": {}}
    nested = [step("$", "route"), step("to.1", "cascade", "$"), call("to.1.tiers.0", "a", "to.1")]
    assert scores(job(nested, user=1.0)) == {"Is it?": {"a": 1.0}}


def test_what_is_not_stored_is_left_out_and_what_was_cached_costs_nothing_known() -> None:
    assert scores(job([call("$", "a")], given=None, user=1.0)) == {}
    (outcome,) = outcomes_of(
        [job([call("$", "a", cached=True)], given={"text": "With files", "files": []}, user=1.0)], CONFIG
    )
    assert (outcome.question, outcome.score, outcome.cost) == ("With files", {"a": 1.0}, {})
