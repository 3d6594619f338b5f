"""Questions whose answers the emulator knows, and finding one in a prompt.

A prompt holds a known question where the question's words and signs stand in it in a row, whatever their case
and the white space between them. A question of fewer than four words must fill a whole line, or it would be
found everywhere.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from emulator.jsonl import read_lines
from emulator.recorded import RecordedAnswer, RecordedQuestion, read_recorded
from mirepoix.errors import ConfigError

WORD = re.compile(r"\w+|[^\w\s]")
PREFIX = 4

Words = tuple[str, ...]


class Question(BaseModel):
    """A question, its right `answer`, other spellings of that to `accept`, and `wrong` answers to give.

    Models in `recorded` give the answers that they really gave. Where no right answer is known (None), the others know
    no more of it than of any text.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    question: str = Field(min_length=1)
    answer: str | None
    accept: tuple[str, ...] = ()
    wrong: tuple[str, ...] = ()
    task: str | None = None
    difficulty: float = 0.0
    recorded: Mapping[str, RecordedAnswer] = {}


@dataclass(frozen=True, slots=True)
class Found:
    """A known question, and what the prompt says around it."""

    question: Question
    around: str


class QuestionBank:
    """Finds known questions by their first four words, and of those that begin alike by their lengths."""

    def __init__(self, questions: Iterable[Question]) -> None:
        self._by_words: dict[Words, Question] = {}
        self._lengths: defaultdict[Words, set[int]] = defaultdict(set)
        self._by_line: dict[Words, Question] = {}
        for question in questions:
            words = _words(question.question)
            if len(words) < PREFIX:
                self._by_line[words] = question
            else:
                self._by_words[words] = question
                self._lengths[words[:PREFIX]].add(len(words))
        self._first_words = {prefix[0] for prefix in self._lengths}

    def find(self, prompt: str) -> Found | None:
        """The known question that ends last in `prompt` (examples come first), the longest of several."""
        found = self._find_within(prompt) if self._by_words else None
        if found is None and self._by_line:
            return self._find_as_line(prompt)
        return found

    def _find_within(self, prompt: str) -> Found | None:
        words = _words(prompt)
        best: tuple[int, int, Question] | None = None
        for start, word in enumerate(words):
            if word not in self._first_words:
                continue
            for length in self._lengths.get(words[start : start + PREFIX], ()):
                end = start + length
                question = self._by_words.get(words[start:end])
                if question is not None and (best is None or (end, -start) > (best[0], -best[1])):
                    best = (end, start, question)
        return None if best is None else Found(best[2], _around(prompt, best[1], best[0]))

    def _find_as_line(self, prompt: str) -> Found | None:
        lines = prompt.splitlines()
        for index in range(len(lines) - 1, -1, -1):
            question = self._by_line.get(_words(lines[index]))
            if question is not None:
                return Found(question, "\n".join(lines[:index] + lines[index + 1 :]))
        return None


def load_questions(paths: Sequence[Path], recorded: Sequence[Path] = ()) -> QuestionBank:
    """Read JSONL files of questions, and of recorded answers; of two with the same words the later one counts.

    Raises ConfigError that names the file and the line.
    """
    known = (question for path in paths for question in _read(path))
    return QuestionBank(chain(known, map(_known, read_recorded(recorded))))


def _known(line: RecordedQuestion) -> Question:
    return Question(
        id=line.id or line.question,
        question=line.question,
        answer=line.answer,
        task=line.task,
        recorded=line.answers(),
    )


def _read(path: Path) -> Iterable[Question]:
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"the answers in {path} cannot be read: {error}.") from error
    return read_lines(Question, lines, path)


def _words(text: str) -> Words:
    return tuple(word.casefold() for word in WORD.findall(text))


def _around(prompt: str, start: int, end: int) -> str:
    """`prompt` without its words from `start` to before `end`."""
    spans = [match.span() for match in islice(WORD.finditer(prompt), start, end)]
    return prompt[: spans[0][0]] + prompt[spans[-1][1] :]
