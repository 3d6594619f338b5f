"""Batches on the wire: what is sent, and what each line of results means."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mirepoix.errors import ProviderError
from mirepoix.states import ErrorKind
from tasks.batches.custom_ids import attempt_of, custom_id
from tasks.loop import Loop
from tasks.providers.anthropic_batches import AnthropicBatches
from tasks.providers.batches import BatchApi
from tasks.providers.http import Endpoint
from tasks.providers.openai_batches import OpenAIBatches

BATCH = "01M8PKK45ZDNR4KGJASC7ENB4J"
BODY: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "Hello?"}]}
CHAT = {
    "choices": [{"message": {"content": "Hello sk-secret."}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 2},
    "model": "m-1",
}
MESSAGE = {"content": [{"type": "text", "text": "Hello."}], "stop_reason": "end_turn", "model": "m-1"}


@pytest.fixture(scope="module")
def endpoint() -> Endpoint:
    return Endpoint(Loop(), "http://127.0.0.1:1", timeout=1, connect_timeout=1, secret="sk-secret")


@pytest.fixture
def openai(endpoint: Endpoint) -> OpenAIBatches:
    return OpenAIBatches(endpoint, {})


@pytest.fixture
def anthropic(endpoint: Endpoint) -> AnthropicBatches:
    return AnthropicBatches(endpoint, {}, None)


def read(api: BatchApi, line: dict[str, Any]) -> Any:
    given, result = api.read(json.dumps({"custom_id": custom_id(BATCH, 7), **line}).encode() + b"\n")
    assert attempt_of(BATCH, given) == 7
    return api.completion(result, BODY)


def fails(api: BatchApi, line: dict[str, Any]) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        read(api, line)
    return caught.value


@pytest.mark.parametrize(
    "given", ["", "7", BATCH, f"{BATCH}-", f"{BATCH}-x", f"{BATCH}-²", "other-7", f"{BATCH}-{9**40}"]
)
def test_a_custom_id_that_is_not_ours_names_no_attempt(given: str) -> None:
    assert attempt_of(BATCH, given) is None


def test_openai_lines_are_read(openai: OpenAIBatches) -> None:
    answer = read(openai, {"response": {"status_code": 200, "request_id": "r", "body": CHAT}, "error": None})
    assert (answer.answer, answer.usage.input, answer.request_id) == ("Hello ***.", 3, "r")


@pytest.mark.parametrize(
    ("line", "kind", "again"),
    [
        ({"response": None, "error": {"code": "batch_expired", "message": "late"}}, ErrorKind.UNANSWERED, True),
        ({}, ErrorKind.UNANSWERED, True),
        ({"response": {"status_code": 400, "body": {"error": {"message": "no"}}}}, ErrorKind.BAD_REQUEST, False),
        ({"response": {"status_code": 500, "body": {"error": {"message": "oh"}}}}, ErrorKind.OVERLOADED, True),
        ({"response": {"status_code": 200, "body": {"error": {"code": 429}}}}, ErrorKind.RATE_LIMITED, True),
        ({"response": {"status_code": 200, "body": None}}, ErrorKind.BAD_ANSWER, True),
        ({"response": {"status_code": 200, "body": {"choices": []}}}, ErrorKind.BAD_ANSWER, True),
        ({"response": {"status_code": "many"}}, ErrorKind.BAD_ANSWER, True),
    ],
)
def test_openai_lines_without_an_answer_say_why(
    openai: OpenAIBatches, line: dict[str, Any], kind: ErrorKind, again: bool
) -> None:
    error = fails(openai, line)
    assert (error.kind, error.retryable) == (kind, again)


def test_anthropic_lines_are_read(anthropic: AnthropicBatches) -> None:
    answer = read(anthropic, {"result": {"type": "succeeded", "message": MESSAGE}})
    assert (answer.answer, answer.usage.estimated) == ("Hello.", True)


@pytest.mark.parametrize(
    ("result", "kind", "again"),
    [
        ({"type": "expired"}, ErrorKind.UNANSWERED, True),
        ({"type": "canceled"}, ErrorKind.UNANSWERED, True),
        (
            {
                "type": "errored",
                "error": {"type": "error", "error": {"type": "invalid_request_error", "message": "no"}},
            },
            ErrorKind.BAD_REQUEST,
            False,
        ),
        (
            {"type": "errored", "error": {"type": "error", "error": {"type": "overloaded_error", "message": "no"}}},
            ErrorKind.OVERLOADED,
            True,
        ),
        ({"type": "errored", "error": {}}, ErrorKind.BAD_ANSWER, True),
        ({"type": 7}, ErrorKind.BAD_ANSWER, True),
    ],
)
def test_anthropic_lines_without_an_answer_say_why(
    anthropic: AnthropicBatches, result: dict[str, Any], kind: ErrorKind, again: bool
) -> None:
    error = fails(anthropic, {"result": result})
    assert (error.kind, error.retryable) == (kind, again)


@pytest.mark.parametrize("line", [b"", b"no", b"[]", b"\xff", b"[" * 100_000])
def test_a_line_that_is_no_object_is_a_bad_answer(openai: OpenAIBatches, line: bytes) -> None:
    with pytest.raises(ProviderError) as caught:
        openai.read(line)
    assert caught.value.kind is ErrorKind.BAD_ANSWER


def test_requests_stand_on_a_line_each(openai: OpenAIBatches, anthropic: AnthropicBatches) -> None:
    body = {**BODY, "messages": [{"role": "user", "content": "two\nlines"}]}
    for line in (openai.line("id-1", body), anthropic.line("id-1", body)):
        assert line.count(b"\n") == 1
    assert json.loads(anthropic.line("id-1", body)) == {"custom_id": "id-1", "params": body}
