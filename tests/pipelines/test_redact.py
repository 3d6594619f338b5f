"""What is stored redacted holds nothing personal; what is stored bare holds no text."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from mirepoix.privacy import Sensitive
from pipelines.privacy import scan
from pipelines.privacy.bare import NOT_STORED, bare
from pipelines.privacy.redact import redact, redact_text

TEXTS = [
    ("Write to ada@example.org, please.", "Write to [email], please."),
    ("card 4111 1111 1111 1111!", "card [card]!"),
    ("ada@example.org and bob@example.org", "[email] and [email]"),
    ("IBAN DE89 3704 0044 0532 0130 00", "IBAN [iban]"),
    ("nothing here", "nothing here"),
    ("", ""),
]
SECRETS = st.sampled_from(["ada@example.org", "4111 1111 1111 1111", "DE89370400440532013000", "078-05-1120"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=30) | SECRETS,
    lambda below: st.lists(below, max_size=4) | st.dictionaries(st.text(max_size=10) | SECRETS, below, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize(("text", "redacted"), TEXTS)
def test_a_mark_stands_where_the_finding_stood(text: str, redacted: str) -> None:
    assert redact_text(text) == redacted


@given(JSON)
def test_nothing_is_found_in_what_was_redacted_and_redacting_again_changes_nothing(value: JsonValue) -> None:
    redacted = redact(value)
    assert list(_found(redacted)) == []
    assert redact(redacted) == redacted


def _found(value: JsonValue) -> list[Any]:
    if isinstance(value, dict):
        return [found for key, below in value.items() for found in (*scan(key), *_found(below))]
    if isinstance(value, list):
        return [found for below in value for found in _found(below)]
    return list(scan(value)) if isinstance(value, str) else []


def test_numbers_and_files_are_no_hiding_place() -> None:
    assert redact({"card": 4111111111111111, "year": 1815}) == {"card": "[card]", "year": 1815}
    assert redact({"data": "QUJD" * 100}) == {"data": "[file]"}


def test_only_the_kinds_that_are_looked_for_are_marked() -> None:
    assert redact("ada@example.org 4111 1111 1111 1111", {Sensitive.CARD}) == "ada@example.org [card]"


def test_a_bare_decision_keeps_numbers_and_the_names_of_the_house() -> None:
    features: dict[str, JsonValue] = {
        "score": 0.4,
        "votes": [2, 1],
        "voters": {"members.0": 0, "analyse.members.1": 1, "Paris": 1},
        "gates": [{"gate": "judge", "score": 0.2, "reason": "it says Paris"}],
        "numbers": {"members.0": 42},
        "error": "the answer was Paris",
        "in_house": "house",
        "ruled_out": {"to.0": ["too long: Paris"]},
    }
    kept = bare(features, {"analyse.members.1", "house"})
    assert kept == {
        "score": 0.4,
        "votes": [2, 1],
        "voters": {"members.0": 0, "analyse.members.1": 1},
        "gates": [{"gate": "judge", "score": 0.2, "reason": NOT_STORED}],
        "numbers": NOT_STORED,
        "error": NOT_STORED,
        "in_house": "house",
        "ruled_out": {"to.0": [NOT_STORED]},
    }
    assert "Paris" not in json.dumps(kept)
