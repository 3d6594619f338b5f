"""Whatever is sent, the emulator answers as a provider would: never with an error of its own."""

from __future__ import annotations

import json
from typing import Any

import httpx
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emulator import EmulatorProcess

json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)),
    max_leaves=6,
)
PARTS: dict[str, Any] = {
    "role": st.sampled_from(["user", "assistant", "system", "tool"]),
    "type": st.sampled_from(
        ["text", "image", "json_schema", "json_object", "tool", "any", "function", "object", "array"]
    ),
}
FIELDS = [
    "model",
    "messages",
    "max_tokens",
    "max_completion_tokens",
    "temperature",
    "stop",
    "stop_sequences",
    "stream",
    "stream_options",
    "include_usage",
    "logprobs",
    "top_logprobs",
    "function",
    "parameters",
    "response_format",
    "json_schema",
    "schema",
    "name",
    "strict",
    "output_config",
    "format",
    "tools",
    "tool_choice",
    "input_schema",
    "system",
    "thinking",
    "role",
    "content",
    "type",
    "text",
    "properties",
    "items",
    "required",
    "$ref",
    "anyOf",
    "enum",
]
shaped = st.recursive(
    st.one_of(json_values, st.sampled_from(["gpt-4", "claude-haiku-4-5", "x", "json", 5])),
    lambda inner: st.one_of(
        st.lists(inner, max_size=2),
        st.dictionaries(st.sampled_from(FIELDS), inner, max_size=4).flatmap(
            lambda body: st.fixed_dictionaries({key: PARTS.get(key, st.just(value)) for key, value in body.items()})
        ),
    ),
    max_leaves=14,
)
HEADERS = {"authorization": "Bearer k", "anthropic-version": "2023-06-01"}


@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.dictionaries(st.sampled_from(FIELDS), shaped, max_size=6),
    st.sampled_from([("/v1/chat/completions", "gpt-4"), ("/v1/messages", "claude-haiku-4-5")]),
    st.booleans(),
)
def test_no_body_makes_it_fail(
    emulator: EmulatorProcess, strange: dict[str, Any], endpoint: tuple[str, str], valid_at_heart: bool
) -> None:
    path, model = endpoint
    heart = {
        "model": model,
        "max_tokens": 50,
        "messages": [{"role": "user", "content": "Say something in JSON."}],
    }
    body = {**strange, **heart} if valid_at_heart else strange
    answer = httpx.post(emulator.url + path, content=json.dumps(body), headers=HEADERS, trust_env=False)
    assert answer.status_code in (200, 400, 404)
    if answer.headers["content-type"].startswith("text/event-stream"):
        assert "data: " in answer.text
    else:
        assert answer.json().keys() & {"error", "choices", "content"}
