"""Whether a value fits a schema, by `jsonschema`, but with an end: a budget of keyword checks, and linear patterns.

Schemas and answers may both be hostile: nested `anyOf` with references doubles the work at each level of an answer,
some regular expressions never end, and references would be fetched from the network.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import date, datetime, time
from itertools import islice
from typing import Any, cast

from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import ValidationError
from jsonschema.validators import extend
from referencing import Registry
from referencing.exceptions import Unresolvable

from mirepoix.schemas.patterns import matches

MOST_CHECKS = 100_000
MOST_FLAWS = 10
SHOWN = 200

Keyword = Callable[[Any, Any, Any, Any], Iterator[ValidationError] | None]
_left: ContextVar[list[int]] = ContextVar("keyword checks left")


class Endless(Exception):
    """Whether the value fits cannot be told within bounds; says why."""


@dataclass(frozen=True, slots=True)
class Flaw:
    """One way in which a value does not fit.

    `where` is a path into the value and `what` says what is wrong; both may quote the value. `rule` is the path into
    the schema, which holds nothing of the value.
    """

    where: str
    what: str
    rule: str


def find_flaws(schema: Mapping[str, Any], value: Any, *, most: int = MOST_FLAWS) -> list[Flaw]:
    """The first flaws of `value`; none when it fits. Raises Endless."""
    validator = _Bounded(schema, registry=Registry(), format_checker=FORMATS)
    token = _left.set([MOST_CHECKS])
    try:
        errors = list(islice(validator.iter_errors(value), most))
    except (RecursionError, Unresolvable) as error:
        reason = "it goes in circles" if isinstance(error, RecursionError) else str(error)[:SHOWN]
        raise Endless(reason) from error
    except (OverflowError, ArithmeticError, ValueError) as error:
        raise Endless(f"it cannot be checked: {str(error)[:SHOWN]}") from error
    finally:
        _left.reset(token)
    return [_flaw(error) for error in errors]


def _flaw(error: ValidationError) -> Flaw:
    where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.absolute_path)
    rule = "/".join(str(part) for part in error.absolute_schema_path)
    return Flaw(f"${where}"[:SHOWN], _shortened(error.message), rule[:SHOWN])


def _shortened(text: str) -> str:
    """A message quotes the value first and says what is wrong at its end."""
    return text if len(text) <= SHOWN else f"{text[: SHOWN // 2]} … {text[-SHOWN // 2 :]}"


def _limited(check: Keyword) -> Keyword:
    def limited(validator: Any, rule: Any, value: Any, schema: Any) -> Iterator[ValidationError]:
        left = _left.get()
        left[0] -= 1
        if left[0] < 0:
            raise Endless(f"more than {MOST_CHECKS:,} checks are needed")
        yield from check(validator, rule, value, schema) or ()

    return limited


def _pattern(validator: Any, rule: str, value: Any, schema: Any) -> Iterator[ValidationError]:
    if isinstance(value, str) and not matches(rule, value):
        yield ValidationError(f"{value!r} does not match {rule!r}")


def _pattern_properties(validator: Any, rules: Any, value: Any, schema: Any) -> Iterator[ValidationError]:
    if isinstance(value, dict):
        for pattern, below in rules.items():
            for key, part in value.items():
                if matches(pattern, key):
                    yield from validator.descend(part, below, path=key, schema_path=pattern)


def _additional_properties(validator: Any, rule: Any, value: Any, schema: Any) -> Iterator[ValidationError]:
    if not isinstance(value, dict):
        return
    named, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
    for key, part in value.items():
        if key not in named and not any(matches(pattern, key) for pattern in patterns):
            if rule is False:
                yield ValidationError(f"{key!r} was unexpected")
            else:
                yield from validator.descend(part, rule, path=key)


def _unique_items(validator: Any, rule: Any, value: Any, schema: Any) -> Iterator[ValidationError]:
    if rule and isinstance(value, list) and len({_canonical(part) for part in value}) < len(value):
        yield ValidationError(f"{value!r} has non-unique elements")


def _canonical(value: Any) -> str:
    """Equal for values that JSON Schema calls equal: 1 and 1.0 are, 1 and true are not."""
    return json.dumps(_whole(value), sort_keys=True)


def _whole(value: Any) -> Any:
    match value:
        case float() if value.is_integer():
            return int(value)
        case list():
            return [_whole(part) for part in value]
        case dict():
            return {key: _whole(part) for key, part in value.items()}
    return value


def _checks(name: str, parse: Callable[[str], object]) -> None:
    def check(value: object) -> bool:
        if isinstance(value, str):
            parse(value)
        return True

    FORMATS.checks(name, raises=ValueError)(check)


def _moment(text: str) -> None:
    if datetime.fromisoformat(text).tzinfo is None or "T" not in text.upper():
        raise ValueError("RFC 3339 asks for a T and an offset")


FORMATS = FormatChecker(formats=["email", "ipv4", "ipv6", "uuid"])
_checks("date", date.fromisoformat)
_checks("time", time.fromisoformat)
_checks("date-time", _moment)

_Bounded = extend(
    Draft202012Validator,
    {
        name: _limited(check)
        for name, check in {
            **cast("dict[str, Keyword]", Draft202012Validator.VALIDATORS),
            "pattern": _pattern,
            "patternProperties": _pattern_properties,
            "additionalProperties": _additional_properties,
            "uniqueItems": _unique_items,
        }.items()
    },
)
