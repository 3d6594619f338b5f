"""The front door as programs use it: real workers, a real server, and OpenAI's own client."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from openai import AsyncOpenAI, OpenAI
from openai.types.chat import (
    ChatCompletionMessageFunctionToolCall,
    ChatCompletionMessageFunctionToolCallParam,
    ChatCompletionMessageParam,
    ChatCompletionToolParam,
)
from openai.types.chat.chat_completion import Choice
from pydantic import BaseModel

from mirepoix import JobState
from tests.system.door import open_door
from tests.system.speaker import Say, Speaker, say, speaking
from tests.system.world import World, open_world

pytestmark = [pytest.mark.system, pytest.mark.long]

CONFIG = Path(__file__).parent / "door.yaml"
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="


@pytest.fixture(scope="module")
def speaker() -> Iterator[Speaker]:
    """The provider of all tests here; each has prompts of its own."""
    with speaking() as opened:
        yield opened


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, speaker: Speaker) -> Iterator[World]:
    """Workers that ask the speaker, and no front door yet."""
    home = tmp_path_factory.mktemp("door")
    config = home / "mirepoix.yaml"
    config.write_text(CONFIG.read_text().replace("SPEAKER", speaker.url))
    with open_world(home, config=config, emulate=False) as world:
        world.start_workers("orchestrate", "speaker", "flaky", "local")
        yield world


@pytest.fixture(scope="module")
def door(house: World) -> str:
    """Where the front door is."""
    return open_door(house)


@pytest.fixture
def http(door: str) -> Iterator[httpx.Client]:
    """Any program."""
    with httpx.Client(base_url=door, timeout=30, trust_env=False) as client:
        yield client


@pytest.fixture
def sdk(door: str) -> Iterator[OpenAI]:
    """OpenAI's client as it comes, validating strictly what it is sent; only its address is ours."""
    with OpenAI(base_url=f"{door}/v1", api_key="none", timeout=30, _strict_response_validation=True) as client:
        yield client


def asked(text: str) -> list[ChatCompletionMessageParam]:
    return [{"role": "user", "content": text}]


def events(lines: Iterator[str]) -> Iterator[tuple[str, Any]]:
    """Name and data of each server-sent event."""
    name = ""
    for line in lines:
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            yield name, json.loads(line.removeprefix("data: "))


# OpenAI's client


@pytest.mark.quick
def test_the_sdk_gets_a_cascades_answer_with_the_usage_of_all_its_calls(
    sdk: OpenAI, house: World, speaker: Speaker
) -> None:
    speaker.answers["capital?"] = [say("Hm."), say("The capital is Paris.")]
    answer = sdk.chat.completions.create(model="careful", messages=asked("capital?"), metadata={"team": "geo"})
    assert answer.choices[0].message.content == "The capital is Paris."
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.total_tokens) == (20, 10, 30)
    job = answer._request_id  # noqa: SLF001  the SDK's documented name
    assert job is not None
    assert answer.id == f"chatcmpl-{job}"
    with house.client() as client:
        trace = client.get(job).trace()
    assert (trace.pipeline, trace.output, trace.tags) == ("careful", "The capital is Paris.", {"team": "geo"})
    assert [decision.choice for decision in trace.steps[0].decisions] == ["escalate", "accept"]


def test_the_sdk_streams_a_cascades_answer_with_usage(sdk: OpenAI, speaker: Speaker) -> None:
    speaker.answers["streamed?"] = [say("Hm."), say("The capital is Rome.")]
    chunks = list(
        sdk.chat.completions.create(
            model="careful", messages=asked("streamed?"), stream=True, stream_options={"include_usage": True}
        )
    )
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks[:-1]) == "The capital is Rome."
    assert [chunk.choices[0].finish_reason for chunk in chunks[:-1]][-1] == "stop"
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.total_tokens == 30
    assert all(chunk.usage is None for chunk in chunks[:-1])


@pytest.mark.quick
def test_tokens_are_passed_on_while_the_model_speaks(sdk: OpenAI, speaker: Speaker) -> None:
    speaker.answers["slowly"] = [Say(["One. ", "Two. ", "Three. ", "Four."], every=0.3)]
    chunks = sdk.chat.completions.create(model="plain", messages=asked("slowly"), stream=True)
    timed = [(time.monotonic(), chunk.choices[0].delta.content) for chunk in chunks]
    came = [(moment, text) for moment, text in timed if text]
    assert "".join(text for _, text in came) == "One. Two. Three. Four."
    assert len(came) >= 3, came
    assert came[-1][0] - came[0][0] > 0.5, "it came at the end, in one"


def test_a_stream_that_starts_over_otherwise_is_an_error_and_one_that_repeats_itself_is_none(
    sdk: OpenAI, speaker: Speaker
) -> None:
    speaker.answers["again"] = [Say(["One. ", "Two. "], every=0.2, breaks=True), Say(["One. ", "Two. ", "Three."])]
    speaker.answers["otherwise"] = [Say(["One. ", "Two. "], every=0.2, breaks=True), say("Entirely different.")]

    def read(question: str) -> str:
        chunks = sdk.chat.completions.create(model="retried", messages=asked(question), stream=True)
        return "".join(chunk.choices[0].delta.content or "" for chunk in chunks)

    assert read("again") == "One. Two. Three."
    with pytest.raises(openai.APIError, match="started over") as caught:
        read("otherwise")
    assert caught.value.code == "restarted"


def test_a_model_is_asked_with_all_that_the_sdk_says(sdk: OpenAI, speaker: Speaker) -> None:
    messages: list[ChatCompletionMessageParam] = [
        {"role": "system", "content": "Be brief. {{ 7 * 7 }}"},
        {"role": "user", "content": "one"},
        {"role": "assistant", "content": "1"},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "and two?"},
                {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}},
            ],
        },
    ]
    answer = sdk.chat.completions.create(
        model="one", messages=messages, temperature=0.5, top_p=0.9, seed=7, stop=["x"], max_completion_tokens=33
    )
    assert answer.choices[0].message.content == "said: one"
    (body,) = speaker.asked["one"]
    assert [turn["role"] for turn in body["messages"]] == ["system", "user", "assistant", "user"]
    assert body["messages"][0]["content"] == "Be brief. {{ 7 * 7 }}", "what comes in is no template"
    assert PIXEL in json.dumps(body["messages"][3])
    assert (body["temperature"], body["top_p"], body["seed"], body["stop"]) == (0.5, 0.9, 7, ["x"])
    assert 33 in (body.get("max_tokens"), body.get("max_completion_tokens"))


def test_a_pipeline_gets_the_parts_that_it_reads_and_else_the_conversation_written_out(
    sdk: OpenAI, speaker: Speaker
) -> None:
    messages: list[ChatCompletionMessageParam] = [
        {"role": "developer", "content": "Speak French."},
        {"role": "user", "content": "apart"},
        {"role": "assistant", "content": "oui"},
        {"role": "user", "content": "more"},
    ]
    sdk.chat.completions.create(model="talk", messages=messages)
    (body,) = speaker.asked["apart"]
    assert [turn["content"] for turn in body["messages"]] == ["Be kind. Speak French.", "apart", "oui", "more"]
    sdk.chat.completions.create(model="plain", messages=messages)
    written = "Speak French.\n\nuser: apart\n\nassistant: oui\n\nuser: more"
    assert len(speaker.asked[written]) == 1


class Reading(BaseModel):
    """A structured answer."""

    mood: str
    waves: list[int]


def test_a_response_format_holds_models_and_pipelines_to_a_schema(sdk: OpenAI, speaker: Speaker) -> None:
    good = '{"mood": "calm", "waves": [1, 2]}'
    speaker.answers["sea of a model"] = [say("no JSON"), say(good)]
    speaker.answers["sea of a pipeline"] = [say("no"), say("no"), say("no"), say(good)]
    for model, question in (("one", "sea of a model"), ("careful", "sea of a pipeline")):
        parsed = sdk.chat.completions.parse(model=model, messages=asked(question), response_format=Reading)
        assert parsed.choices[0].message.parsed == Reading(mood="calm", waves=[1, 2])
    with pytest.raises(openai.BadRequestError, match="cannot be held to another schema"):
        sdk.chat.completions.parse(model="fields", messages=asked("sea"), response_format=Reading)


WEATHER: ChatCompletionToolParam = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "Of a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}


CALLS = [("weather", '{"city": "Rome"}'), ("weather", '{"city": "Oslo"}')]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_a_model_asks_for_tools_and_goes_on_from_what_they_gave(sdk: OpenAI, speaker: Speaker, stream: bool) -> None:
    question = f"weather, {'streamed' if stream else 'whole'}?"
    speaker.answers[question] = [Say(["Let me see."], finish="tool_calls", calls=CALLS), say("Warm, and cold.")]
    messages = asked(question)
    if stream:
        with sdk.chat.completions.stream(model="one", messages=messages, tools=[WEATHER]) as told:
            choice: Choice = told.get_final_completion().choices[0]
    else:
        choice = sdk.chat.completions.create(model="one", messages=messages, tools=[WEATHER]).choices[0]
    assert choice.finish_reason == "tool_calls"
    made = [call for call in choice.message.tool_calls or [] if isinstance(call, ChatCompletionMessageFunctionToolCall)]
    assert [(call.function.name, call.function.arguments) for call in made] == CALLS
    messages.append({"role": "assistant", "content": choice.message.content, "tool_calls": [as_sent(c) for c in made]})
    messages += [{"role": "tool", "tool_call_id": call.id, "content": f"{n} C"} for n, call in enumerate(made)]
    end = sdk.chat.completions.create(model="one", messages=messages, tools=[WEATHER], tool_choice="auto")
    assert (end.choices[0].message.content, end.choices[0].finish_reason) == ("Warm, and cold.", "stop")
    first, second = speaker.asked[question]
    assert first["tools"] == second["tools"] == [WEATHER]
    assert second["tool_choice"] == "auto"
    assert second["messages"] == messages, "it is asked with what was said, and nothing is added"


def as_sent(call: ChatCompletionMessageFunctionToolCall) -> ChatCompletionMessageFunctionToolCallParam:
    """A call as the client sends it back."""
    function = call.function
    return {"id": call.id, "type": "function", "function": {"name": function.name, "arguments": function.arguments}}


def test_what_tools_gave_is_told_to_a_pipeline_too(sdk: OpenAI, speaker: Speaker) -> None:
    call: ChatCompletionMessageFunctionToolCallParam = {
        "id": "c1",
        "type": "function",
        "function": {"name": "weather", "arguments": '{"city": "Rome"}'},
    }
    messages: list[ChatCompletionMessageParam] = [
        {"role": "user", "content": "told?"},
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "30 C"},
    ]
    sdk.chat.completions.create(model="talk", messages=messages)
    (body,) = speaker.asked["told?"]
    assert body["messages"][1:] == [messages[0], {**messages[1], "content": None}, messages[2]]
    sdk.chat.completions.create(model="plain", messages=messages)
    written = next(prompt for prompt in speaker.asked if prompt.startswith("user: told?"))
    assert "weather" in written
    assert written.endswith("tool: 30 C")


@pytest.mark.parametrize(
    ("given", "param"),
    [
        ({"frequency_penalty": 0.5}, "frequency_penalty"),
        ({"logit_bias": {"5": 1}}, "logit_bias"),
        ({"parallel_tool_calls": False}, "parallel_tool_calls"),
        ({"extra_body": {"functions": [{"name": "f"}]}}, "functions"),
        ({"n": 2}, "n"),
        ({"tool_choice": "required"}, None),
        ({"tools": [WEATHER], "tool_choice": {"type": "function", "function": {"name": "wether"}}}, None),
        ({"tools": [WEATHER], "model": "plain"}, "tools"),
        ({"tool_choice": "auto", "model": "plain"}, "tool_choice"),
        ({"messages": [{"role": "function", "name": "f", "content": "x"}]}, "messages.0.role"),
        ({"messages": [{"role": "tool", "tool_call_id": "c", "content": "x"}]}, "messages.0.tool_call_id"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages.0"),
        ({"messages": [{"role": "user"}]}, "messages.0"),
    ],
    ids=lambda value: ",".join(value) if isinstance(value, dict) else None,
)
def test_what_cannot_be_heeded_is_refused_in_the_clear(sdk: OpenAI, given: dict[str, Any], param: str | None) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        sdk.chat.completions.create(**({"model": "one", "messages": asked("x")} | given))
    error: Any = caught.value
    assert (error.param, error.type) == (param, "invalid_request_error")
    assert error.body["message"]


def test_what_asks_for_nothing_is_passed_over(sdk: OpenAI) -> None:
    answer = sdk.chat.completions.create(
        model="one",
        messages=asked("nothing more"),
        frequency_penalty=0,
        presence_penalty=0,
        logit_bias={},
        modalities=["text"],
        parallel_tool_calls=True,
        user="me",
        store=False,
    )
    assert answer.choices[0].message.content == "said: nothing more"


def test_the_sdk_lists_pipelines_and_models(sdk: OpenAI) -> None:
    known = {model.id: model.owned_by for model in sdk.models.list()}
    assert known["careful"] == "mirepoix"
    assert known["one"] == "speaker"
    assert sdk.models.retrieve("one").id == "one"
    with pytest.raises(openai.NotFoundError, match="Did you mean 'careful'"):
        sdk.models.retrieve("carefull")


def test_errors_are_the_sdks_own_and_a_job_that_failed_is_not_paid_for_again(sdk: OpenAI, speaker: Speaker) -> None:
    with pytest.raises(openai.NotFoundError, match="Did you mean 'careful'"):
        sdk.chat.completions.create(model="carefull", messages=asked("x"))
    with pytest.raises(openai.BadRequestError, match="n: "):
        sdk.chat.completions.create(model="plain", messages=asked("x"), n=2)
    with pytest.raises(openai.BadRequestError, match="the user's"):
        sdk.chat.completions.create(model="plain", messages=[{"role": "system", "content": "x"}])
    speaker.answers["fail"] = [Say(["no"], status=400)]
    with pytest.raises(openai.UnprocessableEntityError) as caught:
        sdk.chat.completions.create(model="plain", messages=asked("fail"))
    assert caught.value.code == "bad_request"
    assert caught.value.request_id
    speaker.answers["broken"] = [Say(["no"], status=500)]
    with pytest.raises(openai.InternalServerError):
        sdk.chat.completions.create(model="plain", messages=asked("broken"))
    assert len(speaker.asked["broken"]) == 1, "the client repeated a job that failed"
    with pytest.raises(openai.APIError, match="failed"):
        list(sdk.chat.completions.create(model="plain", messages=asked("broken"), stream=True))


def test_the_same_key_gets_the_same_answer_and_is_paid_for_once(sdk: OpenAI, speaker: Speaker) -> None:
    key = {"Idempotency-Key": "once"}
    answers = [sdk.chat.completions.create(model="plain", messages=asked("once"), extra_headers=key) for _ in range(2)]
    assert answers[0].id == answers[1].id
    assert len(speaker.asked["once"]) == 1
    with pytest.raises(openai.UnprocessableEntityError, match="another job"):
        sdk.chat.completions.create(model="plain", messages=asked("twice"), extra_headers=key)
    with pytest.raises(openai.UnprocessableEntityError, match="different: max_cost, tags"):
        sdk.chat.completions.create(
            model="plain",
            messages=asked("once"),
            extra_headers=key,
            extra_body={"max_cost": "0.5"},
            metadata={"team": "geo"},
        )
    key_of_model = {"Idempotency-Key": "once, of a model"}
    sdk.chat.completions.create(model="one", messages=asked("warm"), temperature=0.1, extra_headers=key_of_model)
    with pytest.raises(openai.UnprocessableEntityError, match="what the model is asked, and how") as caught:
        sdk.chat.completions.create(model="one", messages=asked("warm"), temperature=0.9, extra_headers=key_of_model)
    assert caught.value.code == "idempotency_key_reused"
    assert len(speaker.asked["warm"]) == 1
    streamed = sdk.chat.completions.create(model="plain", messages=asked("once"), extra_headers=key, stream=True)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in streamed) == "said: once"


def test_a_job_whose_caller_left_is_cancelled_unless_it_has_a_key(sdk: OpenAI, house: World, speaker: Speaker) -> None:
    speaker.answers["leave"] = [Say(["a"] * 40, every=0.2)]
    for headers, end in (({}, JobState.CANCELLED), ({"Idempotency-Key": "stay"}, JobState.RUNNING)):
        stream = sdk.chat.completions.create(model="plain", messages=asked("leave"), stream=True, extra_headers=headers)
        assert next(stream).choices
        assert next(stream).choices[0].delta.content
        job = stream.response.headers["x-request-id"]
        stream.close()
        with house.client() as client:
            handle = client.get(job)
            if end is JobState.CANCELLED:
                assert handle.wait(10).state is JobState.CANCELLED
            else:
                time.sleep(1.5)
                assert handle.state is end
                handle.cancel()


def test_many_streams_at_once(door: str, speaker: Speaker) -> None:
    async def ask(client: AsyncOpenAI, number: int) -> str:
        chunks = await client.chat.completions.create(model="plain", messages=asked(f"many {number}"), stream=True)
        return "".join([chunk.choices[0].delta.content or "" async for chunk in chunks])

    async def ask_all() -> list[str]:
        async with AsyncOpenAI(base_url=f"{door}/v1", api_key="none", timeout=60) as client:
            return await asyncio.gather(*(ask(client, number) for number in range(20)))

    assert asyncio.run(ask_all()) == [f"said: many {number}" for number in range(20)]


# Jobs


@pytest.mark.quick
def test_a_job_over_http_from_its_submission_to_its_trace(http: httpx.Client) -> None:
    job = {
        "pipeline": "plain",
        "input": "over http",
        "tenant": "acme",
        "max_cost": "0.01",
        "priority": 3,
        "tags": {"team": "search"},
    }
    accepted = http.post("/v1/jobs", json=job, headers={"Idempotency-Key": "k1"})
    assert accepted.status_code == 202
    id_ = accepted.json()["id"]
    assert accepted.headers["location"] == f"/v1/jobs/{id_}"
    again = http.post("/v1/jobs", json=job, headers={"Idempotency-Key": "k1"})
    assert again.json()["id"] == id_
    other = http.post("/v1/jobs", json=job | {"latency": "batch"}, headers={"Idempotency-Key": "k1"})
    assert (other.status_code, other.json()["error"]["code"]) == (422, "idempotency_key_reused"), other.text
    with http.stream("GET", f"/v1/jobs/{id_}/events") as response:
        heard = list(events(response.iter_lines()))
    assert heard[-1][0] == "end"
    assert heard[-1][1]["output"] == "said: over http"
    assert "".join(data["text"] for name, data in heard if name == "piece") == "said: over http"
    view = http.get(f"/v1/jobs/{id_}").json()
    assert (view["id"], view["state"], view["tenant"], view["cost_usd"]) == (id_, "succeeded", "acme", "0.000015")
    assert view["tags"] == {"team": "search"}
    trace = http.get(f"/v1/jobs/{id_}/trace").json()
    assert trace["steps"][0]["calls"][0]["attempts"][0]["outcome"] == "answered"
    assert http.delete(f"/v1/jobs/{id_}").status_code == 409


def test_events_tell_states_steps_and_pieces(http: httpx.Client, speaker: Speaker) -> None:
    speaker.answers["tell"] = [Say(["Once ", "upon ", "a time."], every=0.4)]
    id_ = http.post("/v1/jobs", json={"pipeline": "plain", "input": "tell", "stream": True}).json()["id"]
    with http.stream("GET", f"/v1/jobs/{id_}/events") as response:
        heard = list(events(response.iter_lines()))
    assert "".join(data["text"] for name, data in heard if name == "piece") == "Once upon a time."
    assert [data["state"] for name, data in heard if name == "state"][-1] == "succeeded"
    assert [data["state"] for name, data in heard if name == "step"][-1] == "succeeded"


def test_a_job_can_be_cancelled_and_once_more(http: httpx.Client) -> None:
    id_ = http.post("/v1/jobs", json={"pipeline": "slow", "input": "x"}).json()["id"]
    for _ in range(2):
        gone = http.delete(f"/v1/jobs/{id_}")
        assert (gone.status_code, gone.json()["state"]) == (200, "cancelled")


def test_lists_are_filtered_and_come_in_pages(http: httpx.Client) -> None:
    ids = [
        http.post("/v1/jobs", json={"pipeline": "slow", "input": str(n), "tenant": "pages"}).json()["id"]
        for n in range(5)
    ]
    found: list[str] = []
    after: dict[str, str] = {}
    while True:
        page = http.get("/v1/jobs", params={"tenant": "pages", "pipeline": "slow", "limit": "2", **after}).json()
        found += [job["id"] for job in page["jobs"]]
        if page["next"] is None:
            break
        after = {"after": page["next"]}
    assert found == ids[::-1]
    assert http.get("/v1/jobs", params={"tenant": "pages", "pipeline": "plain"}).json()["jobs"] == []


def test_a_bulk_of_lines_is_accepted_and_a_bad_line_hinders_no_other(http: httpx.Client, house: World) -> None:
    lines = [json.dumps({"pipeline": "plain", "input": f"bulk {n}", "key": f"b{n}"}) for n in range(1200)]
    lines[3], lines[700], lines[701] = "{", json.dumps({"pipeline": "nope", "input": "x"}), '{"pipeline": "plain"}'

    def parts() -> Iterator[bytes]:
        for line in lines:
            yield line.encode() + b"\n"

    def send() -> dict[int, dict[str, Any]]:
        answer = http.post("/v1/jobs:bulk", content=parts(), headers={"Content-Type": "application/x-ndjson"})
        assert answer.status_code == 200, answer.text
        return {row["line"]: row for row in map(json.loads, answer.text.splitlines())}

    results = send()
    assert sorted(results) == list(range(1, 1201))
    assert {line for line, row in results.items() if "error" in row} == {4, 701, 702}
    assert "pipeline 'nope'" in results[701]["error"]
    assert send() == results, "the same keys give the same jobs"
    with house.client() as client:
        assert client.get(results[1200]["id"]).result(60) == "said: bulk 1199"
