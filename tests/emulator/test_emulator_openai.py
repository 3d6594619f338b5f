"""OpenAI chat completions over a real socket."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

URL = "/v1/chat/completions"
ASK: dict[str, Any] = {
    "model": "gpt-4",
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "What is the  capital of FRANCE?"},
    ],
}

TOOL: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "look_up",
        "parameters": {"type": "object", "properties": {"answer": {"type": "string"}}, "required": ["answer"]},
    },
}


def ask(client: httpx.Client, **changes: Any) -> httpx.Response:
    body = {key: value for key, value in {**ASK, **changes}.items() if value is not ...}
    return client.post(URL, json=body)


def user(content: object) -> list[dict[str, object]]:
    return [{"role": "user", "content": content}]


def test_a_known_question_gets_the_bare_answer(openai: httpx.Client) -> None:
    answer = ask(openai).json()
    assert answer["object"] == "chat.completion"
    assert answer["model"] == "gpt-4"
    assert answer["choices"] == [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "Paris", "refusal": None, "annotations": []},
            "logprobs": None,
            "finish_reason": "stop",
        }
    ]


def test_usage_is_complete_and_follows_the_token_rule(openai: httpx.Client) -> None:
    assert ask(openai).json()["usage"] == {
        "prompt_tokens": (3 + 4) + (8 + 4),
        "completion_tokens": 2,
        "total_tokens": 21,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0, "cache_write_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": 0,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def test_the_headers_are_those_of_the_api(openai: httpx.Client) -> None:
    first, second = ask(openai).headers, ask(openai).headers
    assert first["x-request-id"].startswith("req_")
    assert first["x-request-id"] != second["x-request-id"]
    assert first["openai-version"] == "2020-10-01"
    assert int(first["openai-processing-ms"]) < 1000


def test_text_parts_count_as_text(openai: httpx.Client) -> None:
    parts = [
        {"type": "text", "text": "What is the capital"},
        {"type": "image_url", "image_url": {"url": "data:,"}},
        {"type": "text", "text": "of France?"},
    ]
    assert ask(openai, messages=user(parts)).json()["choices"][0]["message"]["content"] == "Paris"


def test_an_answer_stops_at_max_tokens_and_at_a_stop_sequence(openai: httpx.Client) -> None:
    cut = ask(openai, max_completion_tokens=1).json()
    assert cut["choices"][0]["message"]["content"] == "Pari"
    assert cut["choices"][0]["finish_reason"] == "length"
    assert cut["usage"]["completion_tokens"] == 1
    stopped = ask(openai, stop="ri").json()
    assert stopped["choices"][0]["message"]["content"] == "Pa"
    assert stopped["choices"][0]["finish_reason"] == "stop"


def test_json_mode_gives_an_object(openai: httpx.Client) -> None:
    messages = user("Answer in JSON.\nWhat is the capital of France?")
    answer = ask(openai, messages=messages, response_format={"type": "json_object"}).json()
    assert json.loads(answer["choices"][0]["message"]["content"]) == {"answer": "Paris"}


@pytest.mark.parametrize(
    ("choice", "words", "called", "finish_reason"),
    [
        ("required", "", True, "tool_calls"),
        ({"type": "function", "function": {"name": "look_up"}}, "", True, "stop"),
        ("auto", "Use look_up.", True, "tool_calls"),
        ("auto", "Use look_up_all.", False, "stop"),
        ("none", "Use look_up.", False, "stop"),
        (..., "Use look_up.", True, "tool_calls"),
    ],
)
def test_a_tool_is_called_that_must_be_or_that_the_user_names(
    openai: httpx.Client, choice: object, words: str, called: bool, finish_reason: str
) -> None:
    messages = user(f"{words}\nWhat is the capital of France?")
    said = ask(openai, messages=messages, tools=[TOOL], tool_choice=choice).json()["choices"][0]
    assert said["finish_reason"] == finish_reason
    assert ("tool_calls" in said["message"], said["message"]["content"]) == (called, None if called else "Paris")
    if called:
        (call,) = said["message"]["tool_calls"]
        assert call["function"] == {"name": "look_up", "arguments": '{"answer": "Paris"}'}
        result = [*messages, said["message"], {"role": "tool", "tool_call_id": call["id"], "content": "Use look_up."}]
        answer = ask(openai, messages=result, tools=[TOOL]).json()["choices"][0]["message"]
        assert answer["content"], "what a tool says calls none"


@pytest.mark.parametrize(
    ("changes", "param", "code", "message"),
    [
        ({"model": ...}, None, None, "you must provide a model parameter"),
        (
            {"messages": ...},
            "messages",
            "missing_required_parameter",
            "Missing required parameter: 'messages'.",
        ),
        (
            {"messages": []},
            "messages",
            "empty_array",
            (
                "Invalid 'messages': empty array. Expected an array with minimum length 1, "
                "but got an empty array instead."
            ),
        ),
        (
            {"messages": "hello"},
            "messages",
            "invalid_type",
            "Invalid type for 'messages': expected an array of objects, but got a string instead.",
        ),
        (
            {"messages": user(5)},
            "messages[0].content",
            "invalid_type",
            (
                "Invalid type for 'messages[0].content': expected one of a string or array of "
                "objects, but got an integer instead."
            ),
        ),
        (
            {"messages": [{"role": "boss", "content": "x"}]},
            "messages[0].role",
            "invalid_value",
            (
                "Invalid value: 'boss'. Supported values are: 'system', 'assistant', 'user', 'function', "
                "'tool', and 'developer'."
            ),
        ),
        (
            {"messages": user(None)},
            "messages.[0].content",
            None,
            "Invalid value for 'content': expected a string, got null.",
        ),
        (
            {"messages": user([{"type": "text"}])},
            "messages[0].content[0].text",
            "missing_required_parameter",
            "Missing required parameter: 'messages[0].content[0].text'.",
        ),
        (
            {"max_tokens": 0},
            "max_tokens",
            "integer_below_min_value",
            "Invalid 'max_tokens': integer below minimum value. Expected a value >= 1, but got 0 instead.",
        ),
        (
            {"temperature": 2.5},
            "temperature",
            "decimal_above_max_value",
            "Invalid 'temperature': decimal above maximum value. Expected a value <= 2, but got 2.5 instead.",
        ),
        (
            {"max_tokens": "9"},
            "max_tokens",
            "invalid_type",
            "Invalid type for 'max_tokens': expected an integer, but got a string instead.",
        ),
        ({"top_k": 3}, None, None, "Unrecognized request argument supplied: top_k"),
        (
            {"stream_options": {"include_usage": True}},
            "stream_options",
            None,
            "The 'stream_options' parameter is only allowed when 'stream' is enabled.",
        ),
        (
            {"top_logprobs": 2},
            "top_logprobs",
            None,
            "The 'top_logprobs' parameter is only allowed when 'logprobs' is enabled.",
        ),
        (
            {"logprobs": True, "top_logprobs": 21},
            "top_logprobs",
            "integer_above_max_value",
            "Invalid 'top_logprobs': integer above maximum value. Expected a value <= 20, but got 21 instead.",
        ),
        (
            {"tool_choice": "required"},
            "tool_choice",
            None,
            "'tool_choice' is only allowed when 'tools' are specified.",
        ),
        (
            {"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "other"}}},
            "tool_choice",
            None,
            "Tool choice 'other' not found in 'tools' parameter.",
        ),
        (
            {"tools": [{"type": "function", "function": {**TOOL["function"], "strict": True}}]},
            "tools",
            "invalid_function_parameters",
            (
                "Invalid schema for function 'look_up': In context=(), 'additionalProperties' is required to be "
                "supplied and to be false."
            ),
        ),
        ({"n": 2}, "n", "unsupported_value", "Unsupported value: this value of 'n' is not emulated."),
        (
            {"response_format": {"type": "json_object"}},
            "messages",
            None,
            ("'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'."),
        ),
        (
            {"response_format": {"type": "json_schema"}},
            "response_format.json_schema",
            "missing_required_parameter",
            "Missing required parameter: 'response_format.json_schema'.",
        ),
    ],
)
def test_a_bad_request_is_refused_in_the_words_of_the_api(
    openai: httpx.Client, changes: dict[str, Any], param: str | None, code: str | None, message: str
) -> None:
    answer = ask(openai, **changes)
    assert answer.status_code == 400
    expected = {"message": message, "type": "invalid_request_error", "param": param, "code": code}
    assert answer.json() == {"error": expected}


@pytest.mark.parametrize("name", ["gpt-2", "claude-haiku-4-5"])
def test_a_model_of_no_or_another_provider_is_not_found(openai: httpx.Client, name: str) -> None:
    answer = ask(openai, model=name)
    assert answer.status_code == 404
    assert answer.json()["error"] == {
        "message": f"The model `{name}` does not exist or you do not have access to it.",
        "type": "invalid_request_error",
        "param": None,
        "code": "model_not_found",
    }


@pytest.mark.parametrize("body", [b"{", b"", b'{"a": NaN}', b'{"a": 1e999}', b'"\\ud800"', b"\xff", b"[" * 100_000])
def test_what_is_not_json_is_refused(openai: httpx.Client, body: bytes) -> None:
    answer = openai.post(URL, content=body)
    assert answer.status_code == 400
    assert answer.json()["error"]["message"].startswith("We could not parse the JSON body of your request.")


def test_no_key_is_refused(openai: httpx.Client) -> None:
    answer = openai.post(URL, json=ASK, headers={"authorization": ""})
    assert answer.status_code == 401
    assert answer.json()["error"]["message"].startswith("You didn't provide an API key.")


def test_a_body_over_64_mib_is_refused_whether_or_not_it_says_its_length(openai: httpx.Client) -> None:
    def pieces() -> Iterator[bytes]:
        yield from (b" " * 1024 * 1024 for _ in range(65))

    for headers in ({}, {"content-length": str(65 * 1024 * 1024)}):
        answer = openai.post(URL, content=pieces(), headers=headers)
        assert answer.status_code == 413
        assert answer.json()["error"]["type"] == "invalid_request_error"


def test_the_models_are_listed(openai: httpx.Client) -> None:
    listed = openai.get("/v1/models").json()
    assert [model["id"] for model in listed["data"]] == ["gpt-6-luna", "gpt-5.4-mini", "gpt-6-sol", "gpt-4"]
    assert openai.get("/v1/models", headers={"authorization": ""}).status_code == 401


def test_an_unknown_path_is_refused_in_the_words_of_the_api(openai: httpx.Client) -> None:
    answer = openai.post("/v1/nothing")
    assert answer.status_code == 404
    assert answer.json()["error"]["message"] == "Invalid URL (POST /v1/nothing)"
