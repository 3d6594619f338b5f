"""Read an answer as the JSON value that fits a schema, or say why it cannot be.

Strict first: what is accepted is JSON that stands in the answer as it is. Nothing is guessed, completed or converted;
only with `repair` is broken JSON mended, and the reading says so. Whatever is returned has been validated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Any

from pydantic import JsonValue

from mirepoix.schemas import Flaw, find_flaws
from mirepoix.schemas.validity import Endless
from pipelines.answers.candidates import BYTE_ORDER_MARK, embedded, fenced
from pipelines.answers.json_text import NotJson, parse_json, require_shallow
from pipelines.answers.repair import repaired

MOST_CANDIDATES = 12
NOT_JSON = "not JSON"
"""The rule that an answer breaks in which no JSON is found; schemas have no such keyword."""


class Form(StrEnum):
    """As what the value stood in the answer."""

    WHOLE = "whole"
    """The answer is JSON, or a JSON value of an in-process model."""
    QUOTED = "quoted"
    """JSON inside a JSON string."""
    FENCED = "fenced"
    """In a Markdown fence."""
    EMBEDDED = "embedded"
    """In the middle of prose."""
    TEXT = "text"
    """The schema asks for a string, and the text is that string."""
    REPAIRED = "repaired"
    """Broken JSON that was mended."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A value that fits the schema."""

    value: JsonValue
    form: Form


@dataclass(frozen=True, slots=True)
class Unfit:
    """Nothing in the answer fits; `flaws` are those of its likeliest part, at least one."""

    flaws: tuple[Flaw, ...]


def read_answer(answer: JsonValue, schema: Mapping[str, Any], *, repair: bool = False) -> Reading | Unfit:
    """Find what fits `schema` in `answer`; the last thing that does, since models think before they answer."""
    if not isinstance(answer, str):
        return _weigh(_as_it_is(answer), schema)
    text = answer.strip().removeprefix(BYTE_ORDER_MARK).strip()
    strict = _weigh(_strictly(text, schema), schema)
    if isinstance(strict, Reading) or not repair:
        return strict
    mended = _weigh(((partial(_same, value), Form.REPAIRED) for value in repaired(text)), schema)
    return strict if _is_no_json(mended) else mended


def _is_no_json(reading: Reading | Unfit) -> bool:
    return isinstance(reading, Unfit) and reading.flaws[0].rule == NOT_JSON


Candidate = tuple[Callable[[], Any], Form]
"""How to get the value (raises NotJson), and as what it stands there."""


def _weigh(candidates: Iterator[Candidate], schema: Mapping[str, Any]) -> Reading | Unfit:
    first: Unfit | None = None
    reason = "there is no JSON in the answer"
    for number, (get, form) in enumerate(candidates):
        if number >= MOST_CANDIDATES:
            break
        try:
            value = get()
        except NotJson as error:
            reason = f"not JSON: {error}" if number == 0 else reason
            continue
        flaws = _flaws(schema, value)
        if not flaws:
            return Reading(value, form)
        first = first or Unfit(tuple(flaws))
    return first or Unfit((Flaw("$", reason, NOT_JSON),))


def _flaws(schema: Mapping[str, Any], value: Any) -> list[Flaw]:
    try:
        return find_flaws(schema, value)
    except Endless as error:
        return [Flaw("$", f"it cannot be checked: {error}", "endless")]


def _as_it_is(answer: JsonValue) -> Iterator[Candidate]:
    def get() -> JsonValue:
        require_shallow(answer)
        return answer

    yield get, Form.WHOLE


def _strictly(text: str, schema: Mapping[str, Any]) -> Iterator[Candidate]:
    yield partial(parse_json, text), Form.WHOLE
    yield partial(_unquoted, text), Form.QUOTED
    for part in fenced(text):
        yield partial(parse_json, part), Form.FENCED
    for value in embedded(text):
        yield partial(_same, value), Form.EMBEDDED
    if schema.get("type") == "string" or all(isinstance(one, str) for one in schema.get("enum", [None])):
        yield partial(_same, text), Form.TEXT


def _same(value: Any) -> Any:
    return value


def _unquoted(text: str) -> Any:
    """JSON that was written as a JSON string once too often."""
    inner = parse_json(text)
    if not isinstance(inner, str):
        raise NotJson("it is no string")
    return parse_json(inner)
