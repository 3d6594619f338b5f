"""Streamed answers over a real socket: their events, their times, and their rows on the bill."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import httpx
import pytest

from emulator import DEFAULT_PROFILES, EmulatorProcess, EmulatorSettings, Scenario
from emulator.profiles import WireApi
from mirepoix.config import Limits
from tests.emulator.asking import APIS, KEYS, MODELS, Asking, asking, tag_of
from tests.emulator.streaming import PATHS, body_of, read_stream

Start = Callable[[EmulatorSettings], EmulatorProcess]

QUESTION = "What is the capital of France?"
TOOL: dict[str, Any] = {"type": "object", "properties": {"answer": {"type": "string"}}, "required": ["answer"]}
SLOW = {
    name: replace(DEFAULT_PROFILES[name], ttft_median=2, ttft_sigma=0, tokens_per_second=10) for name in MODELS.values()
}
"""2 s to the first token, 0.1 s for each: at a scale of 0.1, 0.2 s and 10 ms."""


def test_openai_streams_the_role_the_tokens_the_end_the_usage_and_done(emulated: Asking) -> None:
    read = read_stream(emulated, "openai", QUESTION)
    role, pari, s, end, usage, done = read.data
    assert role["choices"][0]["delta"] == {"role": "assistant", "content": "", "refusal": None}
    assert [event["choices"][0]["delta"] for event in (pari, s, end)] == [{"content": "Pari"}, {"content": "s"}, {}]
    assert [event["choices"][0]["finish_reason"] for event in (role, pari, s, end)] == [None, None, None, "stop"]
    assert usage["choices"] == []
    assert (usage["usage"]["prompt_tokens"], usage["usage"]["completion_tokens"]) == (12, 2)
    assert {event["usage"] for event in (role, pari, s, end)} == {None}
    assert len({event["id"] for event in read.data[:-1]}) == 1
    assert {event["object"] for event in read.data[:-1]} == {"chat.completion.chunk"}
    assert (done, set(read.names)) == ("[DONE]", {None})


def test_openai_tells_no_usage_unless_asked(emulated: Asking) -> None:
    read = read_stream(emulated, "openai", QUESTION, stream_options=None)
    assert not any("usage" in event for event in read.data[:-1])
    assert read.is_complete()


def test_anthropic_streams_the_message_its_block_the_tokens_the_end_and_the_usage(emulated: Asking) -> None:
    read = read_stream(emulated, "anthropic", QUESTION)
    assert read.names == [
        "message_start",
        "content_block_start",
        "ping",
        "content_block_delta",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    assert [event["type"] for event in read.data] == read.names
    start, block, _, *deltas, _, end, _ = read.data
    assert (start["message"]["content"], start["message"]["stop_reason"]) == ([], None)
    assert start["message"]["usage"]["input_tokens"] == 12
    assert block["content_block"] == {"type": "text", "text": ""}
    assert [delta["delta"]["text"] for delta in deltas] == ["Pari", "s"]
    assert end["delta"]["stop_reason"] == "end_turn"
    assert end["usage"]["output_tokens"] == 2


@pytest.mark.parametrize("api", APIS)
def test_a_tool_call_is_streamed_in_pieces_of_its_json(emulated: Asking, api: WireApi) -> None:
    if api == "openai":
        tools: dict[str, Any] = {
            "tools": [{"type": "function", "function": {"name": "note", "parameters": TOOL}}],
            "tool_choice": "required",
        }
    else:
        tools = {"tools": [{"name": "note", "input_schema": TOOL}], "tool_choice": {"type": "any"}}
    read = read_stream(emulated, api, QUESTION, **tools)
    if api == "openai":
        calls = [
            call
            for event in read.data[:-1]
            for choice in event["choices"]
            for call in choice["delta"].get("tool_calls", ())
        ]
        assert calls[0]["function"] == {"name": "note", "arguments": ""}
        assert calls[0]["id"].startswith("call_")
        told = "".join(call["function"]["arguments"] for call in calls)
        assert read.data[-3]["choices"][0]["finish_reason"] == "tool_calls"
    else:
        block = read.data[1]["content_block"]
        assert (block["type"], block["name"], block["input"]) == ("tool_use", "note", {})
        told = "".join(event["delta"].get("partial_json", "") for event in read.data if "delta" in event)
        assert read.data[-2]["delta"]["stop_reason"] == "tool_use"
    assert json.loads(told) == {"answer": "Paris"}


@pytest.mark.parametrize("api", APIS)
def test_characters_of_several_bytes_come_whole(emulated: Asking, api: WireApi) -> None:
    said = "Grüße: 日本語と emoji 😀😀, naïve."
    emulated.set_faults({"kind": "text", "text": said})
    assert read_stream(emulated, api).text() == said


@pytest.mark.parametrize("api", APIS)
def test_the_tokens_come_at_the_pace_of_the_profile(start: Start, api: WireApi) -> None:
    with asking(start(EmulatorSettings(time_scale=0.1, models=SLOW))).client as client:
        read = read_stream(Asking(client), api, "What may that be?")
    tokens = read.usage()["completion_tokens" if api == "openai" else "output_tokens"]
    (first,) = {round(at, 1) for at in read.times[:2]}
    assert 0.2 <= first < 0.6
    spread = read.times[-1] - read.times[0]
    assert spread >= 0.01 * tokens * 0.7, "a token each 10 ms, give or take the day's speed"
    assert len({round(at, 3) for at in read.times}) > tokens / 2, "they do not come all at once"


@pytest.mark.parametrize("api", APIS)
def test_a_stream_is_on_the_bill_like_any_other_call_before_its_last_event(emulated: Asking, api: WireApi) -> None:
    tag = tag_of("billed")
    read = read_stream(emulated, api, QUESTION, tag=tag)
    (row,) = emulated.rows(tag=tag)
    assert read.is_complete()
    assert (row["outcome"], row["billed"], row["input_tokens"], row["output_tokens"]) == ("ok", True, 12, 2)
    assert row["cost_usd"] != "0"
    assert row["latency"] > 0


def wait_for_row(there: Asking, tag: str) -> dict[str, Any]:
    deadline = time.monotonic() + 10
    while not (rows := there.rows(tag=tag)):
        assert time.monotonic() < deadline, "the row never came"
        time.sleep(0.01)
    (row,) = rows
    return row


@pytest.mark.parametrize("api", APIS)
def test_a_client_that_goes_away_in_the_middle_is_recorded_as_such(start: Start, api: WireApi) -> None:
    there = asking(start(EmulatorSettings(time_scale=0.1, models=SLOW)))
    headers = {**KEYS, "x-client-request-id": "gone/$"}
    with there.client.stream("POST", PATHS[api], json=body_of(api, "What?"), headers=headers) as answer:
        next(answer.iter_raw())
    row = wait_for_row(there, "gone/$")
    assert (row["outcome"], row["billed"]) == ("client_gone", True)
    there.client.close()


def test_a_stream_counts_against_the_concurrency_until_it_ends(start: Start) -> None:
    limits = Scenario(rate_limits={"openai": Limits(concurrency=1)})
    there = asking(start(EmulatorSettings(time_scale=0.1, models=SLOW, scenario=limits)))
    reader = threading.Thread(target=read_stream, args=(there, "openai"))
    reader.start()
    statuses = list[int]()
    while reader.is_alive():
        with httpx.Client(base_url=there.client.base_url, trust_env=False, headers=KEYS) as other:
            statuses.append(other.post(PATHS["openai"], json=body_of("openai", "x", model="none")).status_code)
            quick = body_of("openai", "x", stream=False, stream_options=None)
            statuses.append(other.post(PATHS["openai"], json=quick).status_code)
    reader.join()
    assert 429 in statuses
    assert read_stream(there, "openai").is_complete()
    there.client.close()
