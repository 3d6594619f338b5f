"""Providers over real sockets: what is sent, what is read, and what each failure is called."""

from __future__ import annotations

import json
import socket
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from mirepoix.config import Api, Provider
from mirepoix.errors import ConfigError, ProviderError
from mirepoix.prices import Usage
from mirepoix.states import ErrorKind
from tasks.call import wait_before_retry
from tasks.providers import open_adapter
from tasks.providers.base import Completion, Question, Turn
from tests.tasks.asking import KEPT, LOOP
from tests.tasks.servers import Served, reply, serving

QUESTION = Question(
    target="the-model", turns=(Turn("user", "Why?"),), system="Be brief.", max_tokens=7, temperature=0.5
)
OPENAI_OK = {
    "choices": [{"message": {"content": "Because."}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 10, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 4}},
}
ANTHROPIC_OK = {
    "content": [{"type": "thinking", "thinking": "…"}, {"type": "text", "text": "Because."}],
    "stop_reason": "end_turn",
    "usage": {
        "input_tokens": 10,
        "output_tokens": 3,
        "cache_creation_input_tokens": 5,
        "cache_read_input_tokens": 4,
    },
}


def ask(url: str, api: Api = Api.OPENAI, **settings: object) -> Completion:
    """Send the question once to the provider at `url`."""
    data = {"api": api, "base_url": url, "key_env": "THE_KEY", "timeout": 1, "connect_timeout": 1, **settings}
    provider = Provider.model_validate(data)
    adapter = open_adapter("p", provider, LOOP, emulator_url=None, environ={"THE_KEY": "sk-secret"})
    KEPT.append(adapter)
    return LOOP.run(adapter.send(adapter.body(QUESTION), "01JOB/$"))


def sent(served: Served) -> tuple[str, dict[str, str], object]:
    """The request line, headers and JSON of the only request."""
    (request,) = served.requests
    head, _, body = request.partition("\r\n\r\n")
    first, *lines = head.split("\r\n")
    return first, {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}, json.loads(body)


def test_openai_is_asked_and_read_as_it_documents_itself() -> None:
    with serving(reply(200, OPENAI_OK, "x-request-id: req-1\r\n")) as served:
        completion = ask(served.url + "/v1/")
    first, headers, body = sent(served)
    assert first == "POST /v1/chat/completions HTTP/1.1"
    assert headers["authorization"] == "Bearer sk-secret"
    assert headers["x-client-request-id"] == "01JOB/$"
    assert body == {
        "model": "the-model",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Why?"}],
        "max_completion_tokens": 7,
        "temperature": 0.5,
    }
    assert completion == Completion("Because.", Usage(input=10, output=3, cached=4), "stop", 200, "req-1")


def test_anthropic_is_asked_and_read_as_it_documents_itself() -> None:
    with serving(reply(200, ANTHROPIC_OK, "request-id: req-2\r\n")) as served:
        completion = ask(served.url, Api.ANTHROPIC)
    first, headers, body = sent(served)
    assert first == "POST /messages HTTP/1.1"
    assert headers["x-api-key"] == "sk-secret"
    assert headers["anthropic-version"] == "2026-10-21"
    assert body == {
        "model": "the-model",
        "max_tokens": 7,
        "messages": [{"role": "user", "content": "Why?"}],
        "system": "Be brief.",
    }
    assert completion == Completion(
        "Because.", Usage(input=19, output=3, cached=4, cache_write=5), "end_turn", 200, "req-2"
    )


def test_usage_that_is_not_reported_is_estimated_and_marked() -> None:
    with serving(reply(200, {"choices": OPENAI_OK["choices"]})) as served:
        usage = ask(served.url).usage
    assert usage.estimated
    assert usage.input > 0
    assert usage.output == 2


@pytest.mark.parametrize(
    ("api", "body"),
    [
        (Api.OPENAI, {"choices": [{"message": {"refusal": "No.", "content": None}, "finish_reason": "stop"}]}),
        (Api.OPENAI, {"choices": [{"message": {"content": None}, "finish_reason": "content_filter"}]}),
        (Api.ANTHROPIC, {"content": [], "stop_reason": "refusal"}),
    ],
)
def test_a_refusal_is_an_answer_that_was_declined(api: Api, body: object) -> None:
    with serving(reply(200, body)) as served:
        assert ask(served.url, api).refused


@pytest.mark.parametrize(
    ("status", "error", "kind", "retryable"),
    [
        (400, {"message": "bad", "type": "invalid_request_error"}, ErrorKind.BAD_REQUEST, False),
        (401, {"message": "no"}, ErrorKind.AUTH, False),
        (402, {"message": "pay", "type": "billing_error"}, ErrorKind.QUOTA, False),
        (403, {"message": "no"}, ErrorKind.AUTH, False),
        (404, {"message": "what"}, ErrorKind.NOT_FOUND, False),
        (408, {}, ErrorKind.OVERLOADED, True),
        (422, "a text", ErrorKind.BAD_REQUEST, False),
        (429, {"message": "slow down", "type": "rate_limit_error"}, ErrorKind.RATE_LIMITED, True),
        (429, {"message": "broke", "code": "insufficient_quota"}, ErrorKind.QUOTA, False),
        (429, {"message": "broke", "details": {"error_code": "enforced_spend_limit_reached"}}, ErrorKind.QUOTA, False),
        (500, {"message": "oops"}, ErrorKind.OVERLOADED, True),
        (529, {"type": "overloaded_error", "message": "busy"}, ErrorKind.OVERLOADED, True),
    ],
)
@pytest.mark.parametrize("api", [Api.OPENAI, Api.ANTHROPIC])
def test_each_status_has_its_kind(api: Api, status: int, error: object, kind: ErrorKind, retryable: bool) -> None:
    with serving(reply(status, {"type": "error", "error": error})) as served, pytest.raises(ProviderError) as caught:
        ask(served.url, api)
    assert (caught.value.kind, caught.value.retryable, caught.value.status) == (kind, retryable, status)
    assert "sk-secret" not in str(caught.value)


@pytest.mark.parametrize(
    "body",
    [
        b"<html>",
        b"[]",
        b"{}",
        b"[" * 100_000,
        {"choices": []},
        {"choices": [{"message": {"content": None}}]},
        {"choices": [{"message": {"content": 7}}]},
        {"error": {"message": "an error with status 200"}},
        {**OPENAI_OK, "usage": {"prompt_tokens": -5, "completion_tokens": 3}},
    ],
)
def test_an_answer_that_breaks_the_format_is_called_so(body: object) -> None:
    with serving(reply(200, body)) as served, pytest.raises(ProviderError) as caught:
        ask(served.url)
    assert caught.value.kind is ErrorKind.BAD_ANSWER


def test_a_connection_that_was_never_made_is_surely_not_billed() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
    with pytest.raises(ProviderError) as caught:
        ask(url)
    assert (caught.value.kind, caught.value.retryable) == (ErrorKind.CONNECT, True)


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{"])
def test_a_connection_that_broke_may_have_been_billed(answer: bytes) -> None:
    with serving(answer) as served, pytest.raises(ProviderError) as caught:
        ask(served.url)
    assert (caught.value.kind, caught.value.retryable) == (ErrorKind.UNKNOWN, True)


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{"])
def test_a_provider_that_falls_silent_is_not_waited_for(answer: bytes) -> None:
    with serving(answer, hold=True) as served, pytest.raises(ProviderError) as caught:
        ask(served.url, timeout=0.3)
    assert (caught.value.kind, caught.value.retryable) == (ErrorKind.TIMEOUT, True)


def test_redirects_are_not_followed() -> None:
    with serving(reply(200, OPENAI_OK)) as target:
        away = reply(302, {}, f"location: {target.url}/chat/completions\r\n")
        with serving(away) as served, pytest.raises(ProviderError):
            ask(served.url)
        assert target.requests == [], "the key would have gone to a stranger"


@pytest.mark.parametrize(
    ("headers", "low", "high"),
    [
        ("retry-after-ms: 250\r\nretry-after: 9\r\n", 0.25, 0.25),
        ("retry-after: 3\r\n", 3, 3),
        ("retry-after: Sun, 06 Nov 1994 08:49:37 GMT\r\n", 0, 0),
    ],
)
def test_a_provider_may_say_how_long_to_wait(headers: str, low: float, high: float) -> None:
    with serving(reply(429, {}, headers)) as served, pytest.raises(ProviderError) as caught:
        ask(served.url)
    assert caught.value.wait is not None
    assert low <= caught.value.wait <= high


def test_a_provider_may_name_the_moment_to_come_back() -> None:
    moment = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    with serving(reply(429, {}, f"retry-after: {moment}\r\n")) as served, pytest.raises(ProviderError) as caught:
        ask(served.url)
    assert caught.value.wait is not None
    assert 60 < caught.value.wait <= 90


@pytest.mark.parametrize("value", ["soon", "-1", "inf", "nan", "1e999", ""])
def test_a_wait_that_makes_no_sense_is_passed_over(value: str) -> None:
    with serving(reply(429, {}, f"retry-after: {value}\r\n")) as served, pytest.raises(ProviderError) as caught:
        ask(served.url)
    assert caught.value.wait is None


def test_a_key_that_a_provider_repeats_is_starred_out() -> None:
    body = {"error": {"message": "Incorrect API key provided: sk-secret.", "code": "invalid_api_key"}}
    with serving(reply(401, body)) as served, pytest.raises(ProviderError) as caught:
        ask(served.url)
    assert "Incorrect API key provided: ***." in str(caught.value)


def test_waits_double_are_spread_and_have_an_end() -> None:
    error = ProviderError("busy", kind=ErrorKind.OVERLOADED, retryable=True)
    waits = [wait_before_retry(error, number, 20) for number in range(20)]
    assert all(wait is not None and 0 <= wait <= min(8, 0.5 * 2**number) for number, wait in enumerate(waits))
    assert len(set(waits)) == 20
    assert wait_before_retry(error, 2, 2) is None
    assert wait_before_retry(ProviderError("no", kind=ErrorKind.AUTH), 0, 2) is None


def test_a_missing_key_is_named_before_any_request() -> None:
    provider = Provider(api=Api.OPENAI, key_env="THE_KEY")
    with pytest.raises(ConfigError, match="provider 'p': the environment variable THE_KEY is not set"):
        open_adapter("p", provider, LOOP, emulator_url=None, environ={})
