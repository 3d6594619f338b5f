"""The official `openai` SDK against the emulator; in strict mode, in which it validates all that it is sent."""

from __future__ import annotations

import asyncio
import json
import math
import time
from collections.abc import Iterator
from typing import Any, Literal

import openai
import pytest
from openai import AsyncOpenAI, OpenAI, Stream
from openai.types.chat import ChatCompletionChunk, ChatCompletionMessageParam
from pydantic import BaseModel

from emulator import EmulatorProcess
from tests.conformance.conftest import Backstage

MODEL = "gpt-4"
QUESTION = "What is the capital of France?"
ASKED: list[ChatCompletionMessageParam] = [{"role": "user", "content": QUESTION}]


class Reply(BaseModel):
    """What structured answers look like."""

    answer: str
    confidence: float
    language: Literal["en", "fr"]


class LookUp(BaseModel):
    """A tool's arguments."""

    answer: str


@pytest.fixture
def client(emulator: EmulatorProcess) -> Iterator[OpenAI]:
    """The SDK as it comes; only its address and its key are ours."""
    with OpenAI(base_url=f"{emulator.url}/v1", api_key="sk-test", _strict_response_validation=True) as opened:
        yield opened


@pytest.fixture
def hasty(emulator: EmulatorProcess) -> Iterator[OpenAI]:
    """One that does not try again; not a copy of the other, as copies are not strict."""
    with OpenAI(
        base_url=f"{emulator.url}/v1", api_key="sk-test", max_retries=0, _strict_response_validation=True
    ) as opened:
        yield opened


def open_stream(client: OpenAI) -> Stream[ChatCompletionChunk]:
    return client.chat.completions.create(
        model=MODEL, messages=ASKED, stream=True, stream_options={"include_usage": True}
    )


def test_a_plain_question(client: OpenAI, backstage: Backstage) -> None:
    answer = client.chat.completions.create(model=MODEL, messages=ASKED)
    assert answer.choices[0].message.content == "Paris"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.model == MODEL
    assert answer._request_id == backstage.rows()[0]["request_id"]  # noqa: SLF001  the SDK's documented name


def test_the_async_client(emulator: EmulatorProcess) -> None:
    async def ask() -> tuple[str | None, str]:
        async with AsyncOpenAI(base_url=f"{emulator.url}/v1", api_key="sk-test") as client:
            answer = await client.chat.completions.create(model=MODEL, messages=ASKED)
            chunks = await client.chat.completions.create(model=MODEL, messages=ASKED, stream=True)
            streamed = [chunk.choices[0].delta.content or "" async for chunk in chunks]
            return answer.choices[0].message.content, "".join(streamed)

    assert asyncio.run(ask()) == ("Paris", "Paris")


def test_usage_is_what_the_bill_says(client: OpenAI, backstage: Backstage) -> None:
    usage = client.chat.completions.create(model=MODEL, messages=ASKED).usage
    assert usage is not None
    (row,) = backstage.rows()
    assert (usage.prompt_tokens, usage.completion_tokens) == (row["input_tokens"], row["output_tokens"])
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
    assert usage.prompt_tokens_details is not None
    assert usage.prompt_tokens_details.cached_tokens == 0


def test_a_conversation_of_several_turns(client: OpenAI) -> None:
    turns: list[ChatCompletionMessageParam] = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hello."},
        {"role": "assistant", "content": "Hello! What can I do for you?"},
        {"role": "user", "content": [{"type": "text", "text": QUESTION}]},
    ]
    answer = client.chat.completions.create(model=MODEL, messages=turns)
    assert answer.choices[0].message.content == "Paris"


def test_sampling_parameters_and_stop(client: OpenAI) -> None:
    answer = client.chat.completions.create(
        model=MODEL, messages=ASKED, temperature=0.2, top_p=0.9, seed=7, stop=["ri"], user="someone"
    )
    assert answer.choices[0].message.content == "Pa"


def test_structured_output(client: OpenAI) -> None:
    answer = client.chat.completions.parse(model=MODEL, messages=ASKED, response_format=Reply)
    parsed = answer.choices[0].message.parsed
    assert parsed is not None
    assert parsed.answer == "Paris"
    assert 0 <= parsed.confidence <= 1


def test_structured_output_that_is_cut_short(client: OpenAI) -> None:
    with pytest.raises(openai.LengthFinishReasonError):
        client.chat.completions.parse(model=MODEL, messages=ASKED, response_format=Reply, max_completion_tokens=3)


def test_structured_output_that_a_filter_takes_away(client: OpenAI, backstage: Backstage) -> None:
    backstage.set_faults({"kind": "safety_block"})
    with pytest.raises(openai.ContentFilterFinishReasonError):
        client.chat.completions.parse(model=MODEL, messages=ASKED, response_format=Reply)


def test_a_refusal(client: OpenAI, backstage: Backstage) -> None:
    backstage.set_faults({"kind": "refusal"})
    message = client.chat.completions.parse(model=MODEL, messages=ASKED, response_format=Reply).choices[0].message
    assert (message.content, message.parsed) == (None, None)
    assert message.refusal is not None
    with client.chat.completions.stream(model=MODEL, messages=ASKED, response_format=Reply) as stream:
        streamed = stream.get_final_completion().choices[0].message
    assert streamed.refusal == message.refusal


def test_a_truncated_answer(client: OpenAI) -> None:
    answer = client.chat.completions.create(model=MODEL, messages=ASKED, max_completion_tokens=1)
    assert (answer.choices[0].message.content, answer.choices[0].finish_reason) == ("Pari", "length")


def test_a_stream_and_its_usage(client: OpenAI, backstage: Backstage) -> None:
    chunks = list(open_stream(client))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == "Paris"
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices] == [None, None, None, "stop"]
    last = chunks[-1]
    assert (last.choices, last.usage is not None) == ([], True)
    assert backstage.outcomes() == ["ok"]


def test_the_streaming_helper_with_structured_output(client: OpenAI) -> None:
    with client.chat.completions.stream(model=MODEL, messages=ASKED, response_format=Reply) as stream:
        kinds = {event.type for event in stream}
        parsed = stream.get_final_completion().choices[0].message.parsed
    assert {"chunk", "content.delta", "content.done"} <= kinds
    assert parsed is not None
    assert parsed.answer == "Paris"


def test_a_tool_that_must_be_called(client: OpenAI) -> None:
    tool = openai.pydantic_function_tool(LookUp, name="look_up")
    choice: Any = {"type": "function", "function": {"name": "look_up"}}
    answer = client.chat.completions.parse(model=MODEL, messages=ASKED, tools=[tool], tool_choice=choice)
    calls = answer.choices[0].message.tool_calls
    assert calls is not None
    (call,) = calls
    assert call.function.parsed_arguments == LookUp(answer="Paris")


def test_a_tool_that_is_chosen_and_answered(client: OpenAI) -> None:
    tool = openai.pydantic_function_tool(LookUp, name="look_up")
    turns: list[Any] = [{"role": "user", "content": f"Use look_up: {QUESTION}"}]
    first = client.chat.completions.create(model=MODEL, messages=turns, tools=[tool]).choices[0]
    assert first.finish_reason == "tool_calls"
    calls = first.message.tool_calls
    assert calls is not None
    (call,) = calls
    turns += [first.message, {"role": "tool", "tool_call_id": call.id, "content": "It is Paris."}]
    second = client.chat.completions.create(model=MODEL, messages=turns, tools=[tool])
    assert second.choices[0].finish_reason == "stop"
    assert second.choices[0].message.content


def test_a_tool_call_in_a_stream(client: OpenAI) -> None:
    tool = openai.pydantic_function_tool(LookUp, name="look_up")
    with client.chat.completions.stream(model=MODEL, messages=ASKED, tools=[tool], tool_choice="required") as stream:
        kinds = {event.type for event in stream}
        calls = stream.get_final_completion().choices[0].message.tool_calls
    assert "tool_calls.function.arguments.done" in kinds
    assert calls is not None
    (call,) = calls
    assert call.function.parsed_arguments == LookUp(answer="Paris")


def test_log_probabilities(client: OpenAI) -> None:
    answer = client.chat.completions.create(model=MODEL, messages=ASKED, logprobs=True, top_logprobs=2)
    told = answer.choices[0].logprobs
    assert told is not None
    assert "".join(token.token for token in told.content or ()) == "Paris"
    assert all(0 < math.exp(token.logprob) <= 1 and len(token.top_logprobs) == 2 for token in told.content or ())


def test_the_models_are_listed(client: OpenAI) -> None:
    assert MODEL in [model.id for model in client.models.list()]


def test_the_raw_answer_has_the_headers_of_the_api(client: OpenAI) -> None:
    raw = client.chat.completions.with_raw_response.create(model=MODEL, messages=ASKED)
    assert raw.headers["x-request-id"].startswith("req_")
    assert raw.parse().choices[0].message.content == "Paris"


ERRORS: dict[int, type[openai.APIStatusError]] = {
    400: openai.BadRequestError,
    401: openai.AuthenticationError,
    403: openai.PermissionDeniedError,
    404: openai.NotFoundError,
    409: openai.ConflictError,
    429: openai.RateLimitError,
    500: openai.InternalServerError,
    503: openai.InternalServerError,
    529: openai.InternalServerError,
}


@pytest.mark.parametrize("status", ERRORS)
@pytest.mark.parametrize("stream", [False, True])
def test_a_status_is_the_sdks_own_error(hasty: OpenAI, backstage: Backstage, status: int, stream: bool) -> None:
    backstage.set_faults({"kind": "status", "status": status})
    with pytest.raises(ERRORS[status]) as caught:
        hasty.chat.completions.create(model=MODEL, messages=ASKED, stream=stream)
    assert type(caught.value) is ERRORS[status]
    assert caught.value.status_code == status
    assert caught.value.request_id == backstage.rows()[0]["request_id"]
    assert isinstance(caught.value.body, dict)
    assert caught.value.body.keys() == {"message", "type", "param", "code"}


def test_a_request_that_is_wrong_by_itself(hasty: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        hasty.chat.completions.create(model=MODEL, messages=[])
    assert (caught.value.param, caught.value.code) == ("messages", "empty_array")
    with pytest.raises(openai.NotFoundError) as unknown:
        hasty.chat.completions.create(model="gpt-2", messages=ASKED)
    assert unknown.value.code == "model_not_found"


@pytest.mark.parametrize("stream", [False, True])
def test_retry_after_is_honoured_by_the_sdks_own_retry(client: OpenAI, backstage: Backstage, stream: bool) -> None:
    backstage.set_faults({"kind": "status", "status": 429, "retry_after": 1.1, "times": 1})
    started = time.monotonic()
    answer = client.chat.completions.create(model=MODEL, messages=ASKED, stream=stream)
    waited = time.monotonic() - started
    assert len(list(answer)) > 2
    assert backstage.outcomes() == ["status_429", "ok"]
    assert 1.1 <= waited < 6, "of itself it would wait for half a second"


def test_a_server_error_is_tried_again_twice_and_no_more(client: OpenAI, backstage: Backstage) -> None:
    backstage.set_faults({"kind": "status", "status": 500, "retry_after": 0.01})
    with pytest.raises(openai.InternalServerError):
        client.chat.completions.create(model=MODEL, messages=ASKED)
    assert backstage.outcomes() == ["status_500"] * 3


def test_a_quota_that_is_used_up_has_its_code(hasty: OpenAI, backstage: Backstage) -> None:
    backstage.set_faults({"kind": "quota"})
    with pytest.raises(openai.RateLimitError) as caught:
        hasty.chat.completions.create(model=MODEL, messages=ASKED)
    assert caught.value.code == "insufficient_quota"


def test_a_lost_connection_and_silence(hasty: OpenAI, backstage: Backstage) -> None:
    backstage.set_faults({"kind": "drop"})
    with pytest.raises(openai.APIConnectionError):
        hasty.chat.completions.create(model=MODEL, messages=ASKED)
    backstage.set_faults({"kind": "hang", "seconds": 60})
    with pytest.raises(openai.APITimeoutError):
        hasty.with_options(timeout=0.2).chat.completions.create(model=MODEL, messages=ASKED)


def test_a_stream_that_breaks_off(hasty: OpenAI, backstage: Backstage) -> None:
    backstage.set_faults({"kind": "stream_drop"})
    with pytest.raises(openai.APIConnectionError):
        list(open_stream(hasty))
    backstage.set_faults({"kind": "stream_error_event"})
    with pytest.raises(openai.APIError, match="overloaded"):
        list(open_stream(hasty))
    backstage.set_faults({"kind": "error_in_200"})
    with pytest.raises(openai.APIError, match="Bad gateway"):
        list(open_stream(hasty))
    backstage.set_faults({"kind": "malformed"})
    with pytest.raises(json.JSONDecodeError):
        list(open_stream(hasty))


def test_a_stream_that_is_cut_looks_complete_to_the_sdk(hasty: OpenAI, backstage: Backstage) -> None:
    backstage.set_faults({"kind": "stream_cut"})
    chunks = list(open_stream(hasty))
    assert [chunk.choices[0].finish_reason for chunk in chunks] == [None, None]
    assert backstage.outcomes() == ["stream_cut"]


def test_usage_of_the_wrong_type_is_found_in_strict_mode(client: OpenAI, backstage: Backstage) -> None:
    backstage.set_faults({"kind": "wrong_usage"})
    with pytest.raises(openai.APIResponseValidationError):
        client.chat.completions.create(model=MODEL, messages=ASKED)


def test_a_stream_that_is_closed_early(client: OpenAI, backstage: Backstage) -> None:
    backstage.set_faults({"kind": "endless_stream"})
    with open_stream(client) as stream:
        assert [next(stream).object for _ in range(3)] == ["chat.completion.chunk"] * 3
    while not backstage.rows():
        continue
    assert backstage.outcomes() == ["client_gone"]
