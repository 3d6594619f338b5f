"""Gemini's format in full: what is sent for each option, and what is made of each kind of answer."""

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
from tests.tasks.test_openai_format import PNG

USAGE = {"promptTokenCount": 10, "candidatesTokenCount": 3, "totalTokenCount": 13}


def said(parts: object, finish: str | None = "STOP", **more: Any) -> dict[str, Any]:
    content = {"role": "model"} if parts is None else {"role": "model", "parts": parts}
    ending = {} if finish is None else {"finishReason": finish}
    return {"candidates": [{"content": content, **ending}], "usageMetadata": USAGE, "responseId": "r1"} | more


OK = reply(200, said([{"text": "Because."}]))


def test_a_conversation_with_tools_is_sent_as_it_was() -> None:
    body = ask(OK, Api.GEMINI, asked=question(turns=USED_TOOLS)).body
    calls = [
        {"functionCall": {"name": "look_up", "args": {"word": "é"}}},
        {"functionCall": {"name": "look_up", "args": {"arguments": "no object"}}},
    ]
    given = [
        {"functionResponse": {"name": "look_up", "response": {"result": "found"}}},
        {"functionResponse": {"name": "look_up", "response": {"n": 2}}},
    ]
    assert body["contents"] == [
        {"role": "user", "parts": [{"text": "Why?"}]},
        {"role": "model", "parts": [{"text": "Let me see."}, *calls]},
        {"role": "user", "parts": given},
    ]


def test_every_option_has_its_place() -> None:
    link = File("application/pdf", url="https://example.org/a.pdf")
    asked = question(
        turns=(Turn("user", "A"), Turn("assistant", "B"), Turn("user", "C", (PNG, link))),
        system="S",
        temperature=0.5,
        top_p=0.9,
        seed=3,
        stop=("X",),
        tools=(TOOL,),
        tool_choice="look_up",
        schema=SCHEMA,
        logprobs=True,
    )
    sent = ask(OK, Api.GEMINI, asked=asked)
    assert sent.first == "POST /models/the-model:generateContent HTTP/1.1"
    assert sent.headers["x-goog-api-key"] == "sk-secret"
    function = {"name": "look_up", "description": "Find it.", "parametersJsonSchema": TOOL.parameters}
    assert sent.body == {
        "contents": [
            {"role": "user", "parts": [{"text": "A"}]},
            {"role": "model", "parts": [{"text": "B"}]},
            {
                "role": "user",
                "parts": [
                    {"inlineData": {"mimeType": "image/png", "data": PNG.data}},
                    {"fileData": {"mimeType": "application/pdf", "fileUri": "https://example.org/a.pdf"}},
                    {"text": "C"},
                ],
            },
        ],
        "generationConfig": {
            "maxOutputTokens": 7,
            "temperature": 0.5,
            "topP": 0.9,
            "stopSequences": ["X"],
            "seed": 3,
            "responseLogprobs": True,
            "responseMimeType": "application/json",
            "responseJsonSchema": SCHEMA,
        },
        "systemInstruction": {"parts": [{"text": "S"}]},
        "tools": [{"functionDeclarations": [function]}],
        "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["look_up"]}},
    }


def test_thoughts_are_billed_and_not_shown() -> None:
    usage = USAGE | {"thoughtsTokenCount": 20, "cachedContentTokenCount": 4, "toolUsePromptTokenCount": 2}
    answer = said([{"text": "Hm.", "thought": True}, {"text": "Be"}, {"text": "cause."}], usageMetadata=usage)
    completion = ask(reply(200, answer), Api.GEMINI).completion
    assert completion.answer == "Because."
    assert completion.usage == Usage(12, 23, cached=4, reasoning=20)
    assert (completion.finish_reason, completion.request_id) == ("STOP", "r1")


def test_counts_of_nothing_are_absent() -> None:
    answer = said(None, "MAX_TOKENS", usageMetadata={"promptTokenCount": 10, "thoughtsTokenCount": 7})
    completion = ask(reply(200, answer), Api.GEMINI).completion
    assert (completion.answer, completion.usage) == ("", Usage(10, 7, reasoning=7))
    assert completion.truncated


@pytest.mark.parametrize("reason", ["SAFETY", "RECITATION", "PROHIBITED_CONTENT", "SPII", "BLOCKLIST", "MODEL_ARMOR"])
def test_a_filter_declines_an_answer(reason: str) -> None:
    completion = ask(reply(200, said(None, reason)), Api.GEMINI).completion
    assert (completion.refused, completion.finish_reason) == (True, reason)


@pytest.mark.parametrize("stream", [False, True])
def test_a_filter_declines_a_prompt(stream: bool) -> None:
    blocked = {"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 10}}
    completion = ask(events([blocked]) if stream else reply(200, blocked), Api.GEMINI, stream=stream).completion
    assert (completion.refused, completion.finish_reason, completion.usage) == (True, "SAFETY", Usage(10, 0))


@pytest.mark.parametrize("answer", [{}, {"candidates": []}, said(None), said([]), said([{"text": 7}])])
def test_an_answer_that_says_nothing_is_called_so(answer: dict[str, Any]) -> None:
    with pytest.raises(ProviderError) as caught:
        ask(reply(200, answer), Api.GEMINI)
    assert (caught.value.kind, caught.value.retryable) == (ErrorKind.BAD_ANSWER, True)


def test_tools_that_the_model_asks_for_come_back() -> None:
    call = {"functionCall": {"name": "look_up", "args": {"word": "é"}}}
    completion = ask(reply(200, said([call])), Api.GEMINI).completion
    assert completion.tool_calls == (ToolCall(None, "look_up", {"word": "é"}),)


def test_a_stream_is_the_same_answer_in_pieces() -> None:
    parts = [
        said([{"text": "Hm.", "thought": True}], None, usageMetadata={"promptTokenCount": 10}),
        said([{"text": "Be"}], None),
        said([{"text": "cause."}], None),
        said(None, "STOP", usageMetadata=USAGE | {"candidatesTokenCount": 5}),
    ]
    asked = ask(events(parts), Api.GEMINI, stream=True)
    assert asked.first == "POST /models/the-model:streamGenerateContent?alt=sse HTTP/1.1"
    assert asked.pieces == ["Be", "cause."]
    assert (asked.completion.answer, asked.completion.usage) == ("Because.", Usage(10, 5))
    with pytest.raises(ProviderError, match="ended without a finishReason"):
        ask(events(parts[:3]), Api.GEMINI, stream=True)


def error(status: int, name: str, *details: object, message: str = "m") -> bytes:
    return reply(status, {"error": {"code": status, "message": message, "status": name, "details": list(details)}})


RETRY = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "27.5s"}
A_DAY = {
    "@type": "type.googleapis.com/google.rpc.QuotaFailure",
    "violations": [{"quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier"}],
}
A_MINUTE = {
    "@type": "type.googleapis.com/google.rpc.QuotaFailure",
    "violations": [{"quotaId": "GenerateRequestsPerMinutePerProjectPerModel"}],
}
BAD_KEY = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}


@pytest.mark.parametrize(
    ("answer", "kind", "retryable", "wait"),
    [
        (error(429, "RESOURCE_EXHAUSTED", A_MINUTE, RETRY), ErrorKind.RATE_LIMITED, True, 27.5),
        (error(429, "RESOURCE_EXHAUSTED"), ErrorKind.RATE_LIMITED, True, None),
        (error(429, "RESOURCE_EXHAUSTED", A_DAY, RETRY), ErrorKind.QUOTA, False, None),
        (error(400, "INVALID_ARGUMENT", BAD_KEY), ErrorKind.AUTH, False, None),
        (error(400, "INVALID_ARGUMENT", "text", {"violations": 7}), ErrorKind.BAD_REQUEST, False, None),
        (error(404, "NOT_FOUND"), ErrorKind.NOT_FOUND, False, None),
        (error(503, "UNAVAILABLE"), ErrorKind.OVERLOADED, True, None),
        (error(504, "DEADLINE_EXCEEDED"), ErrorKind.OVERLOADED, True, None),
        (
            reply(429, [{"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "details": [RETRY]}}]),
            ErrorKind.RATE_LIMITED,
            True,
            27.5,
        ),
    ],
)
def test_an_error_says_how_long_to_wait(answer: bytes, kind: ErrorKind, retryable: bool, wait: float | None) -> None:
    with pytest.raises(ProviderError) as caught:
        ask(answer, Api.GEMINI)
    assert (caught.value.kind, caught.value.retryable, caught.value.wait) == (kind, retryable, wait)


def test_an_error_in_the_middle_of_a_stream_is_what_its_code_says() -> None:
    late = {"error": {"code": 503, "message": "busy", "status": "UNAVAILABLE"}}
    with pytest.raises(ProviderError, match="busy") as caught:
        ask(events([said([{"text": "Be"}], None), late]), Api.GEMINI, stream=True)
    assert (caught.value.kind, caught.value.retryable) == (ErrorKind.OVERLOADED, True)
