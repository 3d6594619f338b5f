"""Google's own schema language (a subset of OpenAPI 3.0), in which `responseSchema` is written, as JSON Schema."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic.alias_generators import to_snake

from emulator.gemini_proto import PACKAGE, Violation, invalid, invalid_value, refuse, unknown_name
from emulator.wire import Json

TYPES = ("STRING", "NUMBER", "INTEGER", "BOOLEAN", "ARRAY", "OBJECT", "NULL")
_COUNTS = {
    "max_items": "maxItems",
    "min_items": "minItems",
    "max_length": "maxLength",
    "min_length": "minLength",
    "max_properties": "maxProperties",
    "min_properties": "minProperties",
}
_SAME = ("title", "description", "format", "enum", "pattern", "maximum", "minimum", "required", "default")
_FORMS = {"items": dict, "any_of": list, "properties": dict, "required": list, "enum": list, "property_ordering": list}
_LEFT_OUT = ("example", "nullable", "property_ordering", "additional_properties")
_NAMES = frozenset({"type", "properties", "items", "any_of", *_COUNTS, *_SAME, *_LEFT_OUT})


def to_json_schema(schema: dict[str, Any], field: str) -> dict[str, Json]:
    """The schema at `field` of the request; raises ApiError where it is none, or one that the API does not take."""
    violations = list(_violations(schema, field))
    if violations:
        raise refuse(violations)
    return _translate(schema, field)


def _violations(schema: Any, field: str) -> Iterator[Violation]:
    """What has not the form of a schema; the members of maps are counted, as protocol buffers do."""
    if not isinstance(schema, dict):
        yield invalid_value(field, f"{PACKAGE}.Schema", schema)
        return
    for name, value in schema.items():
        known = to_snake(name)
        if known not in _NAMES:
            yield unknown_name(name, field)
        elif known == "type" and isinstance(value, list):
            yield unknown_name(name, field, "Proto field is not repeating, cannot start list.")
        elif known == "type" and str(value).upper() not in TYPES:
            yield invalid_value(f"{field}.type", f"{PACKAGE}.Type", value)
        elif known in _FORMS and not isinstance(value, _FORMS[known]):
            yield invalid_value(f"{field}.{known}", "TYPE_MESSAGE", value)
        else:
            for where, part in _parts(known, value):
                yield from _violations(part, f"{field}.{where}")


def _parts(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """The schemas within a member, and where they stand."""
    if name == "items":
        yield "items", value
    elif name == "any_of":
        yield from ((f"any_of[{index}]", part) for index, part in enumerate(value))
    elif name == "properties":
        yield from ((f"properties[{index}].value", part) for index, part in enumerate(value.values()))


def _translate(schema: dict[str, Any], field: str) -> dict[str, Json]:
    given = {to_snake(name): value for name, value in schema.items()}
    result: dict[str, Json] = {name: given[name] for name in _SAME if name in given}
    # Protocol buffers write 64-bit numbers as strings.
    result |= {name: int(given[key]) for key, name in _COUNTS.items() if key in given}
    if "any_of" in given:
        result["anyOf"] = [_translate(part, f"{field}.any_of[{at}]") for at, part in enumerate(given["any_of"])]
    elif "type" not in given:
        raise _refuse(f"{field}.type", "must be specified")
    if "type" in given:
        result |= _of_type(given, field)
    return _nullable(result) if given.get("nullable") else result


def _of_type(given: dict[str, Any], field: str) -> dict[str, Json]:
    kind = str(given["type"]).lower()
    result: dict[str, Json] = {"type": kind}
    if kind == "array":
        if "items" not in given:
            raise _refuse(f"{field}.items", "missing field.")
        result["items"] = _translate(given["items"], f"{field}.items")
    if kind == "object":
        properties = given.get("properties") or {}
        if not properties:
            raise _refuse(f"{field}.properties", "should be non-empty for OBJECT type")
        ordered = sorted(properties, key=_place_in(given.get("property_ordering", [])))
        result["properties"] = {name: _translate(properties[name], f"{field}.properties[{name}]") for name in ordered}
        missing = next((name for name in given.get("required", ()) if name not in properties), None)
        if missing is not None:
            at = list(given["required"]).index(missing)
            raise _refuse(f"{field}.required[{at}]", "property is not defined")
    for index, value in enumerate(given.get("enum", ())):
        if value == "":
            raise _refuse(f"{field}.enum[{index}]", "cannot be empty")
    return result


def _place_in(ordering: list[str]) -> Any:
    """A key for sorting by `ordering`; names that are not in it come last, as they stand."""
    return lambda name: ordering.index(name) if name in ordering else len(ordering)


def _nullable(schema: dict[str, Json]) -> dict[str, Json]:
    nullable = dict(schema)
    if "type" in schema:
        nullable["type"] = [schema["type"], "null"]
    if "enum" in schema:
        nullable["enum"] = [*schema["enum"], None]
    if "anyOf" in schema:
        nullable["anyOf"] = [*schema["anyOf"], {"type": "null"}]
    return nullable


def _refuse(field: str, why: str) -> Exception:
    return invalid(f"* GenerateContentRequest.{field}: {why}\n")
