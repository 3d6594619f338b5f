"""Whom to ask next, or that the answers so far are enough: learned from recorded answers.

Cascade routing as in Dekoninck et al. 2024, "A Unified Approach to Routing and Cascading for LLMs": after each answer
the policy knows the chance that its best answer is right, and how much that chance would rise if this or that set of
further models were asked. It asks for the set that is worth most, gain less cost times the price of quality, the
cheapest of it first; and stops where none is worth anything. The answer that stands is the most likely one by the
learned weights of who agrees with whom, not necessarily the last. Where plain routing, or asking in a fixed order until
some agree, promises a quality at less cost, it does that (`ways`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mirepoix.errors import InputError, PipelineError
from pipelines.learned.advice import Advice, Heard
from pipelines.learned.model import LearnedRouter
from pipelines.learned.states import Floats, Ints, States, chance_of, log_odds
from pipelines.learned.ways import InOrder, Priced, Promise, Way, way_as_json, way_of_json

MAGIC = b"mirepoix answer policy 2\n"
LARGEST = 20_000_000
"""Bytes that a policy may take."""
MOST_MODELS = 6
"""Every set of models that can have been asked is learned from: 63 of six."""
AHEAD = 2
"""So many further models are thought of at once."""
MOST_WAYS = 1000
LENGTH = 4
"""Bytes of the header's length, big-endian."""


@dataclass(frozen=True, slots=True)
class Linear:
    """A linear model: `weights` are [..., features], `bias` is [...]."""

    weights: Floats
    bias: Floats


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

    @cached_property
    def hash(self) -> str:
        """SHA-256 of its bytes."""
        return hashlib.sha256(self.to_bytes()).hexdigest()

    def advise(
        self, question: str, heard: Mapping[str, Heard], way: Way, allowed: Collection[str] | None = None
    ) -> Advice:
        """What to do after `heard`, asked in this `way`; `allowed` is who may still be asked (default: all).

        Raises PipelineError for a model that it does not know.
        """
        strangers = sorted({*heard, *(allowed or ())} - set(self.models))
        if strangers:
            raise PipelineError(f"the policy knows no {', '.join(strangers)}; it was trained on {list(self.models)}.")
        state = self._state(question, heard)
        open_to = {*(self.models if allowed is None else allowed)} - {*heard}
        may = [number for number, name in enumerate(self.models) if name in open_to]
        usd = self.costs(np.array([float(len(question))]))[0]
        return self._in_order(state, way, may) if isinstance(way, InOrder) else self._priced(state, way, may, usd)

    def _priced(self, state: States, way: Priced, may: Sequence[int], usd: Floats) -> Advice:
        """Ask the cheapest of the set that is worth most, if any is worth anything, or nobody has answered."""
        answered = bool(state.mask.any())
        chance, top, second = self.best(state)
        gain: dict[tuple[int, ...], float]
        if way.once:
            gain = {(model,): float(chance_of(state.prior)[0, model]) for model in may if not answered}
        else:
            gains = self.gains(state, top, chance, second)
            gain = {s: float(g[0]) for s, g in zip(sets_of(len(self.models)), gains, strict=True) if {*s} <= {*may}}
        worth = {asked: value - way.price * float(usd[list(asked)].sum()) for asked, value in gain.items()}
        best = max(worth, key=lambda asked: worth[asked], default=None)
        ask = None
        if best is not None and (worth[best] > 0 or not answered):
            ask = min(best, key=lambda model: float(usd[model]))
        return self._advice(ask, int(top[0]) if answered else None, float(chance[0]), gain, worth)

    def _in_order(self, state: States, way: InOrder, may: Sequence[int]) -> Advice:
        """Ask the next one, unless enough say the same."""
        groups = state.groups[0]
        heard = [model for model in way.order if state.mask[0, model]]
        support = {model: sum(groups[other] == groups[model] for other in heard) for model in heard}
        agreed = [model for model in heard if support[model] >= way.agreement]
        left = [model for model in way.order if model in may] or ([] if heard else may)
        stands = agreed[-1] if agreed else heard[-1] if heard else None
        chance = 0.0 if stands is None else float(self.chances(state, stands)[0])
        return self._advice(None if agreed or not left else left[0], stands, chance, {}, {})

    def _advice(
        self,
        ask: int | None,
        stands: int | None,
        chance: float,
        gains: Mapping[tuple[int, ...], float],
        worth: Mapping[tuple[int, ...], float],
    ) -> Advice:
        return Advice(
            ask=None if ask is None else self.models[ask],
            stands=None if stands is None else self.models[stands],
            chance=0.0 if stands is None else chance,
            gains=self._named(gains),
            worth=self._named(worth),
        )

    def _named(self, told: Mapping[tuple[int, ...], float]) -> dict[tuple[str, ...], float]:
        return {tuple(self.models[model] for model in asked): value for asked, value in told.items()}

    def shown(self, way: Way) -> dict[str, Any]:
        """What decides in this way, as the trace has it."""
        if isinstance(way, Priced):
            return {"price": round(way.price, 4)}
        return {"order": [self.models[model] for model in way.order], "agreement": way.agreement}

    def best(self, states: States) -> tuple[Floats, Ints, Floats]:
        """The chance of the answer that is most likely right, a model that gave it, and the chance of the next."""
        asked = [model for model, was in enumerate(states.asked) if was]
        if not asked:
            zeros = np.zeros(len(states.groups))
            return zeros, zeros.astype(np.int64), zeros
        chances = np.stack([self.chances(states, model) for model in asked], axis=1) * (states.groups[:, asked] >= 0)
        rows, first = np.arange(len(chances)), chances.argmax(axis=1)
        top = np.array(asked)[first]
        same = states.groups[:, asked] == states.groups[rows, top][:, None]
        return chances[rows, first], top, np.where(same, 0.0, chances).max(axis=1)

    def chances(self, states: States, model: int) -> Floats:
        """The chance that the answer of `model` is right, [questions]."""
        return chance_of(states.candidate(model) @ self.right.weights + self.right.bias)

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
        ways = [way_as_json(way) for way in self.promise.ways]
        header = json.dumps({"models": len(self.models), "ways": ways}).encode()
        layout = _layout(len(self.models), len(ways))
        arrays = self._arrays()
        body = b"".join(np.ascontiguousarray(arrays[name], "<f8").tobytes() for name in layout)
        return MAGIC + len(header).to_bytes(LENGTH, "big") + header + body + self.router.to_bytes()

    @classmethod
    def from_bytes(cls, data: bytes) -> AnswerPolicy:
        """Read what `to_bytes` wrote; raises InputError on anything else. Nothing in it is run."""
        if not data.startswith(MAGIC) or len(data) > LARGEST:
            raise InputError(
                f"no answer policy of this version, or larger than {LARGEST:,} bytes; train one with this."
            )
        models, ways, rest = _header(data[len(MAGIC) :])
        arrays: dict[str, NDArray[np.float64]] = {}
        for name, shape in _layout(models, len(ways)).items():
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
        promise = Promise(ways, *(arrays[name] for name in ("quality", "safe", "cost")))
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


def _layout(models: int, ways: int) -> dict[str, tuple[int, ...]]:
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
    return shapes | dict.fromkeys(("quality", "safe", "cost"), (ways,))


def _header(data: bytes) -> tuple[int, tuple[Way, ...], bytes]:
    length = int.from_bytes(data[:LENGTH], "big")
    try:
        header = json.loads(data[LENGTH : LENGTH + length])
        models = int(header["models"])
        ways = tuple(way_of_json(way, models) for way in header["ways"])
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise InputError("the policy's header cannot be read.") from error
    if not 1 <= models <= MOST_MODELS or not 1 <= len(ways) <= MOST_WAYS:
        raise InputError(f"a policy knows 1 to {MOST_MODELS} models and 1 to {MOST_WAYS} ways to ask them.")
    return models, ways, data[LENGTH + length :]
