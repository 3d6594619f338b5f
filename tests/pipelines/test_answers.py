"""What comes of answers that had to fit a schema."""

from __future__ import annotations

import json
import time
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import JsonValue

from pipelines.answers import Form, Reading, Unfit, ask_anew, explain_flaws, read_answer, retold
from tests.answers.broken import KINDS, SCHEMA, Broken, broken_answers

BROKEN = broken_answers()
ORACLE = Draft202012Validator(SCHEMA)
"""jsonschema as it is, without our bounds."""


def test_there_are_500_broken_answers_of_20_kinds() -> None:
    assert len(BROKEN) == 500
    assert len(KINDS) == 20
    assert len({answer.text for answer in BROKEN}) > 400


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("repair", [False, True])
def test_a_broken_answer_is_read_as_what_was_meant_or_not_at_all(kind: str, repair: bool) -> None:
    for answer in (answer for answer in BROKEN if answer.kind == kind):
        reading = read_answer(answer.text, SCHEMA, repair=repair)
        expected = answer.mended if repair else answer.strict
        if isinstance(reading, Reading):
            assert ORACLE.is_valid(reading.value)
            json.dumps(reading.value, allow_nan=False)
            assert expected is not False, f"{reading} came of {answer}"
            assert reading.value == answer.value or kind == "cut short", answer
            assert (reading.form is Form.REPAIRED) == (not answer.strict)
        else:
            assert expected is not True, f"{reading.flaws} came of {answer}"
            assert reading.flaws


def test_repair_mends_most_of_what_is_not_json_but_was_meant_to_be() -> None:
    def mended(answer: Broken) -> bool:
        return isinstance(read_answer(answer.text, SCHEMA, repair=True), Reading)

    count = Counter(answer.kind for answer in BROKEN if mended(answer))
    assert count["trailing comma"] == 25
    assert count["single quotes"] + count["comments"] >= 35, count


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda x: st.lists(x) | st.dictionaries(st.text(), x),
        max_leaves=8,
    )
)
def test_json_in_any_wrapping_is_read_as_it_is(value: JsonValue) -> None:
    schema = {"type": "object", "required": ["it"], "properties": {"it": {"const": value}}}
    text = json.dumps({"it": value}, ensure_ascii=False)
    for wrapped in (text, f"```json\n{text}\n```", f"So: {text} Done.", json.dumps(text), f"\n\n{text}\n"):
        reading = read_answer(wrapped, schema)
        assert isinstance(reading, Reading), (wrapped, reading)
        assert reading.value == {"it": value}


@given(st.text(alphabet='{}[]",:\\ab1.\n`', max_size=60))
def test_whatever_is_returned_fits(text: str) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
    for repair in (False, True):
        reading = read_answer(text, schema, repair=repair)
        if isinstance(reading, Reading):
            assert isinstance(reading.value, dict)
            assert isinstance(reading.value["a"], int)


def test_the_inner_part_of_half_an_answer_is_no_answer() -> None:
    anything = {"type": "object"}
    assert isinstance(read_answer('{"result": [{"a": 1}, {"b": 2}', anything), Unfit)
    assert read_answer('{"a": 1} and then {"b": 2}', anything) == Reading({"b": 2}, Form.EMBEDDED)


def test_a_schema_of_a_string_takes_the_text_itself() -> None:
    one_of = {"type": "string", "enum": ["yes", "no"]}
    assert read_answer(" yes\n", one_of) == Reading("yes", Form.TEXT)
    assert read_answer('"no"', one_of) == Reading("no", Form.WHOLE)
    assert isinstance(read_answer("maybe", one_of), Unfit)


@pytest.mark.parametrize(
    "text",
    ["[" * 2_000_000, '{"a":' * 400_000, "```\n" * 500_000, "{}" * 500_000, '["\\' * 500_000, '"' * 2_000_000],
    ids=["brackets", "objects", "fences", "empty ones", "escapes", "quotes"],
)
def test_hostile_answers_of_megabytes_take_seconds_at_the_most(text: str) -> None:
    start = time.process_time()
    assert isinstance(read_answer(text, SCHEMA, repair=True), Unfit)
    assert time.process_time() - start < 5


def test_what_a_model_is_told_of_its_answer_is_bounded_and_clean() -> None:
    answer: JsonValue = {"summary": "\x00\u202e" + "x" * 100_000, "sentiment": "\ud800", "\x1b[2J": 1}
    reading = read_answer(answer, SCHEMA)
    assert isinstance(reading, Unfit)
    told = explain_flaws(reading.flaws)
    assert "sentiment" in told
    assert len(told) <= 2_000
    again = ask_anew(told, SCHEMA) + retold(answer)
    assert len(again) < 40_000
    assert not {"\x00", "\u202e", "\x1b", "\ud800"} & set(again)
    assert retold("") == "(an empty answer)"
