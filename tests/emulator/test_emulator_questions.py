"""Finding known questions in prompts."""

from __future__ import annotations

from pathlib import Path

import pytest

from emulator.questions import Question, QuestionBank, load_questions
from mirepoix.errors import ConfigError

BANK = QuestionBank(
    [
        Question(id="capital", question="What is the capital of France?", answer="Paris"),
        Question(id="longer", question="And now: What is the capital of France?", answer="Paris"),
        Question(id="sum", question="What is 2 + 2?", answer="4"),
        Question(id="difference", question="What is 2 - 2?", answer="0"),
        Question(id="short", question="Why not", answer="Because"),
        Question(id="lines", question="Choose.\n(A) one\n(B) two", answer="A"),
    ]
)


def found(prompt: str) -> str | None:
    match = BANK.find(prompt)
    return match.question.id if match else None


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("What is the capital of France?", "capital"),
        ("what  IS the\ncapital of france?", "capital"),
        ('Answer this: "What is the capital of France?" Be brief.', "capital"),
        ("And now: What is the capital of France?", "longer"),
        ("Q: What is 2 + 2?\nA: 4\nQ: What is 2 - 2?\nA:", "difference"),
        ("Please choose.\n\n(A)  one\n(B)  two\n", "lines"),
        ("why NOT", "short"),
        ("First line.\nWhy not\nLast line.", "short"),
        ("Tell me why not everybody sings.", None),
        ("What is the capital of Francesca?", None),
        ("What is 2 * 2?", None),
        ("", None),
    ],
)
def test_a_question_is_found_by_its_words_in_a_row(prompt: str, expected: str | None) -> None:
    assert found(prompt) == expected


def test_what_stands_around_the_question_is_kept() -> None:
    match = BANK.find("Give your confidence. What is 2 + 2? Thanks, İstanbul.")
    assert match is not None
    assert match.around == "Give your confidence.  Thanks, İstanbul."


def test_a_hundred_thousand_words_are_searched_quickly() -> None:
    assert found("what is it? " * 50_000 + "What is 2 + 2?") == "sum"


@pytest.mark.parametrize("line", ["{", "[]", '{"id": "x", "question": "", "answer": "y"}', '{"id": "x"}'])
def test_a_bad_line_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_text('{"id": "a", "question": "Why?", "answer": "b"}\n\n' + line, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"bad\.jsonl:3: "):
        load_questions([path])


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.jsonl cannot be read"):
        load_questions([tmp_path / "none.jsonl"])
