"""What was learned: for a text, the calibrated chance that each model answers it rightly.

As bytes: a first line that names the format and its version, the header's length and the header (JSON), then the
arrays it lists, one after another. Whoever holds such a file may have been given it by a stranger, so nothing of it is
run, and each length and shape is checked before it is used.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mirepoix.errors import InputError
from pipelines.learned.features import BUCKETS, hashed
from pipelines.learned.policy import HeldOut

MAGIC = b"mirepoix router 1\n"
LARGEST = 20_000_000
"""Bytes that a router may take."""
MOST_MODELS = 64
LENGTH = 4
"""Bytes of the header's length, big-endian."""


@dataclass(frozen=True, eq=False)
class LearnedRouter:
    """A logistic regression per model over hashed pieces of the text, and how its scores become chances.

    `weights` is [buckets, models], `bias`, `slope` and `shift` are [models]: the chance of model m is
    sigmoid(slope * (weights . text + bias) + shift). `held_out` tells how well that does.
    """

    models: tuple[str, ...]
    weights: NDArray[np.float16]
    bias: NDArray[np.float32]
    slope: NDArray[np.float32]
    shift: NDArray[np.float32]
    held_out: HeldOut

    @property
    def hash(self) -> str:
        """SHA-256 of its bytes."""
        return hashlib.sha256(self.to_bytes()).hexdigest()

    def predict(self, text: str) -> dict[str, float]:
        """The chance of a right answer for each model, 0..1."""
        buckets, values = hashed(text)
        logits = values @ self.weights[buckets].astype(np.float32) + self.bias
        chances = 1 / (1 + np.exp(-(self.slope * logits + self.shift)))
        return dict(zip(self.models, chances.tolist(), strict=True))

    def to_bytes(self) -> bytes:
        """The router as a file holds it."""
        header = json.dumps({"models": self.models, "held_out": len(self.held_out.scores)}).encode()
        arrays = b"".join(np.ascontiguousarray(array).tobytes() for array in self._arrays().values())
        return MAGIC + len(header).to_bytes(LENGTH, "big") + header + arrays

    @classmethod
    def from_bytes(cls, data: bytes) -> LearnedRouter:
        """Read what `to_bytes` wrote; raises InputError on anything else."""
        if not data.startswith(MAGIC) or len(data) > LARGEST:
            raise InputError(f"no router of this version, or larger than {LARGEST:,} bytes; train one with this one.")
        models, held_out, rest = _header(data[len(MAGIC) :])
        arrays: dict[str, Any] = {}
        for name, (kind, shape) in _layout(len(models), held_out).items():
            size = int(np.prod(shape)) * np.dtype(kind).itemsize
            piece, rest = rest[:size], rest[size:]
            if len(piece) != size:
                raise InputError(f"the router's file ends within {name!r}.")
            arrays[name] = np.frombuffer(piece, kind).reshape(shape)
        if rest or not all(np.isfinite(array).all() for array in arrays.values()):
            raise InputError("the router's file holds more than its arrays, or numbers that are none.")
        evidence = HeldOut(models, arrays.pop("chances").astype(np.float32), arrays.pop("scores").astype(np.float32))
        return cls(models, **arrays, held_out=evidence)

    def _arrays(self) -> Mapping[str, NDArray[Any]]:
        layout = _layout(len(self.models), len(self.held_out.scores))
        arrays = {**vars(self), "chances": self.held_out.chances, "scores": self.held_out.scores}
        return {name: arrays[name].astype(kind) for name, (kind, _) in layout.items()}


def _layout(models: int, held_out: int) -> dict[str, tuple[str, tuple[int, ...]]]:
    return {
        "weights": ("<f2", (BUCKETS, models)),
        "bias": ("<f4", (models,)),
        "slope": ("<f4", (models,)),
        "shift": ("<f4", (models,)),
        "chances": ("<f2", (held_out, models)),
        "scores": ("<f2", (held_out, models)),
    }


def _header(data: bytes) -> tuple[tuple[str, ...], int, bytes]:
    length = int.from_bytes(data[:LENGTH], "big")
    try:
        header = json.loads(data[LENGTH : LENGTH + length])
        models, held_out = tuple(header["models"]), int(header["held_out"])
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise InputError("the router's header cannot be read.") from error
    if not 1 <= len(models) <= MOST_MODELS or not all(isinstance(model, str) for model in models):
        raise InputError(f"a router knows 1 to {MOST_MODELS} models by name.")
    if not 0 < held_out < LARGEST:
        raise InputError("a router carries questions that were held out.")
    return models, held_out, data[LENGTH + length :]
