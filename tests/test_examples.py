"""The example data is what the demo, the emulator and the README say it is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.fixture(scope="module")
def questions() -> list[dict[str, Any]]:
    """All example questions."""
    return [json.loads(line) for line in (EXAMPLES / "questions.jsonl").read_text(encoding="utf-8").splitlines()]


def test_there_are_enough_questions_each_with_its_own_id(questions: list[dict[str, Any]]) -> None:
    assert len(questions) >= 60
    assert len({item["id"] for item in questions}) == len({item["question"] for item in questions}) == len(questions)


def test_each_question_has_one_right_answer_and_three_wrong_ones(questions: list[dict[str, Any]]) -> None:
    for item in questions:
        assert set(item) == {"id", "question", "answer", "accept", "wrong", "task", "difficulty", "source"}
        right = {text.casefold() for text in (item["answer"], *item["accept"])}
        assert len(set(item["wrong"])) == 3, item["id"]
        assert not right & {text.casefold() for text in item["wrong"]}, item["id"]
        assert -2 <= item["difficulty"] <= 2
        assert item["task"] in {"fact", "math", "code", "analysis"}


def test_easy_and_hard_questions_are_mixed(questions: list[dict[str, Any]]) -> None:
    easy = sum(item["difficulty"] < -0.3 for item in questions) / len(questions)
    assert 0.4 < easy < 0.7


def test_what_the_code_questions_say_is_what_python_prints(
    questions: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    checked = 0
    for item in questions:
        head, colon, code = item["question"].removesuffix("?").partition("expression print: ")
        if item["task"] == "code" and colon:
            exec(code, {})  # our own file
            assert capsys.readouterr().out.strip() == item["answer"], head + code
            checked += 1
    assert checked >= 8


def test_each_document_is_named_with_its_author_and_year() -> None:
    listed = (EXAMPLES / "documents" / "README.md").read_text(encoding="utf-8")
    documents = sorted((EXAMPLES / "documents").glob("*.txt"))
    assert len(documents) >= 6
    for document in documents:
        assert f"`{document.name}`" in listed
        assert len(document.read_text(encoding="utf-8")) > 1000


def test_each_page_of_the_document_example_is_named_with_its_text_beside_it() -> None:
    folder = EXAMPLES / "document_intelligence"
    listed = (folder / "README.md").read_text(encoding="utf-8")
    pages = sorted((folder / "pages").glob("*.jpg"))
    assert len(pages) >= 12
    for page in pages:
        assert f"`{page.name}`" in listed
        assert len(page.with_suffix(".txt").read_text(encoding="utf-8")) > 300
    assert sum(page.stat().st_size for page in pages) < 3_000_000
