"""Routers, gates and reducers: what they choose and what they say of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from mirepoix import Branch, Call, Route
from mirepoix.config import Config
from mirepoix.errors import PipelineError
from mirepoix.paths import root
from mirepoix.spec import Accept
from pipelines.gates import Tier, judge, next_move, stated_confidence
from pipelines.items import parse_items
from pipelines.reducers import Member, majority_vote, normalise
from pipelines.routers import Query, choose_branch
from pipelines.routers.complexity import complexity

CONFIG = Config.model_validate(
    {
        "providers": {"one": {"api": "openai"}},
        "models": {name: {"provider": "one", "price": {"input": 1, "output": 1}} for name in "abc"},
    }
)
THREE = Route(
    by="complexity",
    to=(Branch(below=0.3, then=Call(model="a")), Branch(below=0.7, then=Call(model="b")), Branch(then=Call(model="c"))),
)
TASKS = Route(
    by="task",
    to=(
        Branch(task="code", then=Call(model="a")),
        Branch(task="math", then=Call(model="b")),
        Branch(then=Call(model="c")),
    ),
)
HARD = """
Prove that the amortized complexity of the concurrent algorithm converges under asynchronous consensus with Byzantine
faults, derive the asymptotic variance of its Bayesian estimator, and discuss why the trade-offs between consistency
and latency might matter. What are the implications? How would you compare them? Explain step by step with a covariance
matrix, the eigenvalue spectrum, and a formal argument about the convex optimization constraint; then evaluate whether
the compiler, the cache and the database of the architecture could deadlock, and why.
"""


@pytest.mark.parametrize(
    ("query", "branch"), [("What is the capital of France?", 0), ("", 0), (HARD, 2), ("word " * 10_000, 1)]
)
def test_a_query_goes_where_its_complexity_belongs(query: str, branch: int) -> None:
    choice = choose_branch(root(THREE), Query(query, CONFIG))
    decision = choice.decision
    assert (choice.index, decision.choice) == (branch, f"to.{branch}")
    assert decision.features["score"] == complexity(query).score
    assert decision.features["bounds"] == [0.3, 0.7]
    assert 0.5 <= decision.confidence <= 1


@given(st.text(max_size=2000))
def test_complexity_lies_between_0_and_1_and_is_the_same_each_time(query: str) -> None:
    seen = complexity(query)
    assert seen == complexity(query)
    assert all(0 <= value <= 1 for value in (seen.score, seen.length, seen.technical, seen.ambiguity))


@pytest.mark.parametrize(
    ("query", "given_task", "branch"),
    [
        ("Write a Python function that reverses a list", None, 0),
        ("What is 17 * 23?", None, 1),
        ("Tell me about your day", None, 2),
        ("Write a Python function", "math", 1),
        ("Write a Python function", "poetry", 2),
    ],
)
def test_a_query_goes_to_its_kind_of_work(query: str, given_task: str | None, branch: int) -> None:
    choice = choose_branch(root(TASKS), Query(query, CONFIG, given_task))
    assert choice.index == branch
    assert choice.decision.reason


@pytest.mark.parametrize(
    ("answer", "finish", "low", "high"),
    [
        ("Paris.", "stop", 1.0, 1.0),
        ("", "stop", 0.0, 0.0),
        (None, "stop", 0.0, 0.0),
        ("I cannot help with that.", "stop", 0.0, 0.0),
        ("Perhaps Paris, I am not sure.", "stop", 0.5, 0.8),
        ("Paris is the", "length", 0.5, 0.5),
        ("Paris.\nConfidence: 0.9", "stop", 0.9, 0.9),
        ("Paris.\nConfidence: 35 %", "stop", 0.35, 0.35),
        ({"capital": "Paris", "confidence": 0.4}, "stop", 0.4, 0.4),
    ],
)
def test_quality_is_read_from_the_answer(answer: JsonValue, finish: str, low: float, high: float) -> None:
    assert low <= judge(answer, finish).score <= high


@given(st.text(max_size=500), st.sampled_from(["stop", "length", None]))
def test_quality_lies_between_0_and_1(answer: str, finish: str | None) -> None:
    assert 0 <= judge(answer, finish).score <= 1


@pytest.mark.parametrize(
    "answer", ["Confidence: 900", "Confidence: high", {"confidence": True}, {"confidence": 7}, [1]]
)
def test_a_confidence_that_makes_no_sense_counts_as_none(answer: JsonValue) -> None:
    assert stated_confidence(answer) is None


@pytest.mark.parametrize(
    ("tiers", "more", "accepted", "choice"),
    [
        ([Tier("Paris.", "stop")], True, 0, "accept"),
        ([Tier("I think, perhaps.", "stop")], True, None, "escalate"),
        ([Tier("maybe: perhaps, possibly", "stop"), Tier("I guess, perhaps", "stop")], False, 1, "accept"),
        ([Tier(error="overloaded")], True, None, "escalate"),
        ([Tier("I guess, perhaps", "stop"), Tier(error="overloaded")], False, 0, "accept"),
        ([Tier(error="overloaded"), Tier(error="overloaded")], False, None, "fail"),
    ],
)
def test_a_cascade_goes_on_until_an_answer_is_good_enough(
    tiers: list[Tier], more: bool, accepted: int | None, choice: str
) -> None:
    move = next_move(Accept(), tiers, more=more)
    assert (move.stands, move.decision.choice) == (accepted, choice)


def test_the_majority_wins_whatever_its_spelling() -> None:
    answers = ["Lyon", " paris!", "Paris.", "**PARIS**\nConfidence: 0.3"]
    voted = majority_vote([Member(f"members.{i}", answer) for i, answer in enumerate(answers)])
    chosen, decision = voted.output, voted.decision
    assert (chosen, decision.choice, decision.confidence) == (" paris!", "members.1", 0.75)
    assert decision.features["votes"] == [1, 3]


def test_of_equals_the_first_wins_and_the_tie_is_told() -> None:
    voted = majority_vote([Member("members.0", "a"), Member("members.1", "b")])
    chosen, decision = voted.output, voted.decision
    assert (chosen, decision.features["tied"]) == ("a", True)


@given(st.lists(st.sampled_from(["a", "A.", "b", "c"]), min_size=1, max_size=9))
def test_no_answer_has_more_votes_than_the_chosen_one(answers: list[str]) -> None:
    voted = majority_vote([Member(str(i), answer) for i, answer in enumerate(answers)])
    chosen, decision = voted.output, voted.decision
    ballots = [normalise(answer) for answer in answers]
    assert ballots.count(normalise(str(chosen))) == max(map(ballots.count, ballots))
    assert decision.confidence == pytest.approx(max(map(ballots.count, ballots)) / len(answers), abs=1e-4)


@pytest.mark.parametrize(
    ("text", "items"),
    [('["a", {"b": 1}]', ["a", {"b": 1}]), ("one\n\n  two \n", ["one", "two"]), ("", []), ("[]", [])],
)
def test_items_are_a_json_list_or_lines(text: str, items: list[JsonValue]) -> None:
    assert parse_items(text, 10) == items


@pytest.mark.parametrize("text", ["[1, 2", "1\n" * 11, "[" * 100_000])
def test_items_that_cannot_be_are_refused(text: str) -> None:
    with pytest.raises(PipelineError):
        parse_items(text, 10)
