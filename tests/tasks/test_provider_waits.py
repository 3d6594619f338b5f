"""How long providers ask to be left alone, in each of their ways to say so."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import httpx
import pytest

from mirepoix.config import Api
from mirepoix.errors import ProviderError
from tasks.providers.waits import asked_wait, go_duration
from tests.tasks.asking import ask
from tests.tasks.servers import reply


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("12ms", 0.012),
        ("1s", 1),
        ("6m0s", 360),
        ("1h2m3.5s", 3723.5),
        ("7.66s", 7.66),
        ("500µs", 0.0005),
        ("0s", 0),
        ("", None),
        ("5", None),
        ("-1s", None),
        ("1d", None),
        ("s", None),
        ("1s " * 3, None),
        ("9" * 40 + "s", None),
    ],
)
def test_durations_as_go_writes_them(text: str, seconds: float | None) -> None:
    assert go_duration(text) == (None if seconds is None else pytest.approx(seconds))


def limits(**said: str) -> dict[str, str]:
    return {f"x-ratelimit-{name.replace('_', '-')}": value for name, value in said.items()}


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        (limits(limit_requests="60", remaining_requests="0", reset_requests="1m0s"), 60),
        (limits(limit_requests="60", remaining_requests="7", reset_requests="1m0s"), None),
        (
            limits(limit_requests="60", remaining_requests="0", reset_requests="2s")
            | limits(limit_tokens="1000", remaining_tokens="0", reset_tokens="9s"),
            9,
        ),
        (limits(limit_requests="-1", remaining_requests="0", reset_requests="1m0s"), None),  # Azure: no real limit
        (limits(limit_requests="0", remaining_requests="0", reset_requests="1m0s"), None),
        (limits(limit_requests="60", remaining_requests="0", reset_requests="soon"), None),
        (limits(limit_requests="60", remaining_requests="0", reset_requests="99h"), 3600),
    ],
)
def test_what_ran_out_says_when_it_is_full_again(headers: dict[str, str], seconds: float | None) -> None:
    assert asked_wait(headers, None) == seconds
    assert asked_wait(headers | {"retry-after": "4"}, None) == 4


def test_anthropic_names_the_moment() -> None:
    moment = (datetime.now(UTC) + timedelta(seconds=30)).isoformat(timespec="seconds").replace("+00:00", "Z")
    names = ("limit", "50"), ("remaining", "0"), ("reset", moment)
    headers = httpx.Headers({f"anthropic-ratelimit-input-tokens-{name}": value for name, value in names})
    wait = asked_wait(headers, None)
    assert wait is not None
    assert 28 <= wait <= 30


def test_a_wait_is_an_hour_at_the_most() -> None:
    assert asked_wait(httpx.Headers({"retry-after": "999999999"}), None) == 3600


def test_a_wait_that_comes_with_an_answer_means_nothing() -> None:
    body = {"choices": [{"message": {"content": "x"}, "finish_reason": "stop"}]}
    assert ask(reply(200, body, "retry-after: 60\r\n"), Api.OPENAI).completion.answer == "x"


@pytest.mark.parametrize(("status", "said", "retryable"), [(500, "false", False), (400, "true", True)])
def test_a_server_may_know_better_whether_to_ask_again(status: int, said: str, retryable: bool) -> None:
    with pytest.raises(ProviderError) as caught:
        ask(reply(status, {"error": {"message": "m"}}, f"x-should-retry: {said}\r\n"), Api.OPENAI)
    assert caught.value.retryable is retryable
