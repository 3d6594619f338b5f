"""500 answers of 20 kinds that are not simply the JSON that was asked for, drawn from a fixed seed.

Of each it is known what must become of it: strictly read, and with repair.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "summary": {"type": "string", "minLength": 1},
        "sentiment": {"type": "number", "minimum": -1, "maximum": 1},
        "key_points": {"type": "array", "items": {"type": "string"}, "minItems": 1},
        "confidence": {"type": "number", "minimum": 0, "maximum": 1},
        "language": {"enum": ["en", "de", "fr"]},
    },
    "required": ["summary", "sentiment", "key_points", "confidence", "language"],
    "additionalProperties": False,
}
OF_EACH = 25
WORDS = [
    *("harbour", "quiet", "letter", "storm", "ledger", "winter"),
    *('"quoted"', "{brace}", "[list]", "naïve", "手紙", "O'Brien", "back\\slash"),
]

Json = dict[str, Any]
Draw = random.Random


@dataclass(frozen=True, slots=True)
class Broken:
    """`strict` and `mended` say whether it is read as `value`, or as nothing; None: either, but never anything else."""

    kind: str
    text: str
    value: Json
    strict: bool
    mended: bool | None


def right(draw: Draw) -> Json:
    """An answer that fits."""
    return {
        "summary": " ".join(draw.choices(WORDS, k=draw.randint(1, 8))),
        "sentiment": round(draw.uniform(-1, 1), 3),
        "key_points": [" ".join(draw.choices(WORDS, k=3)) for _ in range(draw.randint(1, 4))],
        "confidence": round(draw.random(), 2),
        "language": draw.choice(["en", "de", "fr"]),
    }


def _text(value: object, draw: Draw) -> str:
    return json.dumps(value, ensure_ascii=draw.random() < 0.3, indent=draw.choice([None, None, 2]))


def _changed(change: Callable[[Json, Draw], object]) -> Callable[[Json, Draw], str]:
    """JSON, but of another value."""

    def make(value: Json, draw: Draw) -> str:
        other = json.loads(json.dumps(value))
        return _text(change(other, draw) or other, draw)

    return make


def _replaced(value: Json, draw: Draw, key: str, other: object) -> Json:
    return value | {key: other}


def _cut(value: Json, draw: Draw) -> str:
    text = _text(value, draw)
    return text[: draw.randint(5, len(text) - 2)]


def _raw(value: Json, key: str, raw: str) -> str:
    """JSON with something in it that JSON does not know."""
    return json.dumps(value | {key: "@@"}).replace('"@@"', raw)


KINDS: dict[str, tuple[Callable[[Json, Draw], str], bool, bool | None]] = {
    "fenced": (
        lambda v, d: f"Here you are:\n\n```{d.choice(['json', '', 'JSON'])}\n{_text(v, d)}\n```\nAnything else?",
        True,
        True,
    ),
    "in prose": (
        lambda v, d: f"{d.choice(['Sure!', 'Result:', 'I read it {twice}.'])} {_text(v, d)} I hope that helps.",
        True,
        True,
    ),
    "quoted": (lambda v, d: json.dumps(json.dumps(v)), True, True),
    "after a first thought": (lambda v, d: f'<think>Maybe {{"summary": 1}}?</think>\n{_text(v, d)}', True, True),
    "with a byte order mark": (lambda v, d: f"\ufeff{_text(v, d)}\n\n", True, True),
    "single quotes": (lambda v, d: repr(v), False, None),
    "trailing comma": (lambda v, d: json.dumps(v)[:-1] + ",}", False, True),
    "comments": (lambda v, d: "{ // the answer\n" + json.dumps(v)[1:], False, None),
    "cut short": (_cut, False, None),
    "key missing": (_changed(lambda v, d: v.pop(d.choice(sorted(v))) and None), False, False),
    "key too many": (_changed(lambda v, d: v | {d.choice(["note", "__proto__", "Summary"]): "x"}), False, False),
    "number as text": (_changed(lambda v, d: _replaced(v, d, "sentiment", str(v["sentiment"]))), False, False),
    "out of bounds": (_changed(lambda v, d: _replaced(v, d, "confidence", d.choice([85, -0.1, 1e300]))), False, False),
    "null": (_changed(lambda v, d: _replaced(v, d, d.choice(sorted(v)), None)), False, False),
    "wrapped": (_changed(lambda v, d: d.choice([{"answer": v}, [v], [[v]]])), False, False),
    "not a number": (
        lambda v, d: _raw(v, "sentiment", d.choice(["NaN", "Infinity", "-Infinity", "1e999"])),
        False,
        False,
    ),
    "said twice": (lambda v, d: json.dumps(v)[:-1] + ', "language": "xx"}', False, False),
    "nothing": (lambda v, d: d.choice(["", " \n", "null", "{}", "[]", "```json\n```", "true", "0"]), False, False),
    "refusal": (
        lambda v, d: d.choice(["I'm sorry, but I can't help with that.", "As an AI, I cannot {summarise} this."]),
        False,
        False,
    ),
    "too deep": (lambda v, d: d.choice(["[" * 9000, '{"summary":' * 5000, "[" * 400 + "]" * 400]), False, False),
}


def broken_answers() -> list[Broken]:
    """All of them, the same in every run."""
    draw = random.Random(20261125)
    made: list[Broken] = []
    for kind, (make, strict, mended) in KINDS.items():
        for _ in range(OF_EACH):
            value = right(draw)
            made.append(Broken(kind, make(value, draw), value, strict, mended))
    return made
