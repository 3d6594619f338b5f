"""The official `openai` SDK's responses against the emulator; in strict mode, in which it validates all it is sent."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import openai
import pytest
from openai import OpenAI
from pydantic import BaseModel

from emulator import EmulatorProcess
from tests.conformance.conftest import Backstage

MODEL = "gpt-6-luna"
QUESTION = "What is the capital of France?"
TOOL: Any = {
    "type": "function",
    "name": "look_up",
    "parameters": {
        "type": "object",
        "properties": {"answer": {"type": "string"}},
        "required": ["answer"],
        "additionalProperties": False,
    },
    "strict": True,
}


class Reply(BaseModel):
    """What structured answers look like."""

    answer: str
    confidence: float
    language: Literal["en", "fr"]


@pytest.fixture(scope="module")
def client(emulator: EmulatorProcess) -> Iterator[OpenAI]:
    """Only its address and its key are ours, and that it does not try again."""
    url = f"{emulator.url}/v1"
    with OpenAI(base_url=url, api_key="sk-test", max_retries=0, _strict_response_validation=True) as opened:
        yield opened


def stream(client: OpenAI, **options: Any) -> list[Any]:
    events: Any = client.responses.create(model=MODEL, input=QUESTION, stream=True, **options)
    return list(events)


def test_a_plain_question_and_its_usage(client: OpenAI, backstage: Backstage) -> None:
    answer = client.responses.create(model=MODEL, input=QUESTION, instructions="Be brief.")
    assert (answer.output_text, answer.status, answer.instructions) == ("Paris", "completed", "Be brief.")
    (row,) = backstage.rows()
    assert answer.usage is not None
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (row["input_tokens"], row["output_tokens"])
    assert answer.usage.input_tokens_details.cache_write_tokens == 0
    assert row["api"] == "openai"


def test_a_conversation_with_a_picture(client: OpenAI, backstage: Backstage) -> None:
    turns: Any = [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": "Hello."},
        {"role": "assistant", "content": [{"type": "output_text", "text": "Hello!", "annotations": []}]},
        {
            "role": "user",
            "content": [
                {"type": "input_image", "image_url": "data:image/png;base64,iVBORw0KGgo=", "detail": "auto"},
                {"type": "input_text", "text": QUESTION},
            ],
        },
    ]
    assert client.responses.create(model=MODEL, input=turns).output_text == "Paris"
    assert backstage.rows()[0]["input_tokens"] == (3 + 4) + (2 + 4) + (2 + 4) + (8 + 4) + 258


def test_structured_output(client: OpenAI) -> None:
    parsed = client.responses.parse(model=MODEL, input=QUESTION, text_format=Reply).output_parsed
    assert parsed is not None
    assert parsed.answer == "Paris"


def test_a_tool_is_called_and_what_it_says_is_answered(client: OpenAI) -> None:
    asked: Any = [{"role": "user", "content": "Use look_up."}]
    (call,) = client.responses.create(model=MODEL, input=asked, tools=[TOOL]).output
    assert call.type == "function_call"
    assert call.name == "look_up"
    told = {"type": "function_call_output", "call_id": call.call_id, "output": QUESTION}
    turns: Any = [*asked, call.model_dump(exclude_none=True), told]
    assert client.responses.create(model=MODEL, input=turns, tools=[TOOL]).output_text == "Paris"
    streamed = stream(client, tools=[TOOL], tool_choice={"type": "function", "name": "look_up"})
    done = [event for event in streamed if event.type == "response.function_call_arguments.done"]
    assert [event.arguments for event in done] == ['{"answer": "Paris"}']


def test_a_stream_is_numbered_and_ends_with_the_whole_response(client: OpenAI, backstage: Backstage) -> None:
    events = stream(client)
    assert [event.type for event in events] == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]
    assert [event.sequence_number for event in events] == list(range(10))
    whole = events[-1].response
    assert whole.output_text == "Paris"
    assert whole.usage.output_tokens == backstage.rows()[0]["output_tokens"]


def test_the_sdk_puts_a_stream_together(client: OpenAI) -> None:
    with client.responses.stream(model=MODEL, input=QUESTION, text_format=Reply) as events:
        parsed = events.get_final_response().output_parsed
    assert parsed is not None
    assert parsed.answer == "Paris"


def test_an_answer_that_is_cut_or_taken_away_is_incomplete(client: OpenAI, backstage: Backstage) -> None:
    for kind, reason in (("length", "max_output_tokens"), ("safety_block", "content_filter")):
        backstage.set_faults({"kind": kind})
        for answer in (client.responses.create(model=MODEL, input=QUESTION), stream(client)[-1].response):
            assert answer.incomplete_details is not None
            assert (answer.status, answer.incomplete_details.reason) == ("incomplete", reason)
            assert answer.output_text == ("Pari" if kind == "length" else "")


def test_a_refusal(client: OpenAI, backstage: Backstage) -> None:
    backstage.set_faults({"kind": "refusal"})
    (item,) = client.responses.create(model=MODEL, input=QUESTION).output
    assert item.type == "message"
    assert item.content[0].type == "refusal"
    assert [event.type for event in stream(client)].count("response.refusal.done") == 1


def test_an_unknown_model_is_a_bad_request_here(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.create(model="gpt-0", input=QUESTION)
    assert (caught.value.code, caught.value.param) == ("model_not_found", "model")


def test_bad_requests(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as short:
        client.responses.create(model=MODEL, input=QUESTION, max_output_tokens=5)
    assert short.value.code == "integer_below_min_value"
    with pytest.raises(openai.BadRequestError) as forgotten:
        client.responses.create(model=MODEL, input=QUESTION, previous_response_id="resp_0")
    assert forgotten.value.code == "previous_response_not_found"
    with pytest.raises(openai.BadRequestError) as empty:
        client.responses.create(model=MODEL, input="")
    assert empty.value.code == "missing_required_parameter"


@pytest.mark.parametrize(
    ("status", "kind"),
    [(401, openai.AuthenticationError), (429, openai.RateLimitError), (500, openai.InternalServerError)],
)
def test_each_status_is_its_own_error(
    client: OpenAI, backstage: Backstage, status: int, kind: type[openai.APIStatusError]
) -> None:
    backstage.set_faults({"kind": "status", "status": status})
    for call in (lambda: client.responses.create(model=MODEL, input=QUESTION), lambda: stream(client)):
        with pytest.raises(kind):
            call()


def test_an_error_in_the_middle_of_a_stream_is_an_event(client: OpenAI, backstage: Backstage) -> None:
    backstage.set_faults({"kind": "stream_error_event"})
    last = stream(client)[-1]
    assert (last.type, last.code) == ("error", "server_is_overloaded")
