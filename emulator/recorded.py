"""Recorded answers of real models, which the emulated ones of those names give again to the same questions.

A file holds one JSON object a line, gzip or not: `question`, and `score` {model: 0..1}; where recorded also `id`,
`task`, `answer` (the right one), `response` {model: its text}, `pred` {model: its answer, parsed}, `in_tokens`,
`out_tokens` and `out_chars` {model: a number}. What else a line holds is passed over.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from emulator.jsonl import read_lines
from mirepoix.errors import ConfigError

GZIP = b"\x1f\x8b"
CHARACTERS_PER_TOKEN = 4
"""The emulator's rule (`emulator.tokens`), for answers of which only the length was recorded."""
HALF = 0.5
NO_ANSWER = "I do not know."


@dataclass(frozen=True, slots=True)
class RecordedAnswer:
    """What a model said, whether that was right, and the tokens of the question and of the answer, where recorded."""

    text: str
    right: bool
    input_tokens: int | None = None
    output_tokens: int | None = None


def _as_text(value: object) -> object:
    return str(value) if isinstance(value, int | float) else value


Text = Annotated[str, BeforeValidator(_as_text)]
Score = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)]


class RecordedQuestion(BaseModel):
    """A line of the file."""

    model_config = ConfigDict(frozen=True)

    question: str = Field(min_length=1)
    score: dict[str, Score]
    id: Text | None = None
    task: Text | None = None
    answer: Text | None = None
    response: dict[str, Text] = {}
    pred: dict[str, Text] = {}
    in_tokens: dict[str, Count] = {}
    out_tokens: dict[str, Count] = {}
    out_chars: dict[str, Count] = {}

    def answers(self) -> dict[str, RecordedAnswer]:
        """By model: its text, else its parsed answer, else, where the right answer is known, that or none."""
        found = {}
        for model, score in self.score.items():
            right = score >= HALF
            default = None if self.answer is None else self.answer if right else NO_ANSWER
            text = self.response.get(model, self.pred.get(model, default))
            if text is not None:
                found[model] = RecordedAnswer(text, right, self._count(self.in_tokens, model), self._length(model))
        return found

    def _length(self, model: str) -> int | None:
        if model not in self.out_tokens and model in self.out_chars:
            return round(self.out_chars[model] / CHARACTERS_PER_TOKEN)
        return self._count(self.out_tokens, model)

    @staticmethod
    def _count(of: dict[str, float], model: str) -> int | None:
        return round(of[model]) if model in of else None


def read_recorded(paths: Sequence[Path]) -> Iterator[RecordedQuestion]:
    """The questions of these files; raises ConfigError that names the file and the line."""
    for path in paths:
        yield from read_lines(RecordedQuestion, _lines(path), path)


def _lines(path: Path) -> Iterable[str]:
    try:
        with path.open("rb") as file:
            packed = file.read(len(GZIP)) == GZIP
        with gzip.open(path, "rt", encoding="utf-8") if packed else path.open(encoding="utf-8") as lines:
            yield from lines
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise ConfigError(f"the recorded answers in {path} cannot be read: {error}.") from error
