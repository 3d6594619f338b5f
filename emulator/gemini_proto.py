"""Protocol buffers in JSON, as Google's APIs read them and complain about them.

Names come in camelCase or snake_case, numbers also as strings, names of enums in any case, and what is not known is
refused. The texts of the errors are those that users of the real API quote; where none was found they have the same
form.
"""

from __future__ import annotations

import binascii
import json
from collections.abc import Iterable, Sequence
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError, model_validator
from pydantic.alias_generators import to_camel, to_snake
from pydantic_core import ErrorDetails, PydanticCustomError

from emulator.wire import ApiError, Json

INVALID_ARGUMENT = "INVALID_ARGUMENT"
BAD_REQUEST = "type.googleapis.com/google.rpc.BadRequest"
PACKAGE = "type.googleapis.com/google.ai.generativelanguage.v1beta"
SHOWN = 200  # characters of a wrong value that an error repeats

_TO_STANDARD = str.maketrans("-_", "+/")  # both alphabets of RFC 4648 are taken
_ENUMS = {"mode": "FunctionCallingConfig.Mode", "thinking_level": "ThinkingConfig.ThinkingLevel"}
_TYPES = {"string": "TYPE_STRING", "int": "TYPE_INT32", "float": "TYPE_FLOAT", "bool": "TYPE_BOOL"}


Violation = dict[str, str]
"""The `field` and what is wrong with it, as google.rpc.BadRequest lists them."""


class Proto(BaseModel):
    """A message; a null is as good as nothing."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, data: Any) -> Any:
        return {name: value for name, value in data.items() if value is not None} if isinstance(data, dict) else data


Message = TypeVar("Message", bound=Proto)


def _decode(data: object) -> object:
    if not isinstance(data, str):
        return data
    padded = data.translate(_TO_STANDARD) + "=" * (-len(data) % 4)
    try:
        return binascii.a2b_base64(padded, strict_mode=True)
    except (binascii.Error, ValueError) as error:
        raise PydanticCustomError("base64", "Base64 decoding failed") from error


def _upper(name: object) -> object:
    return name.upper() if isinstance(name, str) else name


Base64 = Annotated[bytes, BeforeValidator(_decode)]
EnumName = BeforeValidator(_upper)


def parse_message(kind: type[Message], body: Json) -> Message:
    """Read a decoded body; raises ApiError that tells all that is wrong with its form."""
    if not isinstance(body, dict):
        raise invalid('Invalid JSON payload received. Unknown name "": Root element must be a message.')
    try:
        return kind.model_validate(body)
    except ValidationError as error:
        raise refuse(map(_violation, error.errors())) from error


def refuse(violations: Iterable[Violation]) -> ApiError:
    """A 400 for what has not the right form; tells all of it."""
    listed = list(violations)
    text = "\n".join(violation["description"] for violation in listed)
    return ApiError(400, INVALID_ARGUMENT, text, details=({"@type": BAD_REQUEST, "fieldViolations": listed},))


def invalid(message: str) -> ApiError:
    """A 400 for what has the right form and is not possible all the same."""
    return ApiError(400, INVALID_ARGUMENT, message)


def unknown_name(name: str, field: str, why: str = "Cannot find field.") -> Violation:
    """`field` has no member of that name, or not of that form."""
    at = f" at '{field}'" if field else ""
    text = f'Invalid JSON payload received. Unknown name "{name}"{at}: {why}'
    return {**({"field": field} if field else {}), "description": text}


def invalid_value(field: str, expected: str, value: object) -> Violation:
    """`value` is not what is expected at `field`."""
    text = f"Invalid value at '{field}' ({expected}), {json.dumps(value, default=repr)[:SHOWN]}"
    return {"field": field, "description": text}


def _violation(problem: ErrorDetails) -> Violation:
    location = problem["loc"]
    if problem["type"] == "extra_forbidden":
        return unknown_name(str(location[-1]), _field(location[:-1]))
    return invalid_value(_field(location), _type(problem), problem["input"])


def _field(location: Sequence[int | str]) -> str:
    """`("contents", 0, "inlineData")` as `contents[0].inline_data`."""
    parts = (f"[{part}]" if isinstance(part, int) else f".{to_snake(part)}" for part in location)
    return "".join(parts).removeprefix(".")


def _type(problem: ErrorDetails) -> str:
    """The protocol buffers' name for what was expected."""
    kind = problem["type"]
    if kind == "literal_error":
        return f"{PACKAGE}.{_ENUMS[to_snake(str(problem['loc'][-1]))]}"
    if kind == "base64":
        return "TYPE_BYTES"
    if kind == "model_type":
        return f"{PACKAGE}.{problem['ctx']['class_name']}"
    return next((name for prefix, name in _TYPES.items() if kind.startswith(prefix)), "TYPE_MESSAGE")
