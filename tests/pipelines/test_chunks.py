"""Long texts in pieces: bounded, complete, cut where a reader would."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirepoix.tokens import estimate_tokens
from pipelines.chunks import split_text

STORY = (
    "The ship left at dawn. Nobody waved.\n\n"
    "At noon the wind turned, and with it the mood of the crew.\n\n"
    "By night all slept."
)
HOSTILE = ["x" * 2_000_000, "\n" * 2_000_000, "\u20ac" * 700_000, ". " * 1_000_000, "\ud800" * 9_000]


@given(st.text(max_size=3000), st.integers(20, 60))
def test_pieces_are_bounded_and_hold_the_whole_text(text: str, tokens: int) -> None:
    pieces = split_text(text, tokens, 0)
    assert all(0 < estimate_tokens(piece) <= tokens for piece in pieces)
    assert "".join("".join(pieces).split()) == "".join(text.split())


@given(st.text(alphabet="ab .\n", max_size=3000), st.integers(0, 10))
def test_an_overlap_repeats_the_end_of_the_piece_before(text: str, overlap: int) -> None:
    plain, overlapping = split_text(text, 20, 0), split_text(text, 20, overlap)
    assert len(overlapping) >= len(plain)
    assert all(estimate_tokens(piece) <= 20 for piece in overlapping)


def test_a_text_is_cut_between_paragraphs_before_sentences_before_words() -> None:
    assert split_text(STORY, 18, 0) == [
        "The ship left at dawn. Nobody waved.",
        "At noon the wind turned, and with it the mood of the crew.",
        "By night all slept.",
    ]


def test_a_piece_begins_with_the_last_words_of_the_one_before() -> None:
    pieces = split_text(" ".join(f"word{index}" for index in range(60)), 20, 5)
    for before, after in pairwise(pieces):
        assert before.split()[-1] in after.split()[:5]


@pytest.mark.parametrize("text", HOSTILE, ids=["letters", "lines", "euros", "stops", "surrogates"])
def test_hostile_texts_are_cut_quickly(text: str) -> None:
    began = time.monotonic()
    assert all(estimate_tokens(piece) <= 200 for piece in split_text(text, 200, 20))
    assert time.monotonic() - began < 5
