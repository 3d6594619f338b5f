"""The adapters against LLMock (MIT, by Julien Rabault), which mocks ten providers and breaks them on demand."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from mirepoix.config import Api
from mirepoix.errors import ProviderError
from mirepoix.states import ErrorKind
from tasks.providers.base import ToolCall
from tests.conformance.foreign import WEATHER, ask, running

PATHS = {Api.OPENAI: "/v1", Api.ANTHROPIC: "/anthropic/v1", Api.GEMINI: "/gemini/v1beta"}
MODELS = {Api.OPENAI: "gpt-4o", Api.ANTHROPIC: "claude-sonnet-4-5", Api.GEMINI: "gemini-2.5-pro"}
APIS = list(PATHS)
TEXT = "The sky scatters blue light more than red — «Rayleigh», 青.\n\nThat is all."


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with running("llmock", health="/_llmock/scenario") as url:
        yield url


@pytest.fixture(autouse=True)
def forget(server: str) -> None:
    httpx.post(f"{server}/_llmock/reset", trust_env=False).raise_for_status()


def script(server: str, *behaviors: dict[str, Any]) -> None:
    answer = httpx.post(f"{server}/_llmock/scenario", json={"behaviors": behaviors}, trust_env=False)
    assert answer.status_code == 201, answer.text


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("api", APIS)
def test_the_text_and_its_count_come_back(server: str, api: Api, stream: bool) -> None:
    script(server, {"type": "reply", "text": TEXT})
    completion, pieces = ask(server + PATHS[api], api, stream=stream, model=MODELS[api])
    assert completion.answer == TEXT
    assert pieces == (TEXT if stream else "")
    assert completion.finish_reason in ("stop", "end_turn", "STOP")
    assert completion.usage.input > 0
    assert completion.usage.output > 0
    assert not completion.usage.estimated, "the usage of a stream was not asked for, or not read"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("api", APIS)
def test_a_tool_is_asked_for(server: str, api: Api, stream: bool) -> None:
    script(server, {"type": "reply", "tool_calls": [{"name": "get_weather", "arguments": {"city": "Łódź"}}]})
    completion, _ = ask(server + PATHS[api], api, stream=stream, model=MODELS[api], tools=(WEATHER,))
    (call,) = completion.tool_calls
    assert (call.name, call.arguments) == ("get_weather", {"city": "Łódź"})
    assert isinstance(completion.answer, dict)
    assert completion.answer["tool_calls"] == [{"id": call.id, "name": call.name, "arguments": call.arguments}]


@pytest.mark.parametrize("stream", [False, True])
def test_broken_arguments_of_a_tool_stay_what_they_are(server: str, stream: bool) -> None:
    script(server, {"type": "tool_fault", "kind": "malformed_arguments"})
    completion, _ = ask(server + PATHS[Api.OPENAI], Api.OPENAI, stream=stream, tools=(WEATHER,))
    (call,) = completion.tool_calls
    assert isinstance(call, ToolCall)
    assert isinstance(call.arguments, str)


@pytest.mark.parametrize("api", [Api.OPENAI, Api.GEMINI])  # LLMock knows no output_config of Anthropic's
def test_an_answer_fits_the_schema_that_was_sent(server: str, api: Api) -> None:
    schema = {"type": "object", "properties": {"total": {"type": "integer"}}, "required": ["total"]}
    completion, _ = ask(server + PATHS[api], api, model=MODELS[api], schema=schema)
    assert isinstance(completion.answer, str)
    assert completion.answer.startswith('{"total":')


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize(
    ("status", "kind", "retryable"),
    [
        (400, ErrorKind.BAD_REQUEST, False),
        (401, ErrorKind.AUTH, False),
        (403, ErrorKind.AUTH, False),
        (404, ErrorKind.NOT_FOUND, False),
        (429, ErrorKind.RATE_LIMITED, True),
        (500, ErrorKind.OVERLOADED, True),
        (503, ErrorKind.OVERLOADED, True),
        (529, ErrorKind.OVERLOADED, True),
    ],
)
def test_each_status_has_its_kind(
    server: str, api: Api, stream: bool, status: int, kind: ErrorKind, retryable: bool
) -> None:
    script(server, {"type": "fail", "status": status, "retry_after": 3})
    with pytest.raises(ProviderError) as caught:
        ask(server + PATHS[api], api, stream=stream, model=MODELS[api])
    assert (caught.value.kind, caught.value.retryable, caught.value.status) == (kind, retryable, status)
    assert caught.value.wait == (3 if retryable else None)


def test_no_money_is_not_waited_for(server: str) -> None:
    script(server, {"type": "fail", "status": 429, "code": "insufficient_quota"})
    with pytest.raises(ProviderError) as caught:
        ask(server + PATHS[Api.OPENAI], Api.OPENAI)
    assert (caught.value.kind, caught.value.retryable) == (ErrorKind.QUOTA, False)


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("disconnect", ErrorKind.UNKNOWN),
        ("truncate", ErrorKind.BAD_ANSWER),
        ("malformed", ErrorKind.BAD_ANSWER),
        ("stall", ErrorKind.TIMEOUT),
    ],
)
def test_a_broken_stream_is_never_taken_for_an_answer(server: str, api: Api, fault: str, kind: ErrorKind) -> None:
    script(server, {"type": "reply", "text": TEXT}, {"type": "stream_fault", "kind": fault, "after_chunks": 3})
    with pytest.raises(ProviderError) as caught:
        ask(server + PATHS[api], api, stream=True, model=MODELS[api], timeout=0.7)
    assert (caught.value.kind, caught.value.retryable) == (kind, True)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("vendor", "rename"),
    [
        ("mistral/v1", {"max_completion_tokens": "max_tokens", "seed": "random_seed", "stream_options": None}),
        ("groq/openai/v1", {}),
        ("xai/v1", {}),
        ("together/v1", {"max_completion_tokens": "max_tokens"}),
        ("perplexity/v1", {"max_completion_tokens": "max_tokens"}),
    ],
)
def test_others_speak_openai_at_an_address_of_their_own(
    server: str, vendor: str, rename: dict[str, str | None], stream: bool
) -> None:
    script(server, {"type": "reply", "text": TEXT})
    said: dict[str, Any] = {"seed": 7, "top_p": 0.9, "stop": ("END",)}
    completion, _ = ask(f"{server}/{vendor}", Api.OPENAI, stream=stream, rename=rename, **said)
    assert completion.answer == TEXT
    assert completion.usage.output > 0
