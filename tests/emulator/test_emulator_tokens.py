"""The token rule."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.tokens import Ending, count_prompt_tokens, count_tokens, end, pieces

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)


@pytest.mark.parametrize(
    ("text", "tokens"), [("", 0), ("a", 1), ("abcd", 1), ("abcde", 2), ("äää", 2), ("日本", 2), ("🙂🙂", 2)]
)
def test_a_token_is_four_bytes_rounded_up(text: str, tokens: int) -> None:
    assert count_tokens(text) == tokens


def test_a_message_costs_four_more() -> None:
    assert count_prompt_tokens(["", "abcde"]) == 4 + (2 + 4)


@given(texts)
def test_a_text_is_streamed_in_as_many_pieces_as_it_has_tokens_none_of_them_empty(text: str) -> None:
    cut = pieces(text)
    assert "".join(cut) == text
    assert len(cut) == count_tokens(text)
    assert "" not in cut


@given(texts, st.integers(1, 20))
def test_an_answer_is_cut_at_max_tokens_between_characters(text: str, limit: int) -> None:
    ended = end(text, max_tokens=limit)
    assert text.startswith(ended.text)
    assert count_tokens(ended.text) == min(limit, count_tokens(text))
    assert (ended.ending is Ending.LENGTH) == (count_tokens(text) > limit)


@given(texts, st.lists(st.text(min_size=1, max_size=2), max_size=3))
def test_no_stop_sequence_is_left_in_an_answer(text: str, stops: list[str]) -> None:
    ended = end(text, max_tokens=None, stop_sequences=stops)
    assert not any(stop in ended.text for stop in stops)
    assert text.startswith(ended.text + (ended.stop_sequence or ""))


def test_the_first_stop_sequence_in_the_text_counts() -> None:
    ended = end("one two three", max_tokens=None, stop_sequences=["three", "two"])
    assert (ended.text, ended.ending, ended.stop_sequence) == ("one ", Ending.STOP_SEQUENCE, "two")


def test_the_length_counts_when_it_is_reached_before_the_stop_sequence() -> None:
    ended = end("abcdefgh stop", max_tokens=1, stop_sequences=["stop"])
    assert (ended.text, ended.ending, ended.stop_sequence) == ("abcd", Ending.LENGTH, None)
