"""Recorded outcomes are read with their costs, and what cannot be read is told by file and line."""

from __future__ import annotations

import gzip
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from learning.outcomes import Prices, models_of, read_outcomes, read_prices
from mirepoix.errors import InputError

LINE = {"id": "q1", "question": "x" * 471, "score": {"mini": 1, "large": 0.5}, "task": "sums"}
PRICES = {
    "usd_per_token": {
        "mini": {"input": 1e-07, "output": 4e-07, "source": "a page"},
        "large": {"input": 1, "output": 2},
    },
    "own_usd_per_token": {"mini": {"input": 3e-07, "output": 3e-07}},
}


@pytest.fixture
def prices(tmp_path: Path) -> Prices:
    """As read from a file."""
    path = tmp_path / "prices.json"
    path.write_text(json.dumps(PRICES))
    return read_prices(path)


def written(path: Path, *lines: dict[str, Any] | str) -> Path:
    """A file of these lines, packed where its name says so."""
    text = "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


@pytest.mark.parametrize("name", ["set.jsonl", "set.jsonl.gz"])
def test_costs_follow_from_what_is_recorded(tmp_path: Path, prices: Prices, name: str) -> None:
    recorded = LINE | {"cost": {"mini": 0.25}}
    counted = LINE | {"in_tokens": {"mini": 10}, "out_tokens": {"mini": 100}}
    measured = LINE | {"out_chars": {"mini": 436}}
    read = read_outcomes(written(tmp_path / name, recorded, counted, measured, LINE), prices)
    costs = [outcome.cost["mini"] for outcome in read]
    assert costs == [Decimal("0.25"), Decimal("0.000041"), Decimal("0.00005"), Decimal("0.00001")]
    assert read[0].score == {"mini": 1.0, "large": 0.5}
    assert models_of(read) == ("mini", "large")


def test_a_data_set_may_have_prices_of_its_own_and_models_none(tmp_path: Path, prices: Prices) -> None:
    line = LINE | {"score": {"mini": 1, "unknown": 0}}
    (own,) = read_outcomes(written(tmp_path / "own_heldout.jsonl", line), prices)
    assert own.cost == {"mini": Decimal("0.00003")}


def test_a_null_tells_nothing(tmp_path: Path, prices: Prices) -> None:
    empty = dict.fromkeys(("task", "pred", "answer", "cost", "out_chars", "response", "in_tokens", "out_tokens"))
    bare = LINE | empty | {"score": {"mini": 1, "large": None}}
    some = LINE | {"pred": {"mini": None, "large": "42"}, "cost": {"mini": None}, "out_chars": {"mini": None}}
    whole, part = read_outcomes(written(tmp_path / "set.jsonl", bare, some), prices)
    assert (whole.score, whole.pred, whole.task, whole.answer) == ({"mini": 1.0}, {}, None, None)
    assert part.pred == {"large": "42"}
    assert [one.cost["mini"] for one in (whole, part)] == [Decimal("0.00001")] * 2


@pytest.mark.parametrize(
    "bad",
    [
        "{",
        "[]",
        {"id": 1, "question": "What?"},
        LINE | {"score": {}},
        LINE | {"score": {"mini": 2}},
        LINE | {"score": {"mini": None}},
        LINE | {"score": {"mini": float("nan")}},
        LINE | {"question": 7},
        LINE | {"out_chars": []},
        LINE | {"cost": {"mini": "dear"}},
        LINE | {"cost": {"mini": float("nan")}},
        LINE | {"cost": {"mini": -1}},
    ],
    ids=str,
)
def test_a_line_that_is_none_is_named(tmp_path: Path, prices: Prices, bad: dict[str, Any] | str) -> None:
    path = written(tmp_path / "set.jsonl", LINE, bad)
    with pytest.raises(InputError, match=r"set\.jsonl:2: no outcome"):
        read_outcomes(path, prices)


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    torn = tmp_path / "torn.jsonl.gz"
    torn.write_bytes(gzip.compress(json.dumps(LINE).encode())[:-9])
    for path in (tmp_path / "missing.jsonl", torn, written(tmp_path / "empty.jsonl")):
        with pytest.raises(InputError, match=path.name.replace(".", r"\.")):
            read_outcomes(path)
    for text in (
        "{",
        "[]",
        '{"usd_per_token": {"mini": {}}}',
        '{"usd_per_token": {"mini": {"input": "x", "output": 1}}}',
    ):
        (tmp_path / "prices.json").write_text(text)
        with pytest.raises(InputError, match="no price list"):
            read_prices(tmp_path / "prices.json")
