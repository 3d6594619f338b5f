"""The gate `schema`: whether the answer fits a JSON Schema."""

from __future__ import annotations

import json
import re
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, best_match
from jsonschema.protocols import Validator
from jsonschema.validators import validator_for
from pydantic import JsonValue
from referencing import Registry
from referencing.exceptions import Unresolvable

from mirepoix.errors import PipelineError
from mirepoix.spec.gates import Schema
from pipelines.gates.seen import Score, Tier

FENCE = re.compile(r"\A\s*```(?:json)?\s*\n(.*?)\n?\s*```\s*\Z", re.DOTALL | re.IGNORECASE)
SHOWN = 200


def score_schema(gate: Schema, tier: Tier) -> Score:
    """Whether the answer, or the JSON that it is the text of (a fence around it is no matter), fits the schema."""
    answer: JsonValue = tier.answer
    if isinstance(answer, str):
        fenced = FENCE.match(answer)
        try:
            answer = json.loads(fenced[1] if fenced else answer)
        except (ValueError, RecursionError):
            return Score(0.0, "the answer is not JSON")
    try:
        error = best_match(_validator(gate.of).iter_errors(answer))
    except (RecursionError, Unresolvable) as broken:
        return Score(0.0, f"cannot be checked: {type(broken).__name__}")
    if error is None:
        return Score(1.0, "it fits the schema")
    return Score(0.0, f"{error.json_path}: {error.message}"[:SHOWN])


def check_schema(schema: dict[str, Any]) -> None:
    """Raise PipelineError when `schema` is no JSON Schema."""
    try:
        validator_for(schema, default=Draft202012Validator).check_schema(schema)
    except SchemaError as error:
        raise PipelineError(
            f"the gate 'schema' has no valid JSON Schema: {error.json_path}: {error.message}."
        ) from error


def _validator(schema: dict[str, Any]) -> Validator:
    """With a registry of its own, or a `$ref` would be fetched from wherever it points to."""
    return validator_for(schema, default=Draft202012Validator)(schema, registry=Registry())
