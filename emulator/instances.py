"""Instances of JSON schemas: values valid by construction where that is possible, and always checked.

Understood are objects, arrays, strings, numbers, booleans, null, enum, const, anyOf, oneOf, allOf and
references within the schema, with the usual bounds. What cannot be met (a difficult `pattern`, a
contradiction) is refused.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError
from referencing import Registry
from referencing.exceptions import Unresolvable

from emulator.answers import Answer
from emulator.bounds import UnusableSchema
from emulator.scalars import Filling, Place
from emulator.wire import Json

DEEP = 8  # from here on, optional properties, items and branches that go deeper are left out
TOO_DEEP = 40
TOO_LARGE = 10_000
_LEADING_DEEPER = ("$ref", "properties", "items", "anyOf", "oneOf", "allOf")


def make_instance(schema: Json, answer: Answer, luck: float) -> Json:
    """A value valid against `schema` (draft 2020-12) that tells `answer`.

    `luck` (0..1) decides what the answer leaves open. Raises UnusableSchema where the schema is not one,
    refers outside itself, or cannot be met here.
    """
    validator = _validator(json.dumps(schema))
    try:
        value = _Builder(validator, Filling(answer, luck)).build(schema, Place())
        error = next(validator.iter_errors(value), None)
    except (re.error, Unresolvable) as problem:
        raise UnusableSchema(f"{problem}.") from problem
    if error is not None:
        raise UnusableSchema(f"the emulator cannot make an instance of it: {error.message}.")
    return value


@lru_cache(maxsize=256)
def _validator(schema_text: str) -> Draft202012Validator:
    schema = json.loads(schema_text)
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        raise UnusableSchema(f"{error.message}.") from error
    # An empty registry: without one, jsonschema fetches references to other hosts.
    return Draft202012Validator(schema, registry=Registry())


class _Builder:
    def __init__(self, validator: Draft202012Validator, filling: Filling) -> None:
        self._validator = validator
        self._filling = filling
        self._built = 0
        self._by_type: Mapping[str, Callable[[Mapping[str, Any], Place], Json]] = {
            "object": self._object,
            "array": self._array,
            "string": filling.string,
            "integer": filling.integer,
            "number": filling.number,
            "boolean": lambda _, place: filling.boolean(place),
            "null": lambda _, __: None,
        }

    def build(self, schema: Json, place: Place) -> Json:
        self._built += 1
        if schema is False or place.depth > TOO_DEEP or self._built > TOO_LARGE:
            raise UnusableSchema("its instances are empty, too deep or too large.")
        if schema is True:
            return self._filling.string({}, place)
        if "$ref" in schema:
            return self.build(_merge(self._resolve(schema["$ref"]), _without(schema, "$ref")), place.below())
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return self._choose(schema, place)
        for key in ("anyOf", "oneOf"):
            if key in schema:
                return self._first_that_fits(schema, key, place)
        if "allOf" in schema:
            merged = _without(schema, "allOf")
            for part in schema["allOf"]:
                merged = _merge(merged, self._resolve(part["$ref"]) if _is_reference(part) else part)
            return self.build(merged, place)
        return self._by_type[_type_of(schema, place)](schema, place)

    def _resolve(self, reference: str) -> Json:
        if not reference.startswith("#"):
            raise UnusableSchema(f"$ref {reference!r} refers outside the schema.")
        found: Json = self._validator.schema
        for part in unquote(reference[1:]).split("/")[1:]:
            key = part.replace("~1", "/").replace("~0", "~")
            if isinstance(found, list) and key.isdigit() and int(key) < len(found):
                found = found[int(key)]
            elif isinstance(found, dict) and key in found:
                found = found[key]
            else:
                raise UnusableSchema(f"$ref {reference!r} refers to nothing.")
        return found

    def _choose(self, schema: Mapping[str, Any], place: Place) -> Json:
        check = self._validator.evolve(schema=schema)
        options = [option for option in schema["enum"] if check.is_valid(option)]
        if not options:
            raise UnusableSchema("none of its enum is valid.")
        return self._filling.choice(options, place)

    def _first_that_fits(self, schema: Mapping[str, Any], key: str, place: Place) -> Json:
        check = self._validator.evolve(schema=schema)
        rest = _without(schema, key)
        last = UnusableSchema(f"none of its {key} can be met.")
        for branch in sorted(schema[key], key=_deep_last if place.depth >= DEEP else _null_last):
            try:
                value = self.build(_merge(rest, branch), place.below())
            except UnusableSchema as error:
                last = error
                continue
            if check.is_valid(value):
                return value
        raise last

    def _object(self, schema: Mapping[str, Any], place: Place) -> dict[str, Json]:
        properties, required = schema.get("properties", {}), schema.get("required", ())
        others = schema.get("additionalProperties", True)
        value: dict[str, Json] = {}
        for name, below in properties.items():
            if name in required:
                value[name] = self.build(below, place.below(name=name))
            elif place.depth < DEEP:
                self._add_optional(value, name, below, place)
        for name in required:
            if name not in value:
                value[name] = self.build(others, place.below(name=name))
        for extra in range(schema.get("minProperties", 0) - len(value)):
            value[f"extra_{extra}"] = self.build(others, place.below(name=f"extra_{extra}"))
        optional = [name for name in value if name not in required]
        for name in optional[max(0, schema.get("maxProperties", len(value)) - len(value) + len(optional)) :]:
            del value[name]
        return value

    def _add_optional(self, value: dict[str, Json], name: str, schema: Json, place: Place) -> None:
        """An optional property that cannot be made is left out, as a model would."""
        try:
            value[name] = self.build(schema, place.below(name=name))
        except UnusableSchema:
            return

    def _array(self, schema: Mapping[str, Any], place: Place) -> list[Json]:
        first, items = schema.get("prefixItems", []), schema.get("items", True)
        least = schema.get("minItems", 0)
        wanted = least if place.depth >= DEEP else max(least, len(first) or len(self._filling.answer.sentences) or 1)
        wanted = min(wanted, schema.get("maxItems", wanted), len(first) if items is False else wanted)
        value: list[Json] = []
        for index in range(wanted * 2 if schema.get("uniqueItems") else wanted):
            if len(value) == wanted:
                break
            item = self.build(first[index] if index < len(first) else items, place.below(index=index))
            if not schema.get("uniqueItems") or item not in value:
                value.append(item)
        return value


def _type_of(schema: Mapping[str, Any], place: Place) -> str:
    kinds = schema.get("type", _implied_type(schema))
    if isinstance(kinds, str):
        return kinds
    if "null" in kinds and place.depth >= DEEP:
        return "null"
    return next((kind for kind in kinds if kind != "null"), "null")


def _implied_type(schema: Mapping[str, Any]) -> str:
    if schema.keys() & {"properties", "required", "additionalProperties", "minProperties"}:
        return "object"
    if schema.keys() & {"items", "prefixItems", "minItems"}:
        return "array"
    return "number" if schema.keys() & {"minimum", "maximum", "multipleOf"} else "string"


def _merge(one: Json, other: Json) -> Json:
    """One schema that asks for both, as far as understood here; the final check finds what is not."""
    if one is False or other is False:
        return False
    one, other = ({} if part is True else part for part in (one, other))
    merged = {**one, **other}
    if "properties" in one and "properties" in other:
        merged["properties"] = {**one["properties"], **other["properties"]}
    if "required" in one and "required" in other:
        merged["required"] = [
            *one["required"],
            *(name for name in other["required"] if name not in one["required"]),
        ]
    return merged


def _without(schema: Mapping[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in schema.items() if name != key}


def _is_reference(schema: Json) -> bool:
    return isinstance(schema, dict) and "$ref" in schema


def _null_last(schema: Json) -> bool:
    return isinstance(schema, dict) and schema.get("type") == "null"


def _deep_last(schema: Json) -> bool:
    return isinstance(schema, dict) and any(key in schema for key in _LEADING_DEEPER)
