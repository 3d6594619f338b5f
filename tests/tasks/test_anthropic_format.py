"""Anthropic's format in full: what is sent for each option, and what is made of each kind of answer."""

from __future__ import annotations

from typing import Any

import pytest

from mirepoix.config import Api
from mirepoix.errors import ProviderError
from mirepoix.prices import Usage
from mirepoix.states import ErrorKind
from tasks.providers.base import File, ToolCall, Turn
from tests.tasks.asking import SCHEMA, TOOL, USED_TOOLS, ask, events, question
from tests.tasks.servers import reply
from tests.tasks.test_openai_format import PDF, PNG, TEXT

USAGE = {"input_tokens": 10, "output_tokens": 3}
SAID = {"content": [{"type": "text", "text": "Because."}], "stop_reason": "end_turn", "usage": USAGE}
OK = reply(200, SAID)


def test_a_conversation_with_tools_is_sent_as_it_was() -> None:
    body = ask(OK, Api.ANTHROPIC, asked=question(turns=USED_TOOLS)).body
    uses = [
        {"type": "tool_use", "id": "c1", "name": "look_up", "input": {"word": "é"}},
        {"type": "tool_use", "id": "c2", "name": "look_up", "input": {"arguments": "no object"}},
    ]
    results = [
        {"type": "tool_result", "tool_use_id": "c1", "content": "found"},
        {"type": "tool_result", "tool_use_id": "c2", "content": '{"n": 2}'},
    ]
    assert body["messages"] == [
        {"role": "user", "content": "Why?"},
        {"role": "assistant", "content": [{"type": "text", "text": "Let me see."}, *uses]},
        {"role": "user", "content": results},
    ]


def test_every_option_has_its_place() -> None:
    link = File("application/pdf", url="https://example.org/a.pdf")
    asked = question(
        turns=(Turn("user", "A"), Turn("assistant", "B"), Turn("user", "C", (PNG, PDF, TEXT, link))),
        system="S",
        temperature=0.5,
        top_p=0.5,
        seed=3,
        stop=("X",),
        tools=(TOOL,),
        tool_choice="required",
        schema=SCHEMA | {"properties": {"n": {"type": "integer", "minimum": 0}}},
        logprobs=True,
    )
    body = ask(OK, Api.ANTHROPIC, asked=asked).body
    assert body.pop("messages")[2]["content"] == [
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG.data}},
        {
            "type": "document",
            "source": {"type": "base64", "media_type": "application/pdf", "data": PDF.data},
            "title": "b.pdf",
        },
        {
            "type": "document",
            "source": {"type": "text", "media_type": "text/plain", "data": "naïve"},
            "title": "c.txt",
        },
        {"type": "document", "source": {"type": "url", "url": "https://example.org/a.pdf"}},
        {"type": "text", "text": "C"},
    ]
    told = {"n": {"type": "integer", "description": "(minimum: 0)"}}
    closed = SCHEMA | {"properties": told, "additionalProperties": False}
    assert body == {
        "model": "the-model",
        "max_tokens": 7,
        "system": "S",
        "stop_sequences": ["X"],
        "tools": [{"name": "look_up", "description": "Find it.", "input_schema": TOOL.parameters}],
        "tool_choice": {"type": "any"},
        "output_config": {"format": {"type": "json_schema", "schema": closed}},
    }


def test_an_older_version_takes_sampling() -> None:
    asked = question(temperature=1.5, top_p=0.5)
    sent = ask(OK, Api.ANTHROPIC, asked=asked, api_version="2023-06-01")
    assert sent.headers["anthropic-version"] == "2023-06-01"
    assert (sent.body["temperature"], sent.body["top_p"]) == (1.0, 0.5)


def test_cache_and_thinking_are_counted() -> None:
    usage = USAGE | {
        "cache_creation_input_tokens": 5,
        "cache_read_input_tokens": 4,
        "cache_creation": {"ephemeral_1h_input_tokens": 2, "ephemeral_5m_input_tokens": 3},
        "output_tokens_details": {"thinking_tokens": 1},
    }
    counted = ask(reply(200, SAID | {"usage": usage}), Api.ANTHROPIC).completion.usage
    assert counted == Usage(19, 3, cached=4, cache_write=5, cache_write_1h=2, reasoning=1)


def test_a_refusal_says_why() -> None:
    refused = {"content": [], "stop_reason": "refusal", "stop_details": {"category": "cyber"}, "usage": USAGE}
    completion = ask(reply(200, refused), Api.ANTHROPIC).completion
    assert (completion.refused, completion.answer) == (True, "cyber")


@pytest.mark.parametrize("reason", ["max_tokens", "model_context_window_exceeded"])
def test_an_answer_that_was_cut_off_before_its_text_is_an_answer(reason: str) -> None:
    cut = {"content": [{"type": "thinking", "thinking": "…"}], "stop_reason": reason, "usage": USAGE}
    completion = ask(reply(200, cut), Api.ANTHROPIC).completion
    assert (completion.answer, completion.finish_reason, completion.truncated) == ("", reason, True)


def delta(index: int, kind: str, **said: str) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": {"type": kind, **said}}


def begin(index: int, **block: Any) -> dict[str, Any]:
    return {"type": "content_block_start", "index": index, "content_block": block}


STREAM: list[dict[str, Any]] = [
    {"type": "message_start", "message": {"usage": {"input_tokens": 10, "output_tokens": 1}}},
    begin(0, type="thinking", thinking=""),
    delta(0, "thinking_delta", thinking="Hm."),
    delta(0, "signature_delta", signature="x"),
    {"type": "content_block_stop", "index": 0},
    {"type": "ping"},
    begin(1, type="text", text=""),
    delta(1, "text_delta", text="Be"),
    {"type": "an_event_of_the_future"},
    delta(1, "text_delta", text="cause."),
    begin(2, type="tool_use", id="t1", name="look_up", input={}),
    delta(2, "input_json_delta", partial_json='{"word"'),
    delta(2, "input_json_delta", partial_json=": 1}"),
    {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 30}},
    {"type": "message_stop"},
]


def test_a_stream_is_the_same_answer_in_pieces() -> None:
    asked = ask(events(STREAM), Api.ANTHROPIC, stream=True)
    assert asked.pieces == ["Be", "cause."]
    assert asked.completion.tool_calls == (ToolCall("t1", "look_up", {"word": 1}),)
    assert isinstance(asked.completion.answer, dict)
    assert asked.completion.answer["text"] == "Because."
    assert asked.completion.usage == Usage(10, 30)
    assert asked.completion.finish_reason == "tool_use"


@pytest.mark.parametrize("count", [1, 8, 13, 14])
def test_a_stream_that_was_cut_off_is_no_answer(count: int) -> None:
    with pytest.raises(ProviderError, match="ended without message_stop") as caught:
        ask(events(STREAM[:count]), Api.ANTHROPIC, stream=True)
    assert (caught.value.kind, caught.value.retryable) == (ErrorKind.BAD_ANSWER, True)


@pytest.mark.parametrize(
    "event",
    [delta(7, "text_delta", text="x"), begin(5, type="text"), begin(-1, type="text"), {"type": 7}, {"no": "type"}],
)
def test_events_that_do_not_fit_together_are_called_so(event: dict[str, Any]) -> None:
    with pytest.raises(ProviderError) as caught:
        ask(events([STREAM[0], event, *STREAM[1:]]), Api.ANTHROPIC, stream=True)
    assert caught.value.kind is ErrorKind.BAD_ANSWER


@pytest.mark.parametrize(
    ("kind", "meant"),
    [("overloaded_error", ErrorKind.OVERLOADED), ("rate_limit_error", ErrorKind.RATE_LIMITED)],
)
def test_a_stream_may_break_off_with_an_error(kind: str, meant: ErrorKind) -> None:
    error = {"type": "error", "error": {"type": kind, "message": "sorry"}}
    with pytest.raises(ProviderError, match="sorry") as caught:
        ask(events([*STREAM[:8], error]), Api.ANTHROPIC, stream=True)
    assert (caught.value.kind, caught.value.retryable) == (meant, True)


def test_a_long_answer_is_streamed_though_nobody_listens() -> None:
    asked = ask(events(STREAM), Api.ANTHROPIC, asked=question(max_tokens=21_334))
    assert asked.body["stream"] is True
    assert asked.completion.usage == Usage(10, 30)
    assert "stream" not in ask(OK, Api.ANTHROPIC, asked=question(max_tokens=21_333)).body


def test_a_spent_budget_comes_as_a_plain_400() -> None:
    message = "You have reached your specified API usage limits. You will regain access on 2026-12-01."
    with pytest.raises(ProviderError) as caught:
        ask(reply(400, {"error": {"type": "invalid_request_error", "message": message}}), Api.ANTHROPIC)
    assert (caught.value.kind, caught.value.retryable) == (ErrorKind.QUOTA, False)
