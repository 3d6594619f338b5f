"""Gemini's generateContent over a real socket: answers, usage, refusals of bad requests, and what else is there."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import genai_prices
import httpx
import pytest

from emulator import DEFAULT_PROFILES, EmulatorProcess, EmulatorSettings
from emulator.prompt_cache import PromptCache
from emulator.wire import Ask, Message
from tests.emulator.conftest import Start
from tests.emulator.gemini_asking import KEY, MODEL, QUESTION, Gemini, body_of, gemini_of

PROMPT = 8 + 4
SCHEMA = {"type": "OBJECT", "properties": {"answer": {"type": "STRING"}}, "required": ["answer"]}
JSON = {"responseMimeType": "application/json"}
CONFIG = "generation_config"
MIME_TYPES = (
    "allowed mimetypes are `text/plain`, `application/json`, `application/xml`, `application/yaml` and `text/x.enum`."
)
LEVEL = "type.googleapis.com/google.ai.generativelanguage.v1beta.ThinkingConfig.ThinkingLevel"
WEATHER = {"name": "weather", "parameters": {"type": "OBJECT", "properties": {"city": {"type": "STRING"}}}}


@pytest.fixture
def gemini(emulator: EmulatorProcess) -> Iterator[Gemini]:
    there = gemini_of(emulator)
    with there.there.client:
        yield there
        there.there.set_faults()


def content(*parts: dict[str, Any], role: str = "user") -> dict[str, Any]:
    return {"role": role, "parts": list(parts)}


def test_a_known_question_gets_the_bare_answer_and_complete_usage(gemini: Gemini) -> None:
    sent = gemini.post(body_of(), tag="known/$")
    answer = sent.json()
    (row,) = gemini.there.rows(tag="known/$")
    assert answer.pop("responseId") == row["request_id"]
    assert answer == {
        "candidates": [
            {"content": {"parts": [{"text": "Paris"}], "role": "model"}, "finishReason": "STOP", "index": 0},
        ],
        "usageMetadata": {
            "promptTokenCount": PROMPT,
            "candidatesTokenCount": 2,
            "totalTokenCount": PROMPT + 2,
            "promptTokensDetails": [{"modality": "TEXT", "tokenCount": PROMPT}],
            "serviceTier": "standard",
        },
        "modelVersion": MODEL,
    }
    assert sent.headers["x-gemini-service-tier"] == "standard"
    assert (row["api"], row["model"], row["billed"]) == ("gemini", MODEL, True)
    assert row["cost_usd"] == "0.0000165", "12 x 0.75 + 2 x 3.75 USD per million"


def test_both_versions_are_served_and_a_name_may_be_written_in_either_style(gemini: Gemini) -> None:
    body = {
        "contents": [content({"text": QUESTION})],
        "system_instruction": {"parts": [{"text": "Be brief."}]},
        "generation_config": {"max_output_tokens": "1"},
    }
    for version in ("v1", "v1beta"):
        answer = gemini.there.client.post(f"/{version}/models/{MODEL}:generateContent", json=body, headers=KEY).json()
        assert answer["candidates"][0]["content"]["parts"] == [{"text": "Pari"}]
        assert answer["candidates"][0]["finishReason"] == "MAX_TOKENS"
        assert answer["usageMetadata"]["promptTokenCount"] == PROMPT + 3 + 4


def test_earlier_turns_and_what_tools_said_count_and_the_last_question_is_answered(gemini: Gemini) -> None:
    called = {"functionCall": {"name": "weather", "args": {"city": "Rome"}}}
    said = {"functionResponse": {"name": "weather", "response": {"sky": "blue"}}}
    contents = [content({"text": "Hi"}), content(called, role="model"), content(said), content({"text": QUESTION})]
    answer = gemini.post({"contents": contents}).json()
    assert answer["candidates"][0]["content"]["parts"] == [{"text": "Paris"}]
    texts = ["Hi", '{"weather": {"city": "Rome"}}', '{"sky": "blue"}', QUESTION]
    assert answer["usageMetadata"]["promptTokenCount"] == sum(-(-len(text) // 4) + 4 for text in texts)


def test_files_count_by_what_they_are_and_texts_among_them_are_read(gemini: Gemini) -> None:
    def inline(mime_type: str, data: bytes) -> dict[str, Any]:
        return {"inlineData": {"mimeType": mime_type, "data": base64.urlsafe_b64encode(data).decode().rstrip("=")}}

    image, page = inline("image/png", b"\x89PNG\xff\xfe"), inline("application/pdf", b"%PDF")
    far = {"fileData": {"fileUri": "https://example.com/a.mp4", "mimeType": "video/mp4"}}
    answer = gemini.post({"contents": [content(image, page, far, inline("text/plain", QUESTION.encode()))]}).json()
    assert answer["candidates"][0]["content"]["parts"] == [{"text": "Paris"}]
    assert answer["usageMetadata"]["promptTokenCount"] == PROMPT + 3 * 258
    assert answer["usageMetadata"]["promptTokensDetails"] == [
        {"modality": "TEXT", "tokenCount": PROMPT},
        {"modality": "DOCUMENT", "tokenCount": 258},
        {"modality": "IMAGE", "tokenCount": 258},
        {"modality": "VIDEO", "tokenCount": 258},
    ]


def test_counts_of_nothing_are_absent_and_so_are_parts(gemini: Gemini) -> None:
    stopped = gemini.ask(stopSequences=["Pa"])
    assert stopped["candidates"] == [{"content": {}, "finishReason": "STOP", "index": 0}]
    assert "candidatesTokenCount" not in stopped["usageMetadata"]
    cut = gemini.ask(maxOutputTokens=50, thinkingConfig={"thinkingBudget": -1})
    assert cut["candidates"] == [{"content": {"role": "model"}, "finishReason": "MAX_TOKENS", "index": 0}]
    assert cut["usageMetadata"]["thoughtsTokenCount"] == 50


@pytest.mark.parametrize(
    ("thinking", "thoughts"),
    [
        ({"thinkingBudget": -1}, 64),
        ({"thinkingBudget": 20}, 20),
        ({"thinkingBudget": 0}, 0),
        ({"thinkingLevel": "LOW"}, 64),
        ({"thinkingLevel": "minimal"}, 64),
        ({"includeThoughts": True}, 64),
    ],
)
def test_thoughts_are_billed_as_output_and_stand_beside_the_answer(
    gemini: Gemini, thinking: dict[str, Any], thoughts: int
) -> None:
    tag = f"thoughts-{sorted(thinking.items())}/$"
    answer = gemini.post(body_of(thinkingConfig=thinking), tag=tag).json()
    usage, (row,) = answer["usageMetadata"], gemini.there.rows(tag=tag)
    assert usage.get("thoughtsTokenCount", 0) == thoughts
    assert usage["candidatesTokenCount"] == 2
    assert usage["totalTokenCount"] == PROMPT + 2 + thoughts
    assert row["output_tokens"] == 2 + thoughts
    *before, said = answer["candidates"][0]["content"]["parts"]
    assert said == {"text": "Paris"}
    assert [part["thought"] for part in before] == ([True] if thinking.get("includeThoughts") else [])


def test_answers_come_as_json_of_either_schema(gemini: Gemini) -> None:
    by_schema = gemini.ask(**JSON, responseSchema=SCHEMA)
    by_json_schema = gemini.ask(
        **JSON, responseJsonSchema={"type": "object", "properties": {"answer": {"enum": ["Rome", "Paris"]}}}
    )
    without = gemini.ask(**JSON)
    for answer in (by_schema, by_json_schema, without):
        assert answer["candidates"][0]["content"]["parts"] == [{"text": '{"answer": "Paris"}'}]


def test_googles_schema_language_is_understood(gemini: Gemini) -> None:
    schema = {
        "type": "OBJECT",
        "properties": {
            "b": {"type": "ARRAY", "items": {"type": "INTEGER", "minimum": 3, "maximum": 3}, "minItems": "2"},
            "a": {"anyOf": [{"type": "NUMBER", "format": "float"}, {"type": "BOOLEAN"}], "nullable": True},
            "answer": {"type": "STRING", "nullable": True, "example": "x", "title": "T", "enum": ["Paris", "Rome"]},
        },
        "required": ["a", "b", "answer"],
        "propertyOrdering": ["answer", "a", "b"],
    }
    text = gemini.ask(**JSON, responseSchema=schema)["candidates"][0]["content"]["parts"][0]["text"]
    assert text.startswith('{"answer": "Paris", "a": ')
    assert text.endswith('"b": [3, 3]}')


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ({"type": "OBJECT"}, "response_schema.properties: should be non-empty for OBJECT type\n"),
        ({"type": "ARRAY"}, "response_schema.items: missing field.\n"),
        ({"description": "x"}, "response_schema.type: must be specified\n"),
        ({"type": "STRING", "enum": ["a", ""]}, "response_schema.enum[1]: cannot be empty\n"),
        (
            {"type": "OBJECT", "properties": {"n": {"type": "ARRAY"}}},
            "response_schema.properties[n].items: missing field.\n",
        ),
        ({**SCHEMA, "required": ["x"]}, "response_schema.required[0]: property is not defined\n"),
    ],
)
def test_a_schema_that_google_does_not_take_is_refused(gemini: Gemini, schema: dict[str, Any], message: str) -> None:
    error = gemini.refused(body_of(**JSON, responseSchema=schema))
    assert error["message"] == f"* GenerateContentRequest.generation_config.{message}"


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ({"type": "OBJECT", "$schema": "x"}, "Unknown name \"$schema\" at '{}': Cannot find field."),
        (
            {"type": "OBJECT", "properties": {"p": SCHEMA, "q": {"type": ["STRING", "NULL"]}}},
            "Unknown name \"type\" at '{}.properties[1].value': Proto field is not repeating, cannot start list.",
        ),
    ],
)
def test_json_schema_is_not_googles_schema_language(gemini: Gemini, schema: dict[str, Any], message: str) -> None:
    error = gemini.refused(body_of(**JSON, responseSchema=schema))
    told = message.format("generation_config.response_schema")
    assert error["message"] == f"Invalid JSON payload received. {told}"


def test_a_function_is_called_where_it_must_be_or_is_named(gemini: Gemini) -> None:
    tools = {"tools": [{"functionDeclarations": [{"name": "other"}, WEATHER]}]}
    must = {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["weather"]}}
    forced = gemini.post({**body_of(), **tools, "toolConfig": must}).json()
    named = gemini.post({**body_of("Ask weather, please."), **tools}).json()
    never = {"functionCallingConfig": {"mode": "NONE"}}
    silent = gemini.post({**body_of("Ask weather, please."), **tools, "toolConfig": never}).json()
    for answer in (forced, named):
        (part,) = answer["candidates"][0]["content"]["parts"]
        assert part["functionCall"]["name"] == "weather"
        assert part["functionCall"]["args"].keys() == {"city"}
        assert answer["candidates"][0]["finishReason"] == "STOP"
    assert "text" in silent["candidates"][0]["content"]["parts"][0]


def at(field: str, why: str) -> str:
    return f"* GenerateContentRequest.{field}: {why}\n"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, at("contents", "contents is not specified")),
        ({"contents": []}, at("contents", "contents is not specified")),
        ({"contents": [content()]}, at("contents[0].parts", "contents.parts must not be empty.")),
        (
            {"contents": [content({"text": "a"}, {"text": ""})]},
            at("contents[0].parts[1].data", "required oneof field 'data' must have one initialized field"),
        ),
        ({"contents": [content({"text": "a"}, role="system")]}, "Please use a valid role: user, model."),
        (body_of(temperature=5), at(f"{CONFIG}.temperature", "temperature must be in the range [0.0, 2.0].")),
        (body_of(topP=1.5), at(f"{CONFIG}.top_p", "top_p must be in the range [0.0, 1.0].")),
        (body_of(maxOutputTokens=0), at(f"{CONFIG}.max_output_tokens", "max_output_tokens must be positive.")),
        (body_of(stopSequences=[*"abcdef"]), at(f"{CONFIG}.stop_sequences", "at most 5 stop sequences are allowed.")),
        (
            body_of(**JSON, responseSchema=SCHEMA, responseJsonSchema={"type": "object"}),
            at(
                f"{CONFIG}.response_json_schema",
                "only one of response_schema and response_json_schema may be set.",
            ),
        ),
        (
            body_of(responseSchema=SCHEMA),
            at(f"{CONFIG}.response_schema", "only allowed when response_mime_type is `application/json`."),
        ),
        (body_of(responseMimeType="image/png"), at(f"{CONFIG}.response_mime_type", MIME_TYPES)),
        (
            body_of(thinkingConfig={"thinkingBudget": 5, "thinkingLevel": "LOW"}),
            "You can only set only one of thinking budget and thinking level.",
        ),
        (
            body_of(thinkingConfig={"thinkingBudget": 70000}),
            at(
                f"{CONFIG}.thinking_config.thinking_budget",
                "thinking_budget must be in the range [-1, 65535].",
            ),
        ),
        (body_of(candidateCount=2), "Multiple candidates is not enabled for this model"),
        ([], 'Invalid JSON payload received. Unknown name "": Root element must be a message.'),
    ],
)
def test_a_bad_request_is_refused_in_the_words_of_the_api(gemini: Gemini, body: Any, message: str) -> None:
    assert gemini.refused(body)["message"] == message


def test_all_that_has_the_wrong_form_is_told_at_once(gemini: Gemini) -> None:
    broken = content({"inlineData": {"mimeType": "image/png", "data": "no base64!"}})
    config = {"temperature": "hot", "thinkingConfig": {"thinkingLevel": "DEEP"}, "notAField": 1}
    error = gemini.refused({"contents": [broken], "generationConfig": config, "stream": True})
    told = [
        (
            "contents[0].parts[0].inline_data.data",
            "Invalid value at 'contents[0].parts[0].inline_data.data' (TYPE_BYTES), \"no base64!\"",
        ),
        (
            "generation_config.temperature",
            "Invalid value at 'generation_config.temperature' (TYPE_FLOAT), \"hot\"",
        ),
        (
            "generation_config.thinking_config.thinking_level",
            f"Invalid value at 'generation_config.thinking_config.thinking_level' ({LEVEL}), \"DEEP\"",
        ),
        (
            "generation_config",
            "Invalid JSON payload received. Unknown name \"notAField\" at 'generation_config': Cannot find field.",
        ),
        (None, 'Invalid JSON payload received. Unknown name "stream": Cannot find field.'),
    ]
    (details,) = error["details"]
    assert details["@type"] == "type.googleapis.com/google.rpc.BadRequest"
    assert [(each.get("field"), each["description"]) for each in details["fieldViolations"]] == told
    assert error["message"] == "\n".join(text for _, text in told)


def test_what_is_not_json_is_refused_with_the_reason(gemini: Gemini) -> None:
    url = f"/v1beta/models/{MODEL}:generateContent"
    answer = gemini.there.client.post(url, content=b"{x", headers=KEY)
    assert answer.status_code == 400
    assert answer.json()["error"]["message"].startswith("Invalid JSON payload received. Expecting property name")


def test_a_key_comes_in_the_header_or_in_the_address_and_a_wrong_one_is_an_invalid_argument(start: Start) -> None:
    there = gemini_of(start(EmulatorSettings(time_scale=0, require_key="right"))).there.client
    url = f"/v1beta/models/{MODEL}:generateContent"
    assert there.post(url, json=body_of(), headers={"x-goog-api-key": "right"}).status_code == 200
    assert there.post(url, json=body_of(), params={"key": "right"}).status_code == 200
    wrong = there.post(url, json=body_of(), params={"key": "wrong"})
    assert wrong.status_code == 400
    assert wrong.json()["error"]["message"] == "API key not valid. Please pass a valid API key."
    reasons = [detail.get("reason") for detail in wrong.json()["error"]["details"]]
    assert reasons == ["API_KEY_INVALID", None]
    missing = there.post(url, json=body_of())
    assert (missing.status_code, missing.json()["error"]["status"]) == (403, "PERMISSION_DENIED")


@pytest.mark.parametrize("method", ["generateContent", "countTokens"])
@pytest.mark.parametrize("model", ["gemini-0", "gpt-4"])
def test_an_unknown_model_is_not_found_and_neither_is_another_providers(
    gemini: Gemini, method: str, model: str
) -> None:
    answer = gemini.post(body_of(), model=model, method=method)
    assert answer.status_code == 404
    assert answer.json()["error"] == {
        "code": 404,
        "message": f"models/{model} is not found for API version v1beta, or is not supported for {method}. Call "
        "ListModels to see the list of available models and their supported methods.",
        "status": "NOT_FOUND",
    }


def test_tokens_are_counted_as_they_will_be_billed_and_counting_is_free(gemini: Gemini) -> None:
    before = len(gemini.there.rows())
    plain = gemini.post(body_of(), method="countTokens").json()
    whole = {**body_of(), "model": f"models/{MODEL}", "systemInstruction": {"parts": [{"text": "Be brief."}]}}
    both = gemini.post({"generateContentRequest": whole}, method="countTokens").json()
    assert plain == {
        "totalTokens": PROMPT,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": PROMPT}],
    }
    assert both["totalTokens"] == PROMPT + 3 + 4
    assert gemini.post({}, method="countTokens").status_code == 400
    assert len(gemini.there.rows()) == before


def test_the_models_are_told_to_each_provider_by_its_own_key(gemini: Gemini) -> None:
    client = gemini.there.client
    for version in ("v1", "v1beta"):
        listed = client.get(f"/{version}/models", headers=KEY).json()["models"]
        names = [model["name"] for model in listed]
        assert names == ["models/gemini-2.5-flash-lite", "models/gemini-3.6-flash", "models/gemini-2.5-pro"]
        one = client.get(f"/{version}/models/{MODEL}", headers=KEY).json()
        assert one == listed[1]
        assert one["supportedGenerationMethods"] == ["generateContent", "countTokens"]
    openai = {"authorization": "Bearer sk-test"}
    assert client.get("/v1/models", headers=openai).json()["object"] == "list"
    assert client.get("/v1/models/gpt-4", headers=openai).json()["error"]["type"] == "invalid_request_error"
    assert client.get("/v1/models/gpt-4", headers=KEY).json()["error"]["status"] == "NOT_FOUND"
    assert client.post(f"/v1/models/{MODEL}:nonsense", headers=KEY).json()["error"]["status"] == "NOT_FOUND"


def test_the_same_body_to_two_models_is_a_first_attempt_with_each(gemini: Gemini) -> None:
    for model in (MODEL, "gemini-2.5-pro", MODEL):
        gemini.post(body_of("Who is first?"), model=model, tag="first/$")
    assert [row["attempt"] for row in gemini.there.rows(tag="first/$")] == [0, 0, 1]


def test_log_probabilities_are_told_where_they_are_asked_for(gemini: Gemini) -> None:
    (candidate,) = gemini.ask(responseLogprobs=True, logprobs=2)["candidates"]
    chosen = candidate["logprobsResult"]["chosenCandidates"]
    assert [each["token"] for each in chosen] == ["Pari", "s"]
    assert candidate["avgLogprobs"] == pytest.approx(sum(each["logProbability"] for each in chosen) / 2)
    assert [len(each["candidates"]) for each in candidate["logprobsResult"]["topCandidates"]] == [2, 2]
    assert "avgLogprobs" not in gemini.ask()["candidates"][0]


def test_a_body_that_is_too_large_is_an_invalid_argument(gemini: Gemini) -> None:
    url = f"/v1beta/models/{MODEL}:generateContent"
    answer: httpx.Response = gemini.there.client.post(url, content=b" " * (64 * 1024 * 1024 + 1), headers=KEY)
    assert answer.status_code == 400
    assert answer.json()["error"]["message"] == "Request payload size exceeds the limit: 67108864 bytes."


def test_a_long_beginning_that_is_asked_again_is_cached_and_costs_less(gemini: Gemini) -> None:
    long = {"parts": [{"text": "A rule of this house. " * 250}]}  # 1375 tokens, and 4 for the message
    short = {"parts": [{"text": "A rule of this house. " * 100}]}

    def ask(system: Any, text: str, model: str = MODEL) -> Any:
        body = {**body_of(text), "systemInstruction": system}
        return gemini.post(body, model=model, tag="cache/$").json()["usageMetadata"].get("cachedContentTokenCount", 0)

    asked = [(long, "One?"), (long, "Two?"), (long, "Two?"), (short, "One?"), (short, "One?")]
    assert [ask(*each) for each in asked] == [0, 1379, 1379 + 5, 0, 0]
    assert ask(long, "Two?", "gemini-2.5-pro") == 0
    rows = gemini.there.rows(tag="cache/$")
    saved = Decimal(rows[0]["cost_usd"]) - Decimal(rows[1]["cost_usd"])
    extra = (rows[0]["output_tokens"] - rows[1]["output_tokens"]) * Decimal("3.75")
    assert saved == (1379 * (Decimal("0.75") - Decimal("0.075")) + extra).scaleb(-6)


def test_what_is_cached_is_forgotten_in_time() -> None:
    now = [0.0]
    cache = PromptCache(lambda: now[0])
    ask = Ask(MODEL, (Message("system", "x" * 8192), Message("user", "y")))
    assert [cache.recall("key", ask), cache.recall("key", ask), cache.recall("another", ask)] == [0, 2052 + 5, 0]
    now[0] = 299.0
    assert cache.recall("key", ask) == 2057
    now[0] = 700.0
    assert cache.recall("key", ask) == 0


@pytest.mark.parametrize("name", [name for name, each in DEFAULT_PROFILES.items() if each.api == "gemini"])
def test_the_prices_are_the_published_ones(name: str) -> None:
    profile = DEFAULT_PROFILES[name]
    usage = genai_prices.Usage(input_tokens=1000, cache_read_tokens=400, output_tokens=100)
    published = genai_prices.calc_price(usage, name, provider_id="google").total_price
    assert profile.cost(1000, 100, cached_tokens=400) == published
