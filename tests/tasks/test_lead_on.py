"""What an answer makes ready is decided at once, and nothing is sent for nothing."""

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mirepoix import Branch, Call, Cascade, Chain, Ensemble, If, Map, Route
from mirepoix.ledger.ending import stop_job
from mirepoix.spec import Pipeline, parse
from mirepoix.states import ErrorKind, JobState
from tasks import lead_on
from tasks.decide import decide_claimed
from tests.specs import early_ensembles, pipelines
from tests.tasks.pump import Pump, open_pump
from workers.embedded import EmbeddedBroker

A, B, BROKEN = Call(model="a"), Call(model="b"), Call(model="broken")
THREE = Ensemble(members=(A, B, A))
REFUSED = {"at_least": 1, "gates": {"length": {"min_words": 9}}}
STANDS = parse({"cascade": {"tiers": [{"call": {"model": "a"}}] * 2, "accept": {"at_least": 0.1}}})
ESCALATES = parse({"cascade": {"tiers": [{"call": {"model": "a"}}, {"call": {"model": "b"}}], "accept": REFUSED}})
SKIPPED = If(when="input == 'other'", then=A)
ROUTED = Route(by="complexity", to=(Branch(below=0.5, then=A), Branch(then=B)))


@pytest.fixture(scope="module")
def pump(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pump]:
    """A house in this process."""
    home = tmp_path_factory.mktemp("pump")
    broker = EmbeddedBroker(home)
    broker.start()
    try:
        with open_pump(home, broker.url) as opened:
            yield opened
    finally:
        broker.stop()


@pytest.fixture(autouse=True)
def _empty(pump: Pump) -> None:
    pump.done.clear()


DECIDE = ("route", "if", "cascade", "ensemble")
CALLS = ["call members.0", "call members.1", "call members.2"]


@pytest.mark.parametrize(
    ("pipeline", "tasks"),
    [
        (ROUTED, ["call to.0"]),
        (THREE, CALLS),
        (STANDS, ["call tiers.0"]),
        (ESCALATES, ["call tiers.0", "call tiers.1"]),
        (Chain(steps=(A, SKIPPED, SKIPPED, B)), ["call 0", "call 3"]),
        (Chain(steps=(A, If(when="input", then=A), B)), ["call 0", "call 1.then.0", "call 2"]),
        (Chain(steps=(A, ROUTED, B)), ["call 0", "call 1.to.0", "call 2"]),
        (
            Chain(steps=(ESCALATES, Ensemble(members=(A, A)), B)),
            ["call 0.tiers.0", "call 0.tiers.1", "call 1.members.0", "call 1.members.1", "call 2"],
        ),
        (
            Ensemble(members=(Chain(steps=(A, STANDS, A)), Ensemble(members=(A, B)))),
            [
                *(f"call members.0.{link}" for link in ("0", "1.tiers.0", "2")),
                *(f"call members.1.{one}" for one in ("members.0", "members.1")),
            ],
        ),
        (
            Chain(steps=(Cascade(tiers=(BROKEN, A)), B)),
            ["call 0.tiers.0", "call 0.tiers.1", "call 1"],
        ),
        (
            Chain(steps=(Ensemble(members=(A, BROKEN), min_success=1), B)),
            ["call 0.members.0", "call 0.members.1", "call 1"],
        ),
        (
            Chain(steps=(A, Ensemble(members=(A, B, A), quorum=2), B)),
            ["call 0"] + [f"call 1.members.{n}" for n in range(3)] + ["call 2"],
        ),
        (
            Chain(steps=(SKIPPED, Ensemble(members=(ROUTED, A)), B)),
            ["route 0", "route 1.members.0", "call 1.members.0.to.0", "call 1.members.1", "call 2"],
        ),
    ],
)
def test_calls_are_all_that_is_sent_behind_a_call(pump: Pump, pipeline: Pipeline, tasks: list[str]) -> None:
    trace = pump.run(pipeline)
    assert trace.state is JobState.SUCCEEDED
    start, *others = pump.tasks
    assert start.startswith("start ")
    assert sorted(others) == sorted(tasks)
    decided = [step for step in trace.steps if step.kind in DECIDE]
    assert all(step.decisions and step.task_id and step.finished_at for step in decided)
    assert {step.task_id for step in decided} <= {message.request["id"] for message in pump.done}


def test_a_map_is_left_to_the_orchestrators(pump: Pump) -> None:
    pump.run(Chain(steps=(A, Map(over="{{ [1, 2] }}", each=A))))
    assert [task for task in pump.tasks if task.startswith("expand")] == ["expand 1"] * 2


def test_what_breaks_a_decision_costs_no_answer(pump: Pump, monkeypatch: pytest.MonkeyPatch) -> None:
    def break_down(step: Any) -> Any:
        raise ZeroDivisionError

    monkeypatch.setitem(lead_on.THINK, "ensemble", break_down)
    trace = pump.run(Chain(steps=(THREE, B)))
    states = {step.path: (step.state, step.error_kind) for step in trace.steps}
    assert states["0"] == ("failed", ErrorKind.INTERNAL)
    assert all(states[f"0.{member}"] == ("succeeded", None) for member in ("members.0", "members.1", "members.2"))
    assert trace.state is JobState.FAILED
    assert not [task for task in pump.tasks if task == "call 1"]


def test_who_dies_over_a_decision_has_the_answer_written_down(pump: Pump, monkeypatch: pytest.MonkeyPatch) -> None:
    class Killed(BaseException):
        """No task outlives it."""

    def die(step: Any) -> Any:
        raise Killed

    job_id = pump.submit(ESCALATES)
    pump.do(pump.take() or pytest.fail("no start"))
    call = pump.take() or pytest.fail("no call")
    with monkeypatch.context() as patched:
        patched.setitem(lead_on.THINK, "cascade", die)
        with pytest.raises(Killed):
            pump.do(call)
    assert {step.path: step.state for step in pump.trace(job_id).steps} == {"$": "pending", "tiers.0": "succeeded"}
    pump.do(call)
    pump.send_what_is_ready(job_id)
    while (message := pump.take()) is not None:
        pump.do(message)
    trace = pump.trace(job_id)
    assert trace.state is JobState.SUCCEEDED
    assert [len(step.calls[0].attempts) for step in trace.steps if step.kind == "call"] == [1, 1]


def test_a_job_that_ended_meanwhile_decides_nothing_more(pump: Pump, monkeypatch: pytest.MonkeyPatch) -> None:
    job_id = pump.submit(Chain(steps=(ESCALATES, B)))
    pump.do(pump.take() or pytest.fail("no start"))

    def stop_first(decide: Any, *asked: Any) -> Any:
        with pump.house.database.write() as connection:
            assert stop_job(connection, job_id, ErrorKind.BUDGET, "spent")
        return decide(*asked)

    monkeypatch.setattr("tasks.lead_on.decide_claimed", partial(stop_first, decide_claimed))
    pump.do(pump.take() or pytest.fail("no call"))
    assert pump.take() is None, "nothing follows"
    assert not [step for step in pump.trace(job_id).steps if step.decisions]


SHAPES = st.one_of(pipelines(most=5), early_ensembles())
SOME = settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@SOME
@given(SHAPES, st.integers(0, 2**32))
def test_in_whatever_order_messages_come_canvases_lead_to_the_end(pump: Pump, pipeline: Pipeline, seed: int) -> None:
    dice, job_id = random.Random(seed), pump.submit(pipeline)
    while (message := pump.take(dice.randrange(1000))) is not None:
        pump.do(message)
    assert pump.trace(job_id).state.terminal, pump.tasks


@SOME
@given(SHAPES, st.integers(0, 2**32))
def test_messages_that_come_twice_or_never_cost_no_call(pump: Pump, pipeline: Pipeline, seed: int) -> None:
    dice, job_id = random.Random(seed), pump.submit(pipeline)
    pump.do(pump.take() or pytest.fail("no start"))
    for _ in range(100):
        while (message := pump.take(dice.randrange(1000))) is not None:
            for _ in range(dice.choice((0, 1, 1, 1, 2))):
                pump.do(message)
        if pump.trace(job_id).state.terminal:
            break
        pump.send_what_is_ready(job_id)
    trace = pump.trace(job_id)
    assert trace.state.terminal, pump.tasks
    attempts = [call.attempts for step in trace.steps for call in step.calls]
    assert all(len(made) == 1 for made in attempts), "each call is made once"
