"""What a model is told whose answer does not fit the schema."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import JsonValue

from mirepoix.schemas import Flaw

MAX_RETOLD = 20_000
MAX_SCHEMA = 8_000
MAX_FLAWS = 2_000
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
NOTHING = "(an empty answer)"


def explain_flaws(flaws: Sequence[Flaw]) -> str:
    """One flaw a line; what it quotes of the answer is bounded and holds no control characters."""
    lines = (CONTROL.sub("\ufffd", f"at {flaw.where}: {flaw.what}").replace("\n", " ") for flaw in flaws)
    return "\n".join(lines)[:MAX_FLAWS]


def retold(answer: JsonValue) -> str:
    """The failed answer as the model is shown it: its text, bounded; never empty, which providers refuse."""
    text = answer if isinstance(answer, str) else json.dumps(answer, ensure_ascii=False)
    text = CONTROL.sub("\ufffd", text).strip()
    return (text if len(text) <= MAX_RETOLD else f"{text[:MAX_RETOLD]} […]") or NOTHING


def ask_anew(problems: str, schema: Mapping[str, Any]) -> str:
    """The turn that asks again."""
    wanted = json.dumps(schema, ensure_ascii=False)
    shape = f"\n\nThe JSON Schema:\n{wanted}" if len(wanted) <= MAX_SCHEMA else ""
    return (
        f"Your answer does not have the form that is asked for:\n{problems}\n\n"
        "Answer again: with one JSON value that fits the schema, whole, and with nothing before or after it."
        f"{shape}"
    )
