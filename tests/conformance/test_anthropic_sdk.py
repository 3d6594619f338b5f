"""The official `anthropic` SDK against the emulator; in strict mode, in which it validates all that it is sent."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from typing import Any, Literal

import anthropic
import pytest
from anthropic import Anthropic, AsyncAnthropic
from anthropic.types import MessageParam, TextBlock, ToolUseBlock
from pydantic import BaseModel

from emulator import EmulatorProcess
from tests.conformance.conftest import Backstage

MODEL = "claude-opus-5-5"
QUESTION = "What is the capital of France?"
ASKED: list[MessageParam] = [{"role": "user", "content": QUESTION}]
ENOUGH = 200
TOOL: Any = {
    "name": "look_up",
    "description": "Looks it up.",
    "input_schema": {"type": "object", "properties": {"answer": {"type": "string"}}, "required": ["answer"]},
}


class Reply(BaseModel):
    """What structured answers look like."""

    answer: str
    confidence: float
    language: Literal["en", "fr"]


@pytest.fixture
def client(emulator: EmulatorProcess) -> Iterator[Anthropic]:
    """The SDK as it comes; only its address and its key are ours."""
    with Anthropic(base_url=emulator.url, api_key="sk-ant-test", _strict_response_validation=True) as opened:
        yield opened


@pytest.fixture
def hasty(emulator: EmulatorProcess) -> Iterator[Anthropic]:
    """One that does not try again; not a copy of the other, as copies are not strict."""
    with Anthropic(
        base_url=emulator.url, api_key="sk-ant-test", max_retries=0, _strict_response_validation=True
    ) as opened:
        yield opened


def read_stream(client: Anthropic) -> list[Any]:
    return list(client.messages.create(model=MODEL, max_tokens=ENOUGH, messages=ASKED, stream=True))


def test_a_plain_question(client: Anthropic, backstage: Backstage) -> None:
    answer = client.messages.create(model=MODEL, max_tokens=ENOUGH, messages=ASKED)
    (block,) = answer.content
    assert isinstance(block, TextBlock)
    assert (block.text, answer.stop_reason, answer.model) == ("Paris", "end_turn", MODEL)
    assert answer._request_id == backstage.rows()[0]["request_id"]  # noqa: SLF001  the SDK's documented name


def test_the_async_client(emulator: EmulatorProcess) -> None:
    async def ask() -> str:
        async with AsyncAnthropic(base_url=emulator.url, api_key="sk-ant-test") as client:
            await client.messages.create(model=MODEL, max_tokens=ENOUGH, messages=ASKED)
            async with client.messages.stream(model=MODEL, max_tokens=ENOUGH, messages=ASKED) as stream:
                return "".join([text async for text in stream.text_stream])

    assert asyncio.run(ask()) == "Paris"


def test_usage_is_what_the_bill_says(client: Anthropic, backstage: Backstage) -> None:
    usage = client.messages.create(model=MODEL, max_tokens=ENOUGH, messages=ASKED).usage
    (row,) = backstage.rows()
    assert (usage.input_tokens, usage.output_tokens) == (row["input_tokens"], row["output_tokens"])
    assert (usage.cache_creation_input_tokens, usage.cache_read_input_tokens) == (0, 0)


def test_a_conversation_of_several_turns(client: Anthropic) -> None:
    turns: list[MessageParam] = [
        {"role": "user", "content": "Hello."},
        {"role": "assistant", "content": "Hello! What can I do for you?"},
        {"role": "user", "content": [{"type": "text", "text": QUESTION}]},
    ]
    answer = client.messages.create(model=MODEL, max_tokens=ENOUGH, messages=turns, system="Be brief.")
    assert [block.text for block in answer.content if block.type == "text"] == ["Paris"]


def test_a_stop_sequence(client: Anthropic) -> None:
    answer = client.messages.create(model=MODEL, max_tokens=ENOUGH, messages=ASKED, stop_sequences=["ri"])
    assert (answer.stop_reason, answer.stop_sequence) == ("stop_sequence", "ri")


def test_structured_output(client: Anthropic) -> None:
    answer = client.messages.parse(model=MODEL, max_tokens=ENOUGH, messages=ASKED, output_format=Reply)
    assert answer.parsed_output is not None
    assert answer.parsed_output.answer == "Paris"
    assert 0 <= answer.parsed_output.confidence <= 1


def test_structured_output_in_a_stream(client: Anthropic) -> None:
    with client.messages.stream(model=MODEL, max_tokens=ENOUGH, messages=ASKED, output_format=Reply) as stream:
        parsed = stream.get_final_message().parsed_output
    assert parsed is not None
    assert parsed.answer == "Paris"


@pytest.mark.parametrize("kind", ["refusal", "safety_block"])
def test_a_refusal(client: Anthropic, backstage: Backstage, kind: str) -> None:
    backstage.set_faults({"kind": kind})
    answer = client.messages.create(model=MODEL, max_tokens=ENOUGH, messages=ASKED)
    with client.messages.stream(model=MODEL, max_tokens=ENOUGH, messages=ASKED) as stream:
        streamed = stream.get_final_message()
    for message in (answer, streamed):
        assert message.stop_reason == "refusal"
        assert message.stop_details is not None
        assert len(message.content) == (kind == "refusal")


def test_a_truncated_answer(client: Anthropic) -> None:
    answer = client.messages.create(model=MODEL, max_tokens=1, messages=ASKED)
    assert ([block.text for block in answer.content if block.type == "text"], answer.stop_reason) == (
        ["Pari"],
        "max_tokens",
    )


def test_a_stream_of_events(client: Anthropic, backstage: Backstage) -> None:
    events = read_stream(client)
    assert [event.type for event in events] == [
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ], "the SDK keeps the ping to itself"
    assert events[0].message.usage.input_tokens == backstage.rows()[0]["input_tokens"]
    assert events[-2].usage.output_tokens == backstage.rows()[0]["output_tokens"]
    assert backstage.outcomes() == ["ok"]


def test_the_streaming_helper(client: Anthropic) -> None:
    with client.messages.stream(model=MODEL, max_tokens=ENOUGH, messages=ASKED) as stream:
        assert "".join(stream.text_stream) == "Paris"
        message = stream.get_final_message()
    assert (message.stop_reason, message.usage.output_tokens) == ("end_turn", 2)


def test_more_tokens_than_the_sdk_would_wait_for_are_streamed(client: Anthropic) -> None:
    with pytest.raises(ValueError, match="Streaming is required"):
        client.messages.create(model=MODEL, max_tokens=100_000, messages=ASKED)
    with client.messages.stream(model=MODEL, max_tokens=100_000, messages=ASKED) as stream:
        assert stream.get_final_text() == "Paris"


def test_a_tool_that_must_be_called(client: Anthropic) -> None:
    choice: Any = {"type": "tool", "name": "look_up"}
    asked: dict[str, Any] = {"model": MODEL, "max_tokens": ENOUGH, "messages": ASKED, "tools": [TOOL]}
    answer = client.messages.create(**asked, tool_choice=choice)
    with client.messages.stream(**asked, tool_choice=choice) as stream:
        streamed = stream.get_final_message()
    for message in (answer, streamed):
        (block,) = message.content
        assert isinstance(block, ToolUseBlock)
        assert (block.name, block.input, message.stop_reason) == ("look_up", {"answer": "Paris"}, "tool_use")


def test_a_tool_that_is_chosen_and_answered(client: Anthropic) -> None:
    turns: list[Any] = [{"role": "user", "content": f"Use look_up: {QUESTION}"}]
    first = client.messages.create(model=MODEL, max_tokens=ENOUGH, messages=turns, tools=[TOOL])
    assert first.stop_reason == "tool_use"
    (block,) = first.content
    assert isinstance(block, ToolUseBlock)
    result = {"type": "tool_result", "tool_use_id": block.id, "content": "It is Paris. Use look_up no more."}
    turns += [{"role": "assistant", "content": first.content}, {"role": "user", "content": [result]}]
    second = client.messages.create(model=MODEL, max_tokens=ENOUGH, messages=turns, tools=[TOOL])
    assert second.stop_reason == "end_turn"


def test_sampling_parameters_are_refused_under_the_version_that_the_sdk_sends(hasty: Anthropic) -> None:
    with pytest.raises(anthropic.BadRequestError, match="temperature: Extra inputs are not permitted"):
        hasty.messages.create(model=MODEL, max_tokens=ENOUGH, messages=ASKED, extra_body={"temperature": 0.5})


def test_the_raw_answer_has_the_headers_of_the_api(client: Anthropic) -> None:
    raw = client.messages.with_raw_response.create(model=MODEL, max_tokens=ENOUGH, messages=ASKED)
    assert raw.headers["request-id"].startswith("req_")
    assert raw.headers["anthropic-organization-id"]


ERRORS: dict[int, type[anthropic.APIStatusError]] = {
    400: anthropic.BadRequestError,
    401: anthropic.AuthenticationError,
    403: anthropic.PermissionDeniedError,
    404: anthropic.NotFoundError,
    409: anthropic.ConflictError,
    413: anthropic.ContentTooLargeError,
    429: anthropic.RateLimitError,
    500: anthropic.InternalServerError,
    503: anthropic.ServiceUnavailableError,
    504: anthropic.GatewayTimeoutError,
    529: anthropic.OverloadedError,
}


@pytest.mark.parametrize("status", ERRORS)
@pytest.mark.parametrize("stream", [False, True])
def test_a_status_is_the_sdks_own_error(hasty: Anthropic, backstage: Backstage, status: int, stream: bool) -> None:
    backstage.set_faults({"kind": "status", "status": status})
    with pytest.raises(ERRORS[status]) as caught:
        hasty.messages.create(model=MODEL, max_tokens=ENOUGH, messages=ASKED, stream=stream)
    assert type(caught.value) is ERRORS[status]
    assert caught.value.status_code == status
    assert caught.value.request_id == backstage.rows()[0]["request_id"]
    assert isinstance(caught.value.body, dict)
    assert caught.value.body.keys() == {"type", "error", "request_id"}


def test_a_request_that_is_wrong_by_itself(hasty: Anthropic) -> None:
    with pytest.raises(anthropic.BadRequestError, match="at least one message is required"):
        hasty.messages.create(model=MODEL, max_tokens=ENOUGH, messages=[])
    with pytest.raises(anthropic.NotFoundError, match="model: claude-2"):
        hasty.messages.create(model="claude-2", max_tokens=ENOUGH, messages=ASKED)


@pytest.mark.parametrize("stream", [False, True])
def test_retry_after_is_honoured_by_the_sdks_own_retry(client: Anthropic, backstage: Backstage, stream: bool) -> None:
    backstage.set_faults({"kind": "status", "status": 429, "retry_after": 1, "times": 1})
    started = time.monotonic()
    answer = client.messages.create(model=MODEL, max_tokens=ENOUGH, messages=ASKED, stream=stream)
    waited = time.monotonic() - started
    assert len(list(answer)) > 2
    assert backstage.outcomes() == ["status_429", "ok"]
    assert 1 <= waited < 6, "of itself it would wait for half a second"


def test_an_overload_is_tried_again_twice_and_no_more(client: Anthropic, backstage: Backstage) -> None:
    backstage.set_faults({"kind": "status", "status": 529})
    with pytest.raises(anthropic.OverloadedError):
        client.messages.create(model=MODEL, max_tokens=ENOUGH, messages=ASKED)
    assert backstage.outcomes() == ["status_529"] * 3


def test_a_spending_limit_has_its_code(hasty: Anthropic, backstage: Backstage) -> None:
    backstage.set_faults({"kind": "quota"})
    with pytest.raises(anthropic.RateLimitError) as caught:
        hasty.messages.create(model=MODEL, max_tokens=ENOUGH, messages=ASKED)
    assert isinstance(caught.value.body, dict)
    assert caught.value.body["error"]["details"] == {"error_code": "enforced_spend_limit_reached"}


def test_a_lost_connection_and_silence(hasty: Anthropic, backstage: Backstage) -> None:
    backstage.set_faults({"kind": "drop"})
    with pytest.raises(anthropic.APIConnectionError):
        hasty.messages.create(model=MODEL, max_tokens=ENOUGH, messages=ASKED)
    backstage.set_faults({"kind": "hang", "seconds": 60})
    with pytest.raises(anthropic.APITimeoutError):
        hasty.with_options(timeout=0.2).messages.create(model=MODEL, max_tokens=ENOUGH, messages=ASKED)


def test_a_stream_that_breaks_off(hasty: Anthropic, backstage: Backstage) -> None:
    backstage.set_faults({"kind": "stream_error_event"})
    with pytest.raises(anthropic.APIStatusError, match="Overloaded"):
        read_stream(hasty)
    backstage.set_faults({"kind": "malformed"})
    with pytest.raises(json.JSONDecodeError):
        read_stream(hasty)
    backstage.set_faults({"kind": "stream_drop"})
    with pytest.raises(Exception, match="reset by peer"):  # the SDK lets httpx2's own error through
        read_stream(hasty)


def test_a_stream_that_is_cut_looks_complete_to_the_sdk(hasty: Anthropic, backstage: Backstage) -> None:
    backstage.set_faults({"kind": "stream_cut"})
    with hasty.messages.stream(model=MODEL, max_tokens=ENOUGH, messages=ASKED) as stream:
        assert stream.get_final_message().stop_reason is None
    assert backstage.outcomes() == ["stream_cut"]


def test_usage_of_the_wrong_type_is_found_in_strict_mode(client: Anthropic, backstage: Backstage) -> None:
    backstage.set_faults({"kind": "wrong_usage"})
    with pytest.raises(anthropic.APIResponseValidationError):
        client.messages.create(model=MODEL, max_tokens=ENOUGH, messages=ASKED)


def test_a_stream_that_is_closed_early(client: Anthropic, backstage: Backstage) -> None:
    backstage.set_faults({"kind": "endless_stream"})
    with client.messages.create(model=MODEL, max_tokens=ENOUGH, messages=ASKED, stream=True) as stream:
        assert [next(stream).type for _ in range(3)] == ["message_start", "content_block_start", "content_block_delta"]
    while not backstage.rows():
        continue
    assert backstage.outcomes() == ["client_gone"]
