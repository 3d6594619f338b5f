"""The small language model really answers, where `mirepoix[local]` is installed: that takes a compiler."""

from __future__ import annotations

import pytest

pytest.importorskip("llama_cpp", reason="mirepoix[local] is not installed")

from tasks.local_models.llm import ANSWER_TOKENS, answer


def test_it_answers_with_words_and_the_same_ones_again() -> None:
    said = answer("What is a task queue?")
    assert len(said.split()) > 3
    assert said == answer("What is a task queue?")


def test_a_prompt_that_is_too_long_is_cut() -> None:
    said = answer("Write a concise summary of this text.\n\n" + "The queue holds tasks. " * 3000)
    assert len(said) < ANSWER_TOKENS * 20
