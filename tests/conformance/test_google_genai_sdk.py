"""The official `google-genai` SDK against the emulator."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any, Literal

import httpx2
import pytest
from google import genai
from google.genai import errors, types
from pydantic import BaseModel

from emulator import EmulatorProcess, EmulatorSettings
from tests.conformance.conftest import Backstage

MODEL = "gemini-3.6-flash"
QUESTION = "What is the capital of France?"
AS_JSON = "application/json"
RETRIES = types.HttpRetryOptions(attempts=3, initial_delay=0.01, max_delay=0.02, jitter=0)


class Reply(BaseModel):
    """What structured answers look like."""

    answer: str
    confidence: float
    language: Literal["en", "fr"]
    remarks: list[str] | None = None


def open_client(emulator: EmulatorProcess, **options: Any) -> genai.Client:
    """The SDK as it comes; only its address and its key are ours."""
    return genai.Client(api_key="AIza-test", http_options=types.HttpOptions(base_url=emulator.url, **options))


@pytest.fixture(scope="module")
def client(emulator: EmulatorProcess) -> Iterator[genai.Client]:
    with open_client(emulator) as opened:
        yield opened


def ask(client: genai.Client, text: str = QUESTION, **config: Any) -> types.GenerateContentResponse:
    return client.models.generate_content(
        model=MODEL, contents=text, config=types.GenerateContentConfig(**config) if config else None
    )


def stream(client: genai.Client, **config: Any) -> list[types.GenerateContentResponse]:
    told = types.GenerateContentConfig(**config) if config else None
    return list(client.models.generate_content_stream(model=MODEL, contents=QUESTION, config=told))


def only(answer: types.GenerateContentResponse) -> types.Candidate:
    assert answer.candidates is not None
    (candidate,) = answer.candidates
    return candidate


def used(answer: types.GenerateContentResponse) -> types.GenerateContentResponseUsageMetadata:
    assert answer.usage_metadata is not None
    return answer.usage_metadata


def test_a_plain_question(client: genai.Client, backstage: Backstage) -> None:
    answer = ask(client)
    assert answer.text == "Paris"
    assert only(answer).finish_reason is types.FinishReason.STOP
    assert answer.model_version == MODEL
    assert answer.response_id == backstage.rows()[0]["request_id"]


@pytest.mark.parametrize("version", ["v1", "v1beta"])
def test_each_version_of_the_api(emulator: EmulatorProcess, version: str) -> None:
    with open_client(emulator, api_version=version) as client:
        assert ask(client).text == "Paris"


@pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning")  # of the SDK's own
def test_the_async_client(emulator: EmulatorProcess) -> None:
    async def say() -> str:
        async with open_client(emulator).aio as client:
            whole = await client.models.generate_content(model=MODEL, contents=QUESTION)
            chunks = await client.models.generate_content_stream(model=MODEL, contents=QUESTION)
            streamed = "".join([chunk.text or "" async for chunk in chunks])
            return f"{whole.text}, {streamed}"

    assert asyncio.run(say()) == "Paris, Paris"


def test_usage_is_what_the_bill_says(client: genai.Client, backstage: Backstage) -> None:
    usage = used(ask(client, thinking_config=types.ThinkingConfig(thinking_budget=30)))
    (row,) = backstage.rows()
    assert usage.prompt_token_count == row["input_tokens"]
    assert (usage.candidates_token_count, usage.thoughts_token_count) == (2, 30)
    assert row["output_tokens"] == 32
    assert usage.total_token_count == row["input_tokens"] + row["output_tokens"]


def test_thoughts_are_no_part_of_the_text(client: genai.Client) -> None:
    answer = ask(client, thinking_config=types.ThinkingConfig(include_thoughts=True, thinking_level="LOW"))
    assert answer.text == "Paris"
    assert answer.parts is not None
    assert [bool(part.thought) for part in answer.parts] == [True, False]


def test_a_conversation_of_several_turns(client: genai.Client, backstage: Backstage) -> None:
    chat = client.chats.create(model=MODEL, config=types.GenerateContentConfig(system_instruction="Be brief."))
    assert chat.send_message("Hello.").text
    assert chat.send_message(QUESTION).text == "Paris"
    assert [content.role for content in chat.get_history()] == ["user", "model", "user", "model"]
    first, second = backstage.rows()
    assert second["input_tokens"] > first["input_tokens"]


def test_settings_of_the_generation(client: genai.Client) -> None:
    settings: dict[str, Any] = {
        "temperature": 0.5,
        "top_p": 0.9,
        "top_k": 40,
        "seed": 7,
        "candidate_count": 1,
        "presence_penalty": 0.1,
    }
    answer = ask(client, **settings, stop_sequences=["ri"], max_output_tokens=100)
    assert (answer.text, only(answer).finish_reason) == ("Pa", types.FinishReason.STOP)


def test_files_in_the_request(client: genai.Client, backstage: Backstage) -> None:
    image = types.Part.from_bytes(data=b"\x89PNG\r\n", mime_type="image/png")
    both = types.Content(role="user", parts=[image, types.Part.from_text(text=QUESTION)])
    answer = client.models.generate_content(model=MODEL, contents=[both])
    assert answer.text == "Paris"
    details = used(answer).prompt_tokens_details or []
    assert [(each.modality, each.token_count) for each in details] == [
        (types.MediaModality.TEXT, 12),
        (types.MediaModality.IMAGE, 258),
    ]
    assert backstage.rows()[0]["input_tokens"] == 270


def test_structured_output_by_a_pydantic_class(client: genai.Client) -> None:
    parsed = ask(client, response_mime_type=AS_JSON, response_schema=Reply).parsed
    assert isinstance(parsed, Reply)
    assert parsed.answer == "Paris"
    assert 0 <= parsed.confidence <= 1


def test_structured_output_by_a_json_schema(client: genai.Client) -> None:
    answer = ask(client, response_mime_type=AS_JSON, response_json_schema=Reply.model_json_schema())
    assert answer.text is not None
    assert Reply.model_validate_json(answer.text).answer == "Paris"


def test_output_that_breaks_its_schema_is_not_parsed(client: genai.Client, backstage: Backstage) -> None:
    backstage.set_faults({"kind": "schema_violation"})
    answer = ask(client, response_mime_type=AS_JSON, response_schema=Reply)
    assert answer.parsed is None
    assert answer.text is not None
    json.loads(answer.text)


def test_a_tool_that_the_sdk_calls_by_itself(client: genai.Client, backstage: Backstage) -> None:
    called = []

    def look_up(city: str) -> str:
        """Look a city up."""
        called.append(city)
        return QUESTION

    answer = ask(client, "Please look_up Paris.", tools=[look_up])
    assert len(called) == 1
    assert answer.text == "Paris"
    assert backstage.outcomes() == ["ok", "ok"]


def test_a_tool_that_must_be_called(client: genai.Client) -> None:
    look_up = types.FunctionDeclaration(
        name="look_up", parameters_json_schema={"type": "object", "properties": {"answer": {"type": "string"}}}
    )
    forced = types.ToolConfig(function_calling_config=types.FunctionCallingConfig(mode="ANY"))
    config: dict[str, Any] = {"tools": [types.Tool(function_declarations=[look_up])], "tool_config": forced}
    for answer in (ask(client, **config), *stream(client, **config)):
        assert answer.function_calls is not None
        (call,) = answer.function_calls
        assert (call.name, call.args) == ("look_up", {"answer": "Paris"})


def test_a_stream(client: genai.Client, backstage: Backstage) -> None:
    chunks = stream(client)
    assert [chunk.text for chunk in chunks] == ["Pari", "s", ""]
    assert [only(chunk).finish_reason for chunk in chunks] == [None, None, types.FinishReason.STOP]
    (row,) = backstage.rows()
    assert used(chunks[-1]).candidates_token_count == row["output_tokens"] == 2


def test_a_stream_that_is_cut_says_no_reason(client: genai.Client, backstage: Backstage) -> None:
    backstage.set_faults({"kind": "stream_cut"})
    chunks = stream(client)
    assert [chunk.text for chunk in chunks] == ["Pari"]
    assert only(chunks[-1]).finish_reason is None


def test_a_stream_that_is_dropped_raises(client: genai.Client, backstage: Backstage) -> None:
    backstage.set_faults({"kind": "stream_drop"})
    chunks = client.models.generate_content_stream(model=MODEL, contents=QUESTION)
    assert next(chunks).text == "Pari"
    with pytest.raises(httpx2.ReadError):
        next(chunks)


def test_a_truncated_answer(client: genai.Client) -> None:
    answer = ask(client, max_output_tokens=1)
    assert (answer.text, only(answer).finish_reason) == ("Pari", types.FinishReason.MAX_TOKENS)
    thinking = types.ThinkingConfig(thinking_budget=-1)
    empty = ask(client, max_output_tokens=20, thinking_config=thinking)
    assert (empty.text, only(empty).finish_reason) == (None, types.FinishReason.MAX_TOKENS)
    assert used(empty).thoughts_token_count == 20


def test_an_answer_that_a_filter_took_away(client: genai.Client, backstage: Backstage) -> None:
    backstage.set_faults({"kind": "safety_block"})
    for answer in (ask(client), *stream(client)):
        assert answer.text is None
        assert only(answer).finish_reason is types.FinishReason.SAFETY
        ratings = only(answer).safety_ratings or []
        assert [rating.blocked for rating in ratings] == [True]


def test_a_prompt_that_is_blocked(client: genai.Client, backstage: Backstage) -> None:
    backstage.set_faults({"kind": "refusal"})
    for answer in (ask(client), *stream(client)):
        assert answer.candidates is None
        assert answer.prompt_feedback is not None
        assert answer.prompt_feedback.block_reason is types.BlockedReason.PROHIBITED_CONTENT


def test_log_probabilities(client: genai.Client) -> None:
    candidate = only(ask(client, response_logprobs=True, logprobs=3))
    assert candidate.avg_logprobs is not None
    assert candidate.logprobs_result is not None
    assert [each.token for each in candidate.logprobs_result.chosen_candidates or []] == ["Pari", "s"]


def test_counting_tokens_is_free_and_right(client: genai.Client, backstage: Backstage) -> None:
    counted = client.models.count_tokens(model=MODEL, contents=QUESTION)
    assert backstage.rows() == []
    assert counted.total_tokens == used(ask(client)).prompt_token_count


def test_the_models(client: genai.Client) -> None:
    names = [model.name for model in client.models.list()]
    assert f"models/{MODEL}" in names
    assert client.models.get(model=MODEL).input_token_limit == 1_048_576


def test_a_wrong_key_is_a_client_error(backstage: Backstage) -> None:
    with (
        EmulatorProcess(EmulatorSettings(time_scale=0, require_key="another")) as emulator,
        open_client(emulator) as client,
        pytest.raises(errors.ClientError) as caught,
    ):
        ask(client)
    assert (caught.value.code, caught.value.status) == (400, "INVALID_ARGUMENT")
    assert caught.value.message == "API key not valid. Please pass a valid API key."


def test_a_bad_request_and_an_unknown_model_are_client_errors(client: genai.Client) -> None:
    with pytest.raises(errors.ClientError) as bad:
        ask(client, temperature=5)
    assert (bad.value.code, bad.value.status) == (400, "INVALID_ARGUMENT")
    with pytest.raises(errors.ClientError) as unknown:
        client.models.generate_content(model="gemini-0", contents=QUESTION)
    assert (unknown.value.code, unknown.value.status) == (404, "NOT_FOUND")


@pytest.mark.parametrize(
    ("status", "kind", "name"),
    [
        (400, errors.ClientError, "INVALID_ARGUMENT"),
        (401, errors.ClientError, "UNAUTHENTICATED"),
        (403, errors.ClientError, "PERMISSION_DENIED"),
        (404, errors.ClientError, "NOT_FOUND"),
        (429, errors.ClientError, "RESOURCE_EXHAUSTED"),
        (500, errors.ServerError, "INTERNAL"),
        (503, errors.ServerError, "UNAVAILABLE"),
        (504, errors.ServerError, "DEADLINE_EXCEEDED"),
    ],
)
def test_each_status_is_its_own_error_and_is_not_tried_again(
    client: genai.Client, backstage: Backstage, status: int, kind: type[errors.APIError], name: str
) -> None:
    backstage.set_faults({"kind": "status", "status": status})
    for call in (ask, stream):
        with pytest.raises(kind) as caught:
            call(client)
        assert (caught.value.code, caught.value.status) == (status, name)
    assert backstage.outcomes() == [f"status_{status}"] * 2, "by default, this SDK does not try again"


def test_the_wait_of_a_429_stands_in_its_details(client: genai.Client, backstage: Backstage) -> None:
    backstage.set_faults({"kind": "status", "status": 429, "retry_after": 26.5})
    with pytest.raises(errors.ClientError) as caught:
        ask(client)
    assert caught.value.details["error"]["details"][-1]["retryDelay"] == "27s"


def test_a_quota_of_the_day_names_its_quota(client: genai.Client, backstage: Backstage) -> None:
    backstage.set_faults({"kind": "quota"})
    with pytest.raises(errors.ClientError) as caught:
        ask(client)
    failures = [each for each in caught.value.details["error"]["details"] if each["@type"].endswith("QuotaFailure")]
    assert "PerDay" in failures[0]["violations"][0]["quotaId"]


@pytest.mark.parametrize("status", [429, 500, 503, 504])
def test_its_own_retries_where_they_are_enabled(emulator: EmulatorProcess, backstage: Backstage, status: int) -> None:
    backstage.set_faults({"kind": "status", "status": status, "times": 2})
    with open_client(emulator, retry_options=RETRIES) as client:
        assert ask(client).text == "Paris"
    assert backstage.outcomes() == [f"status_{status}"] * 2 + ["ok"]


def test_a_connection_that_is_reset_is_not_tried_again_even_then(
    emulator: EmulatorProcess, backstage: Backstage
) -> None:
    backstage.set_faults({"kind": "billed_then_drop", "times": 1})
    with open_client(emulator, retry_options=RETRIES) as client, pytest.raises(httpx2.ReadError):
        ask(client)
    assert [row["billed"] for row in backstage.rows()] == [True]


def test_an_answer_that_is_no_json_raises(client: genai.Client, backstage: Backstage) -> None:
    backstage.set_faults({"kind": "malformed"})
    with pytest.raises(json.JSONDecodeError):
        ask(client)
    with pytest.raises(errors.UnknownApiResponseError):
        stream(client)


def test_an_answer_without_candidates_or_usage(client: genai.Client, backstage: Backstage) -> None:
    backstage.set_faults({"kind": "empty_choices", "times": 1}, {"kind": "no_usage", "times": 1})
    assert ask(client).candidates == []
    assert ask(client).usage_metadata is None
