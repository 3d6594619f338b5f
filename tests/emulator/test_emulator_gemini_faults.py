"""Faults, quotas and rate limits in Gemini's form, and what the bill says of each."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from emulator import EmulatorProcess, EmulatorSettings, Scenario
from mirepoix.config import Limits
from tests.emulator.asking import tag_of
from tests.emulator.conftest import Start
from tests.emulator.gemini_asking import MODEL, QUESTION, Gemini, body_of, gemini_of

STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    408: "DEADLINE_EXCEEDED",
    409: "ABORTED",
    413: "INVALID_ARGUMENT",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
    529: "UNAVAILABLE",
}


@pytest.fixture
def gemini(emulator: EmulatorProcess) -> Iterator[Gemini]:
    there = gemini_of(emulator)
    with there.there.client:
        yield there
        there.there.set_faults()


def struck_by(gemini: Gemini, kind: str, *, config: dict[str, Any] | None = None, **fault: Any) -> tuple[Any, Any]:
    """The answer, and its row on the bill."""
    gemini.there.set_faults({"kind": kind, **fault})
    tag = tag_of(kind)
    answer = gemini.post(body_of(**(config or {})), tag=tag)
    (row,) = gemini.there.rows(tag=tag)
    assert row["outcome"].startswith(kind)
    return answer, row


def detail(error: dict[str, Any], kind: str) -> Any:
    found = [each for each in error.get("details", ()) if each["@type"] == f"type.googleapis.com/google.rpc.{kind}"]
    return found[0] if found else None


@pytest.mark.parametrize("status", STATUSES)
def test_a_status_comes_in_googles_words_and_is_not_billed(gemini: Gemini, status: int) -> None:
    answer, row = struck_by(gemini, "status", status=status)
    error = answer.json()["error"]
    assert answer.status_code == status
    assert error.keys() == {"code", "message", "status"}
    assert (error["code"], error["status"]) == (503 if status == 529 else status, STATUSES[status])
    assert "retry-after" not in answer.headers
    assert (row["outcome"], row["billed"], row["cost_usd"]) == (f"status_{status}", False, "0")


def test_a_wait_is_told_in_the_body_in_whole_seconds_and_in_no_header(gemini: Gemini) -> None:
    for form in ("seconds", "date"):
        answer, _ = struck_by(gemini, "status", status=429, retry_after=26.2, retry_after_form=form)
        error = answer.json()["error"]
        assert detail(error, "RetryInfo")["retryDelay"] == "27s"
        assert "retry-after" not in answer.headers


def test_a_quota_of_the_day_names_itself_and_a_wait_that_does_not_help(gemini: Gemini) -> None:
    answer, row = struck_by(gemini, "quota")
    error = answer.json()["error"]
    assert (answer.status_code, error["status"], row["billed"]) == (429, "RESOURCE_EXHAUSTED", False)
    (violation,) = detail(error, "QuotaFailure")["violations"]
    assert violation["quotaId"] == "GenerateRequestsPerDayPerProjectPerModel"
    assert violation["quotaDimensions"] == {"location": "global", "model": MODEL}
    assert detail(error, "RetryInfo")["retryDelay"] == "39s"
    assert error["message"].endswith(f", limit: 250, model: {MODEL}\nPlease retry in 39s.")


@pytest.mark.parametrize(("kind", "billed"), [("drop", False), ("billed_then_drop", True), ("drop_mid_body", True)])
def test_a_connection_is_really_reset(gemini: Gemini, kind: str, billed: bool) -> None:
    gemini.there.set_faults({"kind": kind})
    tag = tag_of(kind)
    with pytest.raises(httpx.ReadError):
        gemini.post(body_of(), tag=tag)
    (row,) = gemini.there.rows(tag=tag)
    assert (row["outcome"], row["billed"]) == (kind, billed)


def test_an_answer_is_broken_as_its_fault_says(gemini: Gemini) -> None:
    assert struck_by(gemini, "empty_choices")[0].json()["candidates"] == []
    assert "usageMetadata" not in struck_by(gemini, "no_usage")[0].json()
    wrong = struck_by(gemini, "wrong_usage")[0].json()["usageMetadata"]
    assert (wrong["promptTokenCount"], wrong["totalTokenCount"] < 0) == ("many", True)
    error, row = struck_by(gemini, "error_in_200")
    assert (error.status_code, error.json()["error"]["code"], row["billed"]) == (200, 502, True)
    with pytest.raises(json.JSONDecodeError):
        struck_by(gemini, "malformed")[0].json()


def test_an_answer_is_cut_fenced_or_breaks_its_schema(gemini: Gemini) -> None:
    def candidate(kind: str, **fault: Any) -> Any:
        config = {
            "responseMimeType": "application/json",
            "responseJsonSchema": {"type": "object", "properties": {"answer": {"type": "string"}}},
        }
        return struck_by(gemini, kind, config=config, **fault)[0].json()["candidates"][0]

    assert candidate("length")["finishReason"] == "MAX_TOKENS"
    assert candidate("fenced_json")["content"]["parts"][0]["text"].startswith("```json\n{")
    assert json.loads(candidate("schema_violation")["content"]["parts"][0]["text"]) == {
        "answer": {"unexpected": "Paris"}
    }
    assert candidate("text", text="No.")["content"]["parts"] == [{"text": "No."}]


def test_an_answer_that_a_filter_takes_away_has_a_reason_and_no_content(gemini: Gemini) -> None:
    answer, row = struck_by(gemini, "safety_block")
    (candidate,) = answer.json()["candidates"]
    assert candidate["finishReason"] == "SAFETY"
    assert [rating["blocked"] for rating in candidate["safetyRatings"]] == [True]
    assert "content" not in candidate
    assert (row["billed"], row["output_tokens"]) == (True, 0)


def test_a_prompt_that_is_blocked_has_no_candidates(gemini: Gemini) -> None:
    answer, row = struck_by(gemini, "refusal", config={"thinkingConfig": {"thinkingBudget": 10}})
    told = answer.json()
    assert "candidates" not in told
    assert told["promptFeedback"] == {"blockReason": "PROHIBITED_CONTENT"}
    assert told["usageMetadata"]["promptTokenCount"] == told["usageMetadata"]["totalTokenCount"] == 12
    assert (row["billed"], row["output_tokens"]) == (True, 0)


def test_a_call_of_a_function_whose_arguments_are_no_json_is_malformed(gemini: Gemini) -> None:
    gemini.there.set_faults({"kind": "text", "text": "{oops"})
    tools = [{"functionDeclarations": [{"name": "weather"}]}]
    choice = {"functionCallingConfig": {"mode": "ANY"}}
    (candidate,) = gemini.post({**body_of(), "tools": tools, "toolConfig": choice}).json()["candidates"]
    assert candidate == {"content": {}, "finishReason": "MALFORMED_FUNCTION_CALL", "index": 0}


def test_a_stream_is_the_answer_in_responses_without_an_end_mark(gemini: Gemini) -> None:
    read = gemini.stream(body_of(), tag="stream/$")
    texts = [response["candidates"][0]["content"]["parts"][0]["text"] for response in read.data]
    assert texts == ["Pari", "s", ""]
    assert read.reasons() == ["STOP"]
    assert len({response["responseId"] for response in read.data}) == 1
    totals = [response["usageMetadata"]["totalTokenCount"] for response in read.data]
    assert totals == [12, 12, 14], "only the last one knows all of it"
    (row,) = gemini.there.rows(tag="stream/$")
    assert row["request_id"] == read.data[0]["responseId"]
    assert (row["outcome"], row["input_tokens"], row["output_tokens"]) == ("ok", 12, 2)


def test_a_stream_may_be_one_growing_list(gemini: Gemini) -> None:
    answer = gemini.post(body_of(), method="streamGenerateContent")
    assert answer.headers["content-type"] == "application/json"
    *before, last = answer.json()
    assert "".join(each["candidates"][0]["content"]["parts"][0]["text"] for each in before) == "Paris"
    assert last["candidates"][0]["finishReason"] == "STOP"
    refused = gemini.post({}, method="streamGenerateContent")
    assert refused.status_code == 400
    assert [error["error"]["status"] for error in refused.json()] == ["INVALID_ARGUMENT"]
    gemini.there.set_faults({"kind": "empty_choices"})
    assert [each["candidates"] for each in gemini.post(body_of(), method="streamGenerateContent").json()] == [[]]


def test_thoughts_and_function_calls_are_streamed_whole(gemini: Gemini) -> None:
    thinking = gemini.stream(body_of(thinkingConfig={"includeThoughts": True})).data
    assert [response["candidates"][0]["content"]["parts"][0].get("thought", False) for response in thinking] == [
        True,
        False,
        False,
        False,
    ]
    tools = [{"functionDeclarations": [{"name": "weather", "parameters": {"type": "OBJECT", "properties": CITY}}]}]
    (called,) = gemini.stream({**body_of("Ask weather."), "tools": tools}).data
    (part,) = called["candidates"][0]["content"]["parts"]
    assert part["functionCall"]["args"].keys() == {"city"}
    assert called["candidates"][0]["finishReason"] == "STOP"


CITY = {"city": {"type": "STRING"}}


@pytest.mark.parametrize(
    ("fault", "text", "reasons"),
    [
        ({"kind": "stream_cut"}, "Pari", []),
        ({"kind": "stream_stall", "seconds": 0.1, "after_chunks": 1}, "Paris", ["STOP"]),
        ({"kind": "stream_error_event"}, "Pari", []),
        ({"kind": "safety_block"}, "", ["SAFETY"]),
        ({"kind": "refusal"}, "", []),
        ({"kind": "length"}, "Pari", ["MAX_TOKENS"]),
        ({"kind": "no_usage"}, "Paris", ["STOP"]),
    ],
)
def test_a_stream_goes_wrong_as_its_fault_says(
    gemini: Gemini, fault: dict[str, Any], text: str, reasons: list[str]
) -> None:
    gemini.there.set_faults(fault)
    read = gemini.stream(body_of(), tag=f"{fault['kind']}.stream/$")
    assert read.error is None
    assert (read.text(), read.reasons()) == (text, reasons)
    (row,) = gemini.there.rows(tag=f"{fault['kind']}.stream/$")
    assert (row["outcome"], row["billed"]) == (fault["kind"], True)
    if fault["kind"] == "stream_error_event":
        assert (read.data[-1]["error"]["code"], read.data[-1]["error"]["status"]) == (503, "UNAVAILABLE")
    if fault["kind"] == "refusal":
        assert read.data[-1]["promptFeedback"]["blockReason"] == "PROHIBITED_CONTENT"
    assert any("usageMetadata" in response for response in read.data) == (fault["kind"] != "no_usage")


def test_a_dropped_stream_is_really_reset_and_a_broken_one_breaks_off_in_its_json(gemini: Gemini) -> None:
    gemini.there.set_faults({"kind": "stream_drop"})
    dropped = gemini.stream(body_of())
    assert isinstance(dropped.error, httpx.ReadError)
    assert dropped.text() == "Pari"
    gemini.there.set_faults({"kind": "malformed"})
    assert isinstance(gemini.stream(body_of()).data[-1], str)


def test_beyond_a_limit_the_quota_is_named_with_the_wait_and_only_the_prompt_counts(start: Start) -> None:
    limits = Scenario(rate_limits={"gemini": Limits(rpm=600, tpm=30)})
    gemini = gemini_of(start(EmulatorSettings(time_scale=0, scenario=limits)))
    body = body_of(QUESTION, maxOutputTokens=60_000)
    answers = [gemini.post(body) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429], "12 tokens each, whatever it may answer"
    assert not [name for answer in answers for name in answer.headers if "ratelimit" in name or name == "retry-after"]
    error = answers[-1].json()["error"]
    (violation,) = detail(error, "QuotaFailure")["violations"]
    assert violation["quotaId"] == "GenerateContentInputTokensPerModelPerMinute"
    assert violation["quotaValue"] == "30"
    assert detail(error, "RetryInfo")["retryDelay"] in ("11s", "12s")
    assert "generate_content_input_token_count, limit: 30, model: " in error["message"]
