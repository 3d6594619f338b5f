"""Whom to ask next, or that the answers so far are enough: learned from recorded answers.

Cascade routing as in Dekoninck et al. 2024, "A Unified Approach to Routing and Cascading for LLMs": after each answer
the policy knows the chance that its best answer is right, and how much that chance would rise if this or that set of
further models were asked. It asks for the set that is worth most, gain less cost times the price of quality, the
cheapest of it first; and stops where none is worth anything. The answer that stands is the most likely one by the
learned weights of who agrees with whom, not necessarily the last.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mirepoix.errors import InputError, PipelineError
from pipelines.learned.model import LearnedRouter
from pipelines.learned.states import Floats, Ints, States, log_odds

MAGIC = b"mirepoix answer policy 1\n"
LARGEST = 20_000_000
"""Bytes that a policy may take."""
MOST_MODELS = 6
"""Every set of models that can have been asked is learned from: 63 of six."""
AHEAD = 2
"""So many further models are thought of at once."""
MOST_PRICES = 100
LENGTH = 4
"""Bytes of the header's length, big-endian."""


@dataclass(frozen=True, slots=True)
class Linear:
    """A linear model: `weights` are [..., features], `bias` is [...]."""

    weights: Floats
    bias: Floats


@dataclass(frozen=True, eq=False)
class Promise:
    """What came of questions held out at training time, at each of so many prices of quality, from low to high.

    `price` is right answers per USD; `quality` is relative to the best single model, `safe` what of it can be promised,
    and `cost` is USD per question; each [prices].
    """

    price: Floats
    quality: Floats
    safe: Floats
    cost: Floats

    def price_for(self, target_quality: float) -> tuple[float, float]:
        """The highest price at which the target is safe, and the quality promised; the safest where it nowhere is."""
        kept = np.flatnonzero(self.safe >= target_quality)
        index = int(kept[-1]) if len(kept) else int(np.argmax(self.safe))
        return float(self.price[index]), float(self.safe[index])


@dataclass(frozen=True, slots=True)
class Heard:
    """What a model said: the number of the group of answers that are the same (negative: nothing), and how long."""

    group: int
    characters: int


@dataclass(frozen=True, slots=True)
class Advice:
    """Ask `ask`, or, where it is None, stop: the answer of `stands` is right with this `chance`.

    `gains` are how much asking each set of models would add to the chance (`chance` itself before any was asked), and
    `worth` that less its cost at the price of quality.
    """

    ask: str | None
    stands: str | None
    chance: float
    gains: Mapping[tuple[str, ...], float]
    worth: Mapping[tuple[str, ...], float]


@dataclass(frozen=True, eq=False)
class AnswerPolicy:
    """What was learned. Sets of models are numbered as `sets_of` lists them.

    `right` weighs `States.candidate`, `gain` [sets] weighs `States.prospect`, `begin` [sets] the prior log-odds alone.
    `length_mean`, `length_spread` [models] are of the logarithm of an answer's characters. `usd` and `usd_a_character`
    [models] are what a question costs. `router` gives the chances from the question alone.
    """

    router: LearnedRouter
    right: Linear
    gain: Linear
    begin: Linear
    length_mean: Floats
    length_spread: Floats
    usd: Floats
    usd_a_character: Floats
    promise: Promise

    @property
    def models(self) -> tuple[str, ...]:
        """The models that it knows."""
        return self.router.models

    @property
    def hash(self) -> str:
        """SHA-256 of its bytes."""
        return hashlib.sha256(self.to_bytes()).hexdigest()

    def advise(
        self, question: str, heard: Mapping[str, Heard], price: float, allowed: Collection[str] | None = None
    ) -> Advice:
        """What to do after `heard`; `price` is right answers per USD, `allowed` who may still be asked (default: all).

        Raises PipelineError for a model that it does not know.
        """
        strangers = sorted({*heard, *(allowed or ())} - set(self.models))
        if strangers:
            raise PipelineError(f"the policy knows no {', '.join(strangers)}; it was trained on {list(self.models)}.")
        state = self._state(question, heard)
        chance, top, second = self.best(state)
        gains = self.gains(state, top, chance, second)
        may = [
            index
            for index, models in enumerate(sets_of(len(self.models)))
            if all(self.models[m] not in heard and (allowed is None or self.models[m] in allowed) for m in models)
        ]
        usd = self.costs(np.array([float(len(question))]))[0]
        names = {index: tuple(self.models[m] for m in sets_of(len(self.models))[index]) for index in may}
        cost = {index: sum(float(usd[self.models.index(name)]) for name in names[index]) for index in may}
        worth = {index: float(gains[index][0]) - price * cost[index] for index in may}
        answered = state.mask.any()
        best = max(worth, key=lambda index: (worth[index], -index), default=None)
        asks = best is not None and (worth[best] > 0 or not answered)
        cheapest = min(names[best], key=lambda name: usd[self.models.index(name)]) if best is not None else None
        return Advice(
            ask=cheapest if asks else None,
            stands=self.models[int(top[0])] if answered else None,
            chance=float(chance[0]) if answered else 0.0,
            gains={names[index]: float(gains[index][0]) for index in may},
            worth={names[index]: worth[index] for index in may},
        )

    def best(self, states: States) -> tuple[Floats, Ints, Floats]:
        """The chance of the answer that is most likely right, a model that gave it, and the chance of the next."""
        asked = [model for model, was in enumerate(states.asked) if was]
        if not asked:
            zeros = np.zeros(len(states.groups))
            return zeros, zeros.astype(np.int64), zeros
        scores = np.stack([states.candidate(m) @ self.right.weights + self.right.bias for m in asked], axis=1)
        chances = 1 / (1 + np.exp(-scores)) * (states.groups[:, asked] >= 0)
        rows, first = np.arange(len(chances)), chances.argmax(axis=1)
        top = np.array(asked)[first]
        same = states.groups[:, asked] == states.groups[rows, top][:, None]
        return chances[rows, first], top, np.where(same, 0.0, chances).max(axis=1)

    def gains(self, states: States, top: Ints, chance: Floats, second: Floats) -> list[Floats]:
        """What asking each of the sets would add to the chance, [sets][questions]."""
        if not any(states.asked):
            return [states.prior @ weights + bias for weights, bias in zip(*_parts(self.begin), strict=True)]
        prospect = states.prospect(top, chance, second)
        return [prospect @ weights + bias for weights, bias in zip(*_parts(self.gain), strict=True)]

    def costs(self, characters: Floats) -> Floats:
        """What questions of so many characters cost, USD, [questions, models]."""
        return self.usd + characters[:, None] * self.usd_a_character

    def _state(self, question: str, heard: Mapping[str, Heard]) -> States:
        known = self.router.predict(question)
        groups = np.array([[heard[name].group if name in heard else -1 for name in self.models]])
        characters = np.array([[heard[name].characters if name in heard else 0 for name in self.models]], float)
        length = (np.log1p(characters) - self.length_mean) / self.length_spread
        prior = log_odds(np.array([[known[name] for name in self.models]]))
        return States(tuple(name in heard for name in self.models), groups, prior, length)

    def to_bytes(self) -> bytes:
        """The policy as a file holds it: format and version, header (JSON), arrays, and the router's own bytes."""
        header = json.dumps({"models": len(self.models), "prices": len(self.promise.price)}).encode()
        layout = _layout(len(self.models), len(self.promise.price))
        arrays = self._arrays()
        body = b"".join(np.ascontiguousarray(arrays[name], "<f8").tobytes() for name in layout)
        return MAGIC + len(header).to_bytes(LENGTH, "big") + header + body + self.router.to_bytes()

    @classmethod
    def from_bytes(cls, data: bytes) -> AnswerPolicy:
        """Read what `to_bytes` wrote; raises InputError on anything else. Nothing in it is run."""
        if not data.startswith(MAGIC) or len(data) > LARGEST:
            raise InputError(f"no answer policy of this version, or larger than {LARGEST:,} bytes; train one with this.")
        models, prices, rest = _header(data[len(MAGIC) :])
        arrays: dict[str, NDArray[np.float64]] = {}
        for name, shape in _layout(models, prices).items():
            size = int(np.prod(shape)) * 8
            piece, rest = rest[:size], rest[size:]
            if len(piece) != size:
                raise InputError(f"the policy's file ends within {name!r}.")
            arrays[name] = np.frombuffer(piece, "<f8").reshape(shape)
            if not np.isfinite(arrays[name]).all():
                raise InputError(f"the policy's {name!r} holds numbers that are none.")
        router = LearnedRouter.from_bytes(rest)
        if len(router.models) != models:
            raise InputError(f"the policy is for {models} models, and the router in it for {len(router.models)}.")
        right, gain, begin = (Linear(arrays[name], arrays[f"{name}_bias"]) for name in ("right", "gain", "begin"))
        lengths = arrays["length_mean"], arrays["length_spread"]
        promise = Promise(*(arrays[name] for name in ("price", "quality", "safe", "cost")))
        return cls(router, right, gain, begin, *lengths, arrays["usd"], arrays["usd_a_character"], promise)

    def _arrays(self) -> dict[str, Any]:
        linear = {"right": self.right, "gain": self.gain, "begin": self.begin}
        weights = {name: one.weights for name, one in linear.items()}
        return {**vars(self), **vars(self.promise), **weights, **{f"{name}_bias": o.bias for name, o in linear.items()}}


def sets_of(models: int) -> Sequence[tuple[int, ...]]:
    """The sets of models that are thought of at once: each alone, then each pair."""
    return [one for size in range(1, min(AHEAD, models) + 1) for one in combinations(range(models), size)]


def _parts(linear: Linear) -> tuple[Floats, Floats]:
    return linear.weights, linear.bias


def _layout(models: int, prices: int) -> dict[str, tuple[int, ...]]:
    state = States((True,) * models, *(np.zeros((1, models), kind) for kind in (np.int64, float, float)))
    zeros = np.zeros(1)
    candidate, prospect = state.candidate(0).shape[1], state.prospect(zeros.astype(np.int64), zeros, zeros).shape[1]
    sets = len(sets_of(models))
    shapes: dict[str, tuple[int, ...]] = {
        "right": (candidate,),
        "right_bias": (),
        "gain": (sets, prospect),
        "gain_bias": (sets,),
        "begin": (sets, models),
        "begin_bias": (sets,),
    }
    shapes |= dict.fromkeys(("length_mean", "length_spread", "usd", "usd_a_character"), (models,))
    return shapes | dict.fromkeys(("price", "quality", "safe", "cost"), (prices,))


def _header(data: bytes) -> tuple[int, int, bytes]:
    length = int.from_bytes(data[:LENGTH], "big")
    try:
        header = json.loads(data[LENGTH : LENGTH + length])
        models, prices = int(header["models"]), int(header["prices"])
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise InputError("the policy's header cannot be read.") from error
    if not 1 <= models <= MOST_MODELS or not 1 <= prices <= MOST_PRICES:
        raise InputError(f"a policy knows 1 to {MOST_MODELS} models and 1 to {MOST_PRICES} prices.")
    return models, prices, data[LENGTH + length :]
