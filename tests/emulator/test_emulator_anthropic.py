"""Anthropic messages over a real socket."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

URL = "/v1/messages"
ASK: dict[str, Any] = {
    "model": "claude-haiku-4-5",
    "max_tokens": 100,
    "system": "Be brief.",
    "messages": [{"role": "user", "content": "What is the capital of France?"}],
}
TOOL = {"name": "note", "input_schema": {"type": "object", "properties": {"answer": {"type": "string"}}}}


def ask(client: httpx.Client, headers: dict[str, str] | None = None, **changes: Any) -> httpx.Response:
    body = {key: value for key, value in {**ASK, **changes}.items() if value is not ...}
    return client.post(URL, json=body, headers=headers)


def user(content: object) -> list[dict[str, object]]:
    return [{"role": "user", "content": content}]


def test_a_known_question_gets_the_bare_answer_and_complete_usage(anthropic: httpx.Client) -> None:
    answer = ask(anthropic).json()
    assert answer.pop("id").startswith("msg_")
    assert answer == {
        "type": "message",
        "role": "assistant",
        "model": "claude-haiku-4-5",
        "content": [{"type": "text", "text": "Paris"}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "stop_details": None,
        "usage": {
            "input_tokens": (3 + 4) + (8 + 4),
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
            "output_tokens": 2,
            "output_tokens_details": {"thinking_tokens": 0},
            "service_tier": "standard",
            "inference_geo": "not_available",
        },
    }


def test_an_answer_stops_at_max_tokens_and_at_a_stop_sequence(anthropic: httpx.Client) -> None:
    cut = ask(anthropic, max_tokens=1).json()
    assert (cut["content"][0]["text"], cut["stop_reason"]) == ("Pari", "max_tokens")
    stopped = ask(anthropic, stop_sequences=["x", "ri"]).json()
    assert stopped["content"][0]["text"] == "Pa"
    assert (stopped["stop_reason"], stopped["stop_sequence"]) == ("stop_sequence", "ri")


def test_a_forced_tool_is_used(anthropic: httpx.Client) -> None:
    answer = ask(anthropic, tools=[TOOL], tool_choice={"type": "tool", "name": "note"}).json()
    assert answer["stop_reason"] == "tool_use"
    assert answer["content"][0]["type"] == "tool_use"
    assert answer["content"][0]["name"] == "note"
    assert answer["content"][0]["input"] == {"answer": "Paris"}


def test_a_forced_tool_that_is_cut_short_has_no_input(anthropic: httpx.Client) -> None:
    answer = ask(anthropic, tools=[TOOL], tool_choice={"type": "any"}, max_tokens=1).json()
    assert answer["stop_reason"] == "max_tokens"
    assert answer["content"][0]["input"] == {}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": ...}, "model: Field required"),
        ({"max_tokens": ...}, "max_tokens: Field required"),
        ({"messages": ...}, "messages: Field required"),
        ({"messages": []}, "messages: at least one message is required"),
        ({"messages": "hello"}, "messages: Input should be a valid list"),
        ({"messages": user(7)}, "messages.0.content: Input should be a valid list"),
        ({"messages": [{"role": "user"}]}, "messages.0.content: Field required"),
        (
            {"messages": [{"role": "boss", "content": "x"}]},
            "messages.0.role: Input should be 'user' or 'assistant'",
        ),
        (
            {"messages": [{"role": "system", "content": "x"}]},
            (
                'messages: Unexpected role "system". The Messages API accepts a top-level `system` '
                'parameter, not "system" as an input message role.'
            ),
        ),
        (
            {"messages": user("")},
            ("messages.0: all messages must have non-empty content except for the optional final assistant message"),
        ),
        (
            {"messages": user([{"type": "text", "text": ""}])},
            "messages: text content blocks must be non-empty",
        ),
        ({"messages": user(" \n")}, "messages: text content blocks must contain non-whitespace text"),
        ({"max_tokens": 0}, "max_tokens: Input should be greater than or equal to 1"),
        ({"max_tokens": "9"}, "max_tokens: Input should be a valid integer"),
        ({"temperature": 1.0}, "temperature: Extra inputs are not permitted"),
        ({"top_p": 1.0}, "top_p: Extra inputs are not permitted"),
        ({"top_k": 5}, "top_k: Extra inputs are not permitted"),
        ({"response_format": {}}, "response_format: Extra inputs are not permitted"),
        ({"tool_choice": {"type": "tool", "name": "x"}}, "Tool 'x' not found in provided tools"),
        (
            {"output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}}},
            ("output_config.format.schema: For 'object' type, 'additionalProperties' must be explicitly set to false"),
        ),
    ],
)
def test_a_bad_request_is_refused_in_the_words_of_the_api(
    anthropic: httpx.Client, changes: dict[str, Any], message: str
) -> None:
    answer = ask(anthropic, **changes)
    assert answer.status_code == 400
    assert answer.json() == {
        "type": "error",
        "error": {"type": "invalid_request_error", "message": message},
        "request_id": answer.headers["request-id"],
    }


def test_the_older_version_takes_sampling_parameters(anthropic: httpx.Client) -> None:
    older = {"anthropic-version": "2023-06-01"}
    assert ask(anthropic, older, temperature=0.5, top_p=0.9, top_k=5).status_code == 200
    assert ask(anthropic, older, temperature=1.5).json()["error"]["message"] == "temperature: range: 0..1"


def test_the_version_header_must_be_there_and_known(emulator: Any, anthropic: httpx.Client) -> None:
    missing = httpx.post(emulator.url + URL, json=ASK, headers={"x-api-key": "k"}, trust_env=False)
    assert missing.status_code == 400
    assert missing.json()["error"]["message"] == "anthropic-version: header is required"
    unknown = ask(anthropic, {"anthropic-version": "2020-01-01"})
    assert unknown.json()["error"]["message"] == 'anthropic-version: "2020-01-01" is not a valid version'


def test_a_key_may_come_as_a_bearer_token(anthropic: httpx.Client) -> None:
    assert ask(anthropic, {"x-api-key": "", "authorization": "Bearer k"}).status_code == 200
    refused = ask(anthropic, {"x-api-key": ""})
    assert refused.status_code == 401
    assert refused.json()["error"] == {
        "type": "authentication_error",
        "message": "x-api-key header is required",
    }


def test_an_unknown_model_is_not_found(anthropic: httpx.Client) -> None:
    answer = ask(anthropic, model="gpt-4")
    assert answer.status_code == 404
    assert answer.json()["error"] == {"type": "not_found_error", "message": "model: gpt-4"}


def test_what_is_not_json_is_refused_with_the_reason(anthropic: httpx.Client) -> None:
    answer = anthropic.post(URL, content=b"{x")
    assert answer.status_code == 400
    assert answer.json()["error"]["message"] == (
        "The request body is not valid JSON: Expecting property name enclosed in double quotes: "
        "line 1 column 2 (char 1)"
    )


def test_a_body_that_is_too_large_is_refused(anthropic: httpx.Client) -> None:
    answer = anthropic.post(URL, content=b" " * (64 * 1024 * 1024 + 1))
    assert answer.status_code == 413
    assert answer.json()["error"] == {
        "type": "request_too_large",
        "message": "Request exceeds the maximum size",
    }
