"""Recorded outcomes: per question, how right each model was, and what its answer cost.

A file holds one JSON object a line, gzip or not: `id`, `question` and `score` {model: 0..1}; where recorded also
`task`, `answer` (the right one), `pred` {model: the answer it gave, parsed}, `response` {model: its text}, `out_chars`
{model: characters of it}, `in_tokens` and `out_tokens` {model: tokens}, and `cost` {model: USD}. A null is as good as a
value that is not there.

A cost that was not recorded follows from tokens and prices, and tokens that were not recorded follow from characters.
Where nothing tells an answer's length, the cost is that of the question alone: a lower bound.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from math import inf
from pathlib import Path
from typing import Any

from mirepoix.errors import InputError

CHARACTERS_PER_INPUT_TOKEN = Decimal("4.71")
CHARACTERS_PER_OUTPUT_TOKEN = Decimal("4.36")
"""Measured on the recorded usage of RouterArena (RouteWorks/RouterArena)."""
PICODOLLAR = Decimal("1e-12")
GENERAL = "usd_per_token"
GZIP = b"\x1f\x8b"


@dataclass(frozen=True, slots=True)
class Outcome:
    """One question, and for each model that was asked how right its answer was, 0..1.

    `pred` are the models' answers as parsed, `answer` is the right one. `cost` is USD, `out_chars` the characters of an
    answer, `out_tokens` its tokens, as recorded or as its characters tell, `response` its text; each holds the models
    for which it is known.
    """

    id: str
    question: str
    score: Mapping[str, float]
    task: str | None = None
    pred: Mapping[str, str] = field(default_factory=dict)
    answer: str | None = None
    cost: Mapping[str, Decimal] = field(default_factory=dict)
    out_chars: Mapping[str, int] = field(default_factory=dict)
    out_tokens: Mapping[str, float] = field(default_factory=dict)
    response: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TokenPrice:
    """USD for one token sent, and for one received."""

    input: Decimal
    output: Decimal


@dataclass(frozen=True, slots=True)
class Prices:
    """What tokens of each model cost: in general, and as data sets say that were recorded at other prices."""

    general: Mapping[str, TokenPrice]
    of_data_set: Mapping[str, Mapping[str, TokenPrice]]

    def of(self, data_set: str) -> Mapping[str, TokenPrice]:
        """The prices for the data set of this name: its own stand before the general ones."""
        own = [prices for name, prices in self.of_data_set.items() if data_set.startswith(name)]
        return {**self.general, **(own[0] if own else {})}


NO_PRICES = Prices({}, {})


def read_prices(path: Path) -> Prices:
    """Read `{"usd_per_token": {model: {"input": USD, "output": USD}}, "<data set>_usd_per_token": {...}}`.

    Raises InputError.
    """
    try:
        read = json.loads(path.read_bytes(), parse_float=Decimal, parse_int=Decimal)
        tables = {name: _price_table(table) for name, table in read.items()}
    except (OSError, ValueError, TypeError, AttributeError, KeyError, ArithmeticError) as error:
        raise InputError(f"{path}: no price list (usd_per_token: {{model: {{input, output}}}}): {error!r}.") from error
    general = tables.pop(GENERAL, {})
    return Prices(general, {name.removesuffix(f"_{GENERAL}"): table for name, table in tables.items()})


def read_outcomes(path: Path, prices: Prices = NO_PRICES) -> list[Outcome]:
    """The outcomes in the file at `path`, with costs where `prices` or the file tell them.

    Raises InputError, which names file and line.
    """
    price_of = prices.of(path.name.partition(".")[0])
    outcomes = []
    for number, line in enumerate(_lines(path), start=1):
        try:
            outcomes.append(_as_outcome(json.loads(line, parse_float=Decimal), price_of))
        except (ValueError, TypeError, AttributeError, KeyError, ArithmeticError, RecursionError) as error:
            raise InputError(
                f"{path}:{number}: no outcome (id, question, score {{model: 0..1}}): {error!r}."
            ) from error
    if not outcomes:
        raise InputError(f"{path}: holds no outcome.")
    return outcomes


def models_of(outcomes: Sequence[Outcome]) -> tuple[str, ...]:
    """The models that were asked every question, in the order of the first."""
    first, *others = outcomes
    return tuple(model for model in first.score if all(model in other.score for other in others))


def _lines(path: Path) -> Iterator[str]:
    try:
        with path.open("rb") as file:
            packed = file.read(2) == GZIP
        with gzip.open(path, "rt", encoding="utf-8") if packed else path.open(encoding="utf-8") as lines:
            yield from (line for line in lines if line.strip())
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read: {error}.") from error


def _price_table(table: Mapping[str, Mapping[str, Any]]) -> dict[str, TokenPrice]:
    return {model: TokenPrice(Decimal(price["input"]), Decimal(price["output"])) for model, price in table.items()}


def _as_outcome(line: Mapping[str, Any], price_of: Mapping[str, TokenPrice]) -> Outcome:
    score = {model: float(value) for model, value in _known(line, "score").items()}
    if not score or not all(0 <= value <= 1 for value in score.values()):
        raise ValueError("'score' must hold a number of 0..1 for each model")
    return Outcome(
        id=str(line["id"]),
        question=_text(line["question"]),
        score=score,
        task=None if line.get("task") is None else str(line["task"]),
        pred={model: str(given) for model, given in _known(line, "pred").items()},
        answer=None if line.get("answer") is None else str(line["answer"]),
        cost={model: usd for model in score if (usd := _cost(line, model, price_of)) is not None},
        out_chars={model: int(number) for model, number in _known(line, "out_chars").items()},
        out_tokens=_received(line),
        response={model: _text(text) for model, text in _known(line, "response").items()},
    )


def _known(line: Mapping[str, Any], column: str) -> dict[str, Any]:
    """What a column tells of each model; null is as good as nothing."""
    told = line.get(column)
    return {} if told is None else {model: value for model, value in told.items() if value is not None}


def _received(line: Mapping[str, Any]) -> dict[str, float]:
    """The tokens of each model's answer, as recorded, else by its characters."""
    by_length = {m: int(number) / CHARACTERS_PER_OUTPUT_TOKEN for m, number in _known(line, "out_chars").items()}
    tokens = {m: float(number) for m, number in {**by_length, **_known(line, "out_tokens")}.items()}
    if not all(0 <= number < inf for number in tokens.values()):
        raise ValueError("'out_tokens' and 'out_chars' must hold numbers of at least 0")
    return tokens


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"a text is needed, not {type(value).__name__}")
    return value


def _cost(line: Mapping[str, Any], model: str, price_of: Mapping[str, TokenPrice]) -> Decimal | None:
    recorded = _known(line, "cost").get(model)
    if recorded is not None:
        usd = Decimal(recorded)
        if not usd.is_finite() or usd < 0:
            raise ValueError(f"'cost' of {model!r} must be an amount of USD")
        return usd.quantize(PICODOLLAR)
    price = price_of.get(model)
    if price is None:
        return None
    sent = _known(line, "in_tokens").get(model)
    received = _received(line).get(model, 0)
    if sent is None:
        sent = len(line["question"]) / CHARACTERS_PER_INPUT_TOKEN
    return (price.input * Decimal(sent) + price.output * Decimal(received)).quantize(PICODOLLAR)
