"""OpenAI's format in full: what is sent for each option, and what is made of each kind of answer."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from mirepoix.config import Api
from mirepoix.errors import PipelineError, ProviderError
from mirepoix.prices import Usage
from mirepoix.states import ErrorKind
from tasks.providers.base import File, ToolCall, Turn
from tests.tasks.asking import SCHEMA, TOOL, USED_TOOLS, ask, events, question
from tests.tasks.servers import reply

PNG = File("image/png", data=base64.b64encode(b"\x89PNG").decode(), name="a.png")
PDF = File("application/pdf", data=base64.b64encode(b"%PDF").decode(), name="b.pdf")
TEXT = File("text/plain", data=base64.b64encode("naïve".encode()).decode(), name="c.txt")
USAGE = {"prompt_tokens": 10, "completion_tokens": 3, "total_tokens": 13}
CALLS = [{"id": "c1", "type": "function", "function": {"name": "look_up", "arguments": '{"word": "é"}'}}]


def ok(message: dict[str, Any], finish: str = "stop", usage: dict[str, Any] | None = None, **more: Any) -> bytes:
    return reply(200, {"choices": [{"message": message, "finish_reason": finish, **more}], "usage": usage or USAGE})


def test_a_conversation_with_tools_is_sent_as_it_was() -> None:
    body = ask(ok({"content": "x"}), Api.OPENAI, asked=question(turns=USED_TOOLS)).body
    second = {"id": "c2", "type": "function", "function": {"name": "look_up", "arguments": "no object"}}
    assert body["messages"] == [
        {"role": "user", "content": "Why?"},
        {"role": "assistant", "content": "Let me see.", "tool_calls": [*CALLS, second]},
        {"role": "tool", "tool_call_id": "c1", "content": "found"},
        {"role": "tool", "tool_call_id": "c2", "content": '{"n": 2}'},
    ]


def test_every_option_has_its_place() -> None:
    asked = question(
        turns=(Turn("user", "A"), Turn("assistant", "B"), Turn("user", "C", (PNG, PDF, TEXT))),
        top_p=0.5,
        stop=("X",),
        seed=3,
        tools=(TOOL,),
        tool_choice="look_up",
        schema=SCHEMA,
        logprobs=True,
    )
    body = ask(ok({"content": "x"}), Api.OPENAI, asked=asked).body
    function = {"name": "look_up", "description": "Find it.", "parameters": TOOL.parameters}
    assert body == {
        "model": "the-model",
        "messages": [
            {"role": "user", "content": "A"},
            {"role": "assistant", "content": "B"},
            {
                "role": "user",
                "content": [
                    {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG.data}"}},
                    {
                        "type": "file",
                        "file": {"filename": "b.pdf", "file_data": f"data:application/pdf;base64,{PDF.data}"},
                    },
                    {"type": "text", "text": "c.txt:\n\nnaïve"},
                    {"type": "text", "text": "C"},
                ],
            },
        ],
        "max_completion_tokens": 7,
        "top_p": 0.5,
        "stop": ["X"],
        "seed": 3,
        "logprobs": True,
        "tools": [{"type": "function", "function": function}],
        "tool_choice": {"type": "function", "function": {"name": "look_up"}},
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "answer", "schema": SCHEMA | {"additionalProperties": False}, "strict": True},
        },
    }


def test_a_schema_that_cannot_be_strict_says_so() -> None:
    schema = {"type": "object", "additionalProperties": {"type": "integer"}}
    sent = ask(ok({"content": "{}"}), Api.OPENAI, asked=question(schema=schema)).body["response_format"]["json_schema"]
    assert (sent["strict"], sent["schema"]) == (False, schema)


def test_a_picture_may_be_an_address_and_a_document_may_not() -> None:
    picture = File("image/jpeg", url="https://example.org/a.jpg")
    asked = question(turns=(Turn("user", "?", (picture,)),))
    content = ask(ok({"content": "x"}), Api.OPENAI, asked=asked).body["messages"][0]["content"]
    assert content[0] == {"type": "image_url", "image_url": {"url": "https://example.org/a.jpg"}}
    document = File("application/pdf", url="https://example.org/a.pdf")
    with pytest.raises(PipelineError, match="application/pdf cannot be sent to OpenAI as an address; give its data"):
        ask(ok({"content": "x"}), Api.OPENAI, asked=question(turns=(Turn("user", "?", (document,)),)))


@pytest.mark.parametrize(
    ("usage", "counted"),
    [
        (
            USAGE | {"prompt_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 2}},
            Usage(10, 3, cached=4, cache_write=2),
        ),
        (USAGE | {"completion_tokens_details": {"reasoning_tokens": 2}}, Usage(10, 3, reasoning=2)),
        # xAI: reasoning is not in completion_tokens, which its total gives away
        (USAGE | {"total_tokens": 18, "completion_tokens_details": {"reasoning_tokens": 5}}, Usage(10, 8, reasoning=5)),
        (USAGE | {"prompt_cache_hit_tokens": 6, "prompt_cache_miss_tokens": 4}, Usage(10, 3, cached=6)),  # DeepSeek
        (USAGE | {"num_cached_tokens": 7, "prompt_tokens_details": {"cached_tokens": 0}}, Usage(10, 3, cached=7)),
        (USAGE | {"prompt_tokens_details": {"cached_tokens": 15}}, Usage(15, 3, cached=15)),
        (USAGE | {"queue_time": 0.1, "prompt_tokens_details": None}, Usage(10, 3)),  # Groq
    ],
)
def test_each_servers_counts_are_read(usage: dict[str, Any], counted: Usage) -> None:
    assert ask(ok({"content": "x"}, usage=usage), Api.OPENAI).completion.usage == counted


def test_tools_that_the_model_asks_for_come_back() -> None:
    completion = ask(ok({"content": None, "tool_calls": CALLS}, "tool_calls"), Api.OPENAI).completion
    assert completion.tool_calls == (ToolCall("c1", "look_up", {"word": "é"}),)
    assert completion.answer == {
        "text": "",
        "tool_calls": [{"id": "c1", "name": "look_up", "arguments": {"word": "é"}}],
    }


@pytest.mark.parametrize("arguments", ["", "{", '"text"', "[" * 5000, '{"a":' * 200 + "1" + "}" * 200])
def test_arguments_that_are_no_object_stay_text(arguments: str) -> None:
    calls = [{"id": "c1", "function": {"name": "look_up", "arguments": arguments}}]
    (call,) = ask(ok({"tool_calls": calls}), Api.OPENAI).completion.tool_calls
    assert call.arguments == (arguments or {})


def test_how_sure_the_model_was_is_the_mean_over_its_tokens() -> None:
    tokens = [{"token": "a", "logprob": -0.5}, {"token": "b", "logprob": -1.5}]
    assert ask(ok({"content": "x"}, logprobs={"content": tokens}), Api.OPENAI).completion.logprob == -1.0
    assert ask(ok({"content": "x"}, logprobs={"content": None}), Api.OPENAI).completion.logprob is None


@pytest.mark.parametrize(
    ("message", "finish", "answer", "refused"),
    [
        ({"content": None, "refusal": "I cannot."}, "stop", "I cannot.", True),
        ({"content": "Half"}, "content_filter", "Half", True),
        ({"content": None}, "length", "", False),
        ({"content": [{"type": "thinking", "thinking": []}, {"type": "text", "text": "A"}]}, "stop", "A", False),
    ],
)
def test_kinds_of_ends(message: dict[str, Any], finish: str, answer: str, refused: bool) -> None:
    completion = ask(ok(message, finish), Api.OPENAI).completion
    assert (completion.answer, completion.refused, completion.finish_reason) == (answer, refused, finish)
    assert completion.truncated is (finish == "length")


def test_a_picture_is_not_estimated_by_its_bytes() -> None:
    picture = File("image/png", data=base64.b64encode(b"x" * 30_000).decode())
    answer = reply(200, {"choices": [{"message": {"content": "x"}, "finish_reason": "stop"}]})
    usage = ask(answer, Api.OPENAI, asked=question(turns=(Turn("user", "Why?", (picture,)),))).completion.usage
    assert usage == Usage(1, 1, estimated=True)


def chunk(delta: dict[str, Any], finish: str | None = None, **more: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": finish, **more}]}


STREAM = [
    chunk({"role": "assistant", "content": ""}),
    chunk({"content": "Be"}, logprobs={"content": [{"token": "Be", "logprob": -1}]}),
    chunk({"content": "cause\u2028é."}, logprobs={"content": [{"token": "cause", "logprob": -3}]}),
    chunk({}, "stop"),
    {"choices": [], "usage": USAGE | {"prompt_tokens_details": {"cached_tokens": 4}}},
]


def test_a_stream_is_the_same_answer_in_pieces() -> None:
    asked = ask(events(STREAM, done=True), Api.OPENAI, stream=True)
    assert asked.pieces == ["Be", "cause\u2028é."]
    assert asked.completion.answer == "Because\u2028é."
    assert asked.completion.usage == Usage(10, 3, cached=4)
    assert (asked.completion.finish_reason, asked.completion.logprob) == ("stop", -2)
    assert (asked.body["stream"], asked.body["stream_options"]) == (True, {"include_usage": True})


def test_a_stream_may_end_with_its_line_once_it_said_why() -> None:
    assert ask(events(STREAM), Api.OPENAI, stream=True).completion.answer == "Because\u2028é."


@pytest.mark.parametrize("done", [False, True])
def test_a_stream_without_a_reason_to_end_is_no_answer(done: bool) -> None:
    with pytest.raises(ProviderError, match="ended without a finish_reason") as caught:
        ask(events(STREAM[:3], done=done), Api.OPENAI, stream=True)
    assert (caught.value.kind, caught.value.retryable) == (ErrorKind.BAD_ANSWER, True)


def test_tools_come_in_pieces_too() -> None:
    def call(index: int, **function: str) -> dict[str, Any]:
        return {"index": index, "function": function}

    parts = [
        chunk({"tool_calls": [call(0, name="look_up", arguments="") | {"id": "c1"}]}),
        chunk({"tool_calls": [call(0, arguments='{"wo')]}),
        chunk({"tool_calls": [call(0, arguments='rd": 1}')]}),
        chunk({"tool_calls": [call(1, name="look_up", arguments="{}") | {"id": "c2"}]}, "tool_calls"),
    ]
    completion = ask(events(parts, done=True), Api.OPENAI, stream=True).completion
    assert completion.tool_calls == (ToolCall("c1", "look_up", {"word": 1}), ToolCall("c2", "look_up", {}))


def test_a_server_that_does_not_stream_is_read_all_the_same() -> None:
    asked = ask(ok({"content": "All at once."}), Api.OPENAI, stream=True)
    assert (asked.completion.answer, asked.pieces) == ("All at once.", ["All at once."])


@pytest.mark.parametrize(
    ("error", "kind", "retryable"),
    [
        ({"message": "busy", "code": 502, "metadata": {}}, ErrorKind.OVERLOADED, True),  # OpenRouter
        ({"message": "slow down", "code": 429}, ErrorKind.RATE_LIMITED, True),
        ({"message": "no credit", "code": 402}, ErrorKind.QUOTA, False),
        ({"message": "oops", "type": "server_error", "code": None}, ErrorKind.OVERLOADED, True),
        ({"message": "who knows"}, ErrorKind.BAD_ANSWER, True),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_an_error_may_come_after_a_200(error: dict[str, Any], kind: ErrorKind, retryable: bool, stream: bool) -> None:
    answer = events([*STREAM[:2], {"error": error}]) if stream else reply(200, {"error": error})
    with pytest.raises(ProviderError) as caught:
        ask(answer, Api.OPENAI, stream=stream)
    assert (caught.value.kind, caught.value.retryable) == (kind, retryable)
    assert error["message"] in str(caught.value)


def test_azure_is_asked_by_deployment_or_at_its_newer_address() -> None:
    by_deployment = ask(ok({"content": "x"}), Api.AZURE, api_version="2024-10-21")
    assert by_deployment.first == (
        "POST /openai/deployments/the-model/chat/completions?api-version=2024-10-21 HTTP/1.1"
    )
    assert by_deployment.headers["api-key"] == "sk-secret"
    assert "authorization" not in by_deployment.headers
    assert ask(ok({"content": "x"}), Api.AZURE).first == "POST /openai/v1/chat/completions HTTP/1.1"


def test_azures_filter_declines_a_prompt_with_a_400() -> None:
    error = {"message": "filtered", "code": "content_filter", "innererror": {"code": "ResponsibleAIPolicyViolation"}}
    with pytest.raises(ProviderError) as caught:
        ask(reply(400, {"error": error}), Api.AZURE)
    assert (caught.value.kind, caught.value.retryable) == (ErrorKind.REFUSED, False)


def test_headers_further_fields_and_other_names_reach_the_server() -> None:
    asked = ask(
        events(STREAM, done=True),
        Api.OPENAI,
        stream=True,
        asked=question(seed=1),
        headers={"HTTP-Referer": "https://example.org"},
        extra_body={"provider": {"order": ["groq"]}},
        rename={"max_completion_tokens": "max_tokens", "seed": "random_seed", "stream_options": None},
    )
    assert asked.headers["http-referer"] == "https://example.org"
    assert asked.body["provider"] == {"order": ["groq"]}
    assert (asked.body["max_tokens"], asked.body["random_seed"]) == (7, 1)
    assert not {"max_completion_tokens", "seed", "stream_options"} & asked.body.keys()
