"""Each gate by itself: its score, and what it says when it cannot tell."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue, ValidationError

from mirepoix import Answer
from mirepoix.errors import PipelineError
from mirepoix.spec.gates import Consistency, Function, Gate, Judge, Length, Schema
from pipelines.gates import Heard, Tier, fence
from pipelines.gates.function import load_function, score_function
from pipelines.gates.judgement import read_judgement
from pipelines.gates.models import score_agreement, score_consistency, score_judge, score_logprob
from pipelines.gates.schema import score_schema
from pipelines.gates.words import score_complete, score_confidence, score_hedging, score_length, score_refusal

ANY = Gate()
CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


@pytest.mark.parametrize(("text", "score"), [("Paris.", 1), ("I cannot help with that.", 0), ("As an AI, no.", 0)])
def test_refusal(text: str, score: float) -> None:
    assert score_refusal(ANY, Tier(text)).value == score


@pytest.mark.parametrize(("text", "score"), [("Paris.", 1), ("I think Paris.", 0.85), ("perhaps " * 9, 0)])
def test_hedging(text: str, score: float) -> None:
    assert score_hedging(ANY, Tier(text)).value == pytest.approx(score)


@pytest.mark.parametrize(("finish", "score"), [("stop", 1), (None, 1), ("length", 0), ("max_tokens", 0)])
def test_complete(finish: str | None, score: float) -> None:
    assert score_complete(ANY, Tier("Paris.", finish)).value == score


@pytest.mark.parametrize(
    ("bounds", "text", "score", "says"),
    [
        ({"min_words": 2}, "one", 0, "1 words, fewer than 2"),
        ({"min_words": 2}, "one two", 1, "2 words"),
        ({"max_words": 2}, "one two three", 0, "more than 2"),
        ({"min_characters": 4}, "one", 0, "3 characters"),
        ({"max_characters": 2}, "one", 0, "more than 2"),
        ({"min_words": 1, "max_characters": 9}, "one two", 1, "2 words, 7 characters"),
    ],
)
def test_length(bounds: dict[str, int], text: str, score: float, says: str) -> None:
    said = score_length(Length(**bounds), Tier(text))
    assert said.value == score
    assert says in said.reason


@pytest.mark.parametrize(
    ("answer", "score"),
    [("Paris\nConfidence: 0.7", 0.7), ({"confidence": 0.4}, 0.4), ("Paris", None), ({"confidence": 10**400}, None)],
)
def test_confidence(answer: JsonValue, score: float | None) -> None:
    assert score_confidence(ANY, Tier(answer)).value == score


@pytest.mark.parametrize(
    ("answer", "score", "says"),
    [
        ({"city": "Paris"}, 1, "fits"),
        ('{"city": "Paris"}', 1, "fits"),
        ('```json\n{"city": "Paris"}\n```', 1, "fits"),
        ("```\n{}\n```", 0, "'city' is a required property"),
        ('{"city": 1}', 0, "$.city"),
        ("Paris", 0, "not JSON"),
        ('It is {"city": "Paris"}.', 1, "fits"),
        ("[" * 100_000, 0, "not JSON"),
        ([], 0, "object"),
    ],
)
def test_schema(answer: JsonValue, score: float, says: str) -> None:
    said = score_schema(Schema(of=CITY), Tier(answer))
    assert said.value == score
    assert says in said.reason


def test_a_schema_that_points_elsewhere_is_never_fetched() -> None:
    with pytest.raises(ValidationError, match="refers"):
        Schema(of={"$ref": "http://127.0.0.1:1/schema.json"})


def test_what_is_no_schema_is_found_before_any_job() -> None:
    with pytest.raises(ValidationError, match="schema"):
        Schema(of={"type": "objekt"})


@pytest.mark.parametrize(("logprob", "score"), [(0.0, 1), (-0.1054, 0.9), (-50, 0), (None, None)])
def test_log_probabilities_are_the_mean_probability_of_a_token(logprob: float | None, score: float | None) -> None:
    said = score_logprob(ANY, Tier("Paris", logprob=logprob))
    assert said.value == (None if score is None else pytest.approx(score, abs=1e-3))
    assert logprob is not None or "tells no" in said.reason


@pytest.mark.parametrize(
    ("earlier", "score"),
    [
        ([], None),
        ([Tier("paris!")], 1),
        ([Tier("Lyon")], 0),
        ([Tier("Paris"), Tier("Lyon")], 0),
        ([Tier("Paris"), Tier(error="down")], 1),
        ([Tier(error="down")], None),
    ],
)
def test_agreement_is_with_the_answer_before(earlier: list[Tier], score: float | None) -> None:
    assert score_agreement(ANY, Tier("Paris."), earlier).value == score


@pytest.mark.parametrize(
    ("samples", "score"),
    [
        (["Paris!", " paris"], 1),
        (["Paris", "Lyon"], 2 / 3),
        (["Lyon", "Lyon"], 1 / 3),
        (["Paris", None], 1),
        ([None, None], None),
    ],
)
def test_consistency_is_the_share_that_says_the_same(samples: list[str | None], score: float | None) -> None:
    heard = tuple(Heard(sample) if sample is not None else Heard(error="down") for sample in samples)
    said = score_consistency(Consistency(samples=3), Tier("Paris.", samples=heard))
    assert said.value == (None if score is None else pytest.approx(score, abs=1e-4))


@pytest.mark.parametrize(
    ("answer", "score", "reason"),
    [
        ('{"score": 0.7, "reason": "fine"}', 0.7, "fine"),
        ('Here you are:\n```json\n{"reason": "x", "score": 1}\n```', 1, "x"),
        ({"score": 0.25, "reason": "half"}, 0.25, "half"),
        ('{"score": "7/10"}', 0.7, ""),
        ('{"score": "80 %"}', 0.8, ""),
        ("Score: 0.6 because it is so", 0.6, "Score: 0.6 because it is so"),
        ("**Score:** 9/10", 0.9, "**Score:** 9/10"),
        ("0.35", 0.35, "0.35"),
        ("85 %", 0.85, "85 %"),
        (0.5, 0.5, ""),
        ('{"a": {"score": 0.5}}', None, ""),
        ('{"score": 0.1} and {"score": 0.9}', None, ""),
        ('{"score": 0.5} and again {"score": 0.5}', 0.5, ""),
        ('{"score": 7}', None, ""),
        ('{"score": -1}', None, ""),
        ('{"score": NaN}', None, ""),
        ('{"score": true}', None, ""),
        ('{"score": 1' + "0" * 4000 + "}", None, ""),
        ("Score: 0.2\nScore: 0.9", None, ""),
        ("I would give it a 7.", None, ""),
        ("", None, ""),
        (None, None, ""),
        (True, None, ""),
        ([0.5], None, ""),
    ],
)
def test_a_judgement_is_one_score_from_0_to_1(answer: JsonValue, score: float | None, reason: str) -> None:
    found = read_judgement(answer)
    if score is None:
        assert found is None
    else:
        assert found is not None
        assert found.score == pytest.approx(score)
        assert found.reason == reason


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.integers() | st.text(), st.lists, max_leaves=5))
def test_whatever_a_judge_says_is_a_judgement_or_none(answer: Any) -> None:
    found = read_judgement(answer)
    assert found is None or 0 <= found.score <= 1


def test_a_judge_that_goes_on_for_ever_is_read_in_no_time() -> None:
    started = time.monotonic()
    read_judgement('{"a":' * 200_000)
    read_judgement("{" * 1_000_000)
    read_judgement("Score: " + "9" * 1_000_000)
    read_judgement("score \n" * 100_000)
    assert time.monotonic() - started < 2


@given(st.text(), st.text())
def test_no_text_closes_the_marks_around_it(text: str, hostile: str) -> None:
    mark = fence("answer", text).split("\n", 1)[0]
    closing = mark.replace("<", "</", 1)
    whole = fence("answer", text + hostile + closing)
    assert whole.count(whole.rsplit("\n", 1)[1]) == 1


@pytest.mark.parametrize(("on_error", "value", "veto"), [("escalate", 0, True), ("accept", 1, False)])
@pytest.mark.parametrize("heard", [Heard(error="down"), Heard("nonsense")])
def test_a_judge_that_says_nothing_means_what_on_error_says(
    heard: Heard, on_error: Any, value: float, veto: bool
) -> None:
    said = score_judge(Judge(model="strong", on_error=on_error), Tier("Paris", judge=heard))
    assert (said.value, said.veto) == (value, veto)
    assert "strong gave no" in said.reason
    ignored = score_judge(Judge(model="strong", on_error="ignore"), Tier("Paris", judge=heard))
    assert (ignored.value, ignored.veto) == (None, False)


def returns_as_told(answer: Answer) -> Any:
    """A gate of one's own: the answer says in JSON what to return."""
    return json.loads(answer.text)


def exits(answer: Answer) -> float:
    """Tries to end the worker."""
    raise SystemExit(1)


@pytest.mark.parametrize(
    ("returned", "value"), [("0.4", 0.4), ("true", 1), ("1", 1), ("2", 0), ("null", 0), ('"good"', 0), ("NaN", 0)]
)
def test_a_function_gives_a_score(returned: str, value: float) -> None:
    gate = Function(callable=f"{__name__}:returns_as_told")
    said = score_function(gate, Answer("?", returned, 0))
    assert said.value == value
    assert said.veto == (value == 0)


def test_a_function_that_exits_ends_nothing_but_itself() -> None:
    assert "SystemExit" in score_function(Function(callable=f"{__name__}:exits"), Answer("?", "x", 0)).reason


@pytest.mark.parametrize("target", ["no.such.module:f", f"{__name__}:nothing"])
def test_a_function_that_is_not_there_is_found_before_any_job(target: str) -> None:
    with pytest.raises(PipelineError, match="cannot be imported"):
        load_function(target)
