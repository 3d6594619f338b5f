"""What was learned: for a text, the chance that each model answers it rightly.

The chance is a sum of two: what the text's own words and form say of a model, and what the model is worth at the kinds
of task that the text may be of. Both are linear, so the difference of two models' chances is as well fitted as the
chances are: it is the gain of asking one rather than the other, and all that routing rests on.

As bytes: a line that names the format and its version, the header's length and the header (JSON), then the arrays one
after another. Such a file may come from a stranger: nothing of it is run, and lengths and shapes are checked.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mirepoix.errors import InputError
from pipelines.learned.features import BUCKETS, FORM, form, hashed
from pipelines.learned.policy import HeldOut

MAGIC = b"mirepoix router 2\n"
LENGTH = 4
"""Bytes of the header's length, big-endian."""
LARGEST = 20_000_000
"""Bytes that a router may take."""
MOST_MODELS = 64
MOST_TASKS = 120
EVIDENCE = ("chances", "scores", "tokens", "answers")
"""The arrays of `HeldOut`, in order."""
SURE = 0.01
"""No chance is nearer to 0 or 1 than this."""
SHARPNESS = 20.0
"""By how much a task's score counts when scores become shares (softmax)."""

LENGTHS = (0.1, 5.0)
"""Within which multiples of a model's mean an answer's length is expected."""

Array = NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True)
class Forecast:
    """What is expected of each model: the chance that it answers rightly, 0..1, and the tokens of its answer.

    Of a model whose answers' lengths are not known, `answer_tokens` is 0.
    """

    chance: Mapping[str, float]
    answer_tokens: Mapping[str, float]


@dataclass(frozen=True, eq=False)
class LearnedRouter:
    """Weights of a linear model; R = models + tasks + models.

    `rarity` [BUCKETS] weighs words by how rare they are (idf). `form_mean` and `form_scale` [FORM] bring measures to
    one scale. `words` [BUCKETS, R] and `forms` [FORM, R] score each model and each kind of task, both with `bias`, and
    tell by what share each model's answer is longer than its mean, `length` [models] tokens. `worth` [tasks, models] is
    how much better than on average a model is at a task. `held_out` tells how well all that does.
    """

    models: tuple[str, ...]
    rarity: Array
    form_mean: Array
    form_scale: Array
    words: NDArray[np.float16]
    forms: Array
    bias: Array
    length: Array
    worth: Array
    held_out: HeldOut

    @cached_property
    def hash(self) -> str:
        """SHA-256 of its bytes."""
        return hashlib.sha256(self.to_bytes()).hexdigest()

    def predict(self, text: str) -> dict[str, float]:
        """The chance of a right answer for each model, 0..1."""
        return dict(self.forecast(text).chance)

    def forecast(self, text: str) -> Forecast:
        """What is expected of each model's answer to `text`."""
        buckets, values = hashed(text)
        values = unit(values * self.rarity[buckets])
        measures = (form(text) - self.form_mean) / self.form_scale
        scores = values @ self.words[buckets].astype(np.float32) + measures @ self.forms
        chances = as_chances((scores[: len(self.bias)] + self.bias)[None], self.worth)[0]
        lengths = as_lengths(scores[len(self.bias) :], self.length)
        return Forecast(*(dict(zip(self.models, told.tolist(), strict=True)) for told in (chances, lengths)))

    def to_bytes(self) -> bytes:
        """The router as a file holds it; the same router gives the same bytes."""
        header = {"models": self.models, "tasks": len(self.worth), "held_out": len(self.held_out.scores)}
        text = json.dumps(header).encode()
        return b"".join([MAGIC, len(text).to_bytes(LENGTH, "big"), text, *self._pieces()])

    @classmethod
    def from_bytes(cls, data: bytes) -> LearnedRouter:
        """Read what `to_bytes` wrote; raises InputError on anything else."""
        if len(data) > LARGEST:
            raise InputError(f"the router's file has {len(data):,} bytes; at most {LARGEST:,} are read.")
        if not data.startswith(MAGIC):
            raise InputError("this is no router's file, or one of another version; train it with this one.")
        models, layout, rest = _read_header(data[len(MAGIC) :])
        arrays: dict[str, Array] = {}
        for name, (kind, shape) in layout.items():
            size = prod(shape) * np.dtype(kind).itemsize
            if len(rest) < size:
                raise InputError(f"the router's file ends within {name!r}.")
            stored = np.frombuffer(rest[:size], kind).reshape(shape)
            arrays[name], rest = stored if name == "words" else stored.astype(np.float32), rest[size:]
        if rest or not all(np.isfinite(array).all() for array in arrays.values()) or (arrays["form_scale"] <= 0).any():
            raise InputError("the router's file holds more than its arrays, or numbers that cannot be.")
        evidence = HeldOut(models, *(arrays.pop(name) for name in EVIDENCE))
        return cls(models, **arrays, held_out=evidence)

    def _pieces(self) -> list[bytes]:
        layout = _layout(len(self.models), len(self.worth), len(self.held_out.scores))
        arrays: dict[str, Any] = {**vars(self), **vars(self.held_out)}
        return [np.ascontiguousarray(arrays[name], kind).tobytes() for name, (kind, _) in layout.items()]


def unit(values: Array) -> Array:
    """`values` scaled to length 1."""
    return values / max(float(np.sqrt(values @ values)), 1e-9)


def as_chances(scores: Array, worth: Array) -> Array:
    """[questions, models + tasks] -> [questions, models]: each model's score and its worth at the likely tasks."""
    models = worth.shape[1]
    chances = scores[:, :models]
    if len(worth):
        chances = chances + task_shares(scores[:, models:]) @ worth
    return np.clip(chances, SURE, 1 - SURE)


def as_lengths(longer: Array, mean: Array) -> Array:
    """[..., models]: the tokens of answers that are so much longer than the mean, as a share of it."""
    lengths: Array = mean * np.clip(1 + longer, *LENGTHS)
    return lengths


def task_shares(scores: Array) -> Array:
    """[questions, tasks]: how much each question is of each kind of task; shares of 1."""
    raised = np.exp(SHARPNESS * (scores - scores.max(axis=1, keepdims=True)))
    shares: Array = raised / raised.sum(axis=1, keepdims=True)
    return shares


def _layout(models: int, tasks: int, held_out: int) -> dict[str, tuple[str, tuple[int, ...]]]:
    """The arrays of a file in order, each with its type and shape."""
    return {
        "rarity": ("<f4", (BUCKETS,)),
        "form_mean": ("<f4", (len(FORM),)),
        "form_scale": ("<f4", (len(FORM),)),
        "words": ("<f2", (BUCKETS, 2 * models + tasks)),
        "forms": ("<f4", (len(FORM), 2 * models + tasks)),
        "bias": ("<f4", (models + tasks,)),
        "length": ("<f4", (models,)),
        "worth": ("<f4", (tasks, models)),
        "chances": ("<f2", (held_out, models)),
        "scores": ("<f2", (held_out, models)),
        "tokens": ("<f4", (held_out,)),
        "answers": ("<f4", (held_out, models)),
    }


def _read_header(data: bytes) -> tuple[tuple[str, ...], Mapping[str, tuple[str, tuple[int, ...]]], bytes]:
    """The models, what follows the header, and the bytes of that."""
    length = int.from_bytes(data[:LENGTH], "big")
    try:
        header = json.loads(data[LENGTH : LENGTH + length])
        models, tasks, held_out = tuple(header["models"]), header["tasks"], header["held_out"]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise InputError("the header of the router's file cannot be read.") from error
    named = all(isinstance(model, str) for model in models) and len(set(models)) == len(models)
    counted = all(type(number) is int for number in (tasks, held_out))
    if not named or not counted or not (1 <= len(models) <= MOST_MODELS and 0 <= tasks <= MOST_TASKS and held_out > 0):
        raise InputError(f"a router has 1 to {MOST_MODELS} models, up to {MOST_TASKS} tasks and questions held out.")
    return models, _layout(len(models), tasks, held_out), data[LENGTH + length :]
