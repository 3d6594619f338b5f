"""What Mirepoix's own adapters make of each fault: the emulator is as true to life as its consumers need."""

from __future__ import annotations

from typing import Any

import pytest

from emulator import EmulatorProcess
from emulator.profiles import WireApi
from mirepoix.config import Api, Provider
from mirepoix.errors import ProviderError
from mirepoix.states import ErrorKind
from tasks.loop import Loop
from tasks.providers import open_adapter
from tasks.providers.base import Adapter, Completion, Question, Turn
from tests.emulator.asking import APIS, MODELS, Asking

LOOP = Loop()


@pytest.fixture(scope="session")
def adapters(emulator: EmulatorProcess) -> dict[WireApi, Adapter]:
    """One for each provider; they are never closed, like those of a worker."""
    return {api: adapter_for(emulator, api, timeout=20) for api in APIS}


def adapter_for(emulator: EmulatorProcess, api: WireApi, timeout: float) -> Adapter:
    return open_adapter(api, Provider(api=Api(api), timeout=timeout), LOOP, emulator_url=emulator.url)


def send(adapter: Adapter, api: WireApi) -> Completion:
    question = Question(MODELS[api], (Turn("user", "Why?"),), system=None, max_tokens=50, temperature=None)
    return LOOP.run(adapter.send(adapter.body(question), "01JOB/$"))


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize(
    ("fault", "kind", "retryable"),
    [
        ({"kind": "status", "status": 400}, ErrorKind.BAD_REQUEST, False),
        ({"kind": "status", "status": 401}, ErrorKind.AUTH, False),
        ({"kind": "status", "status": 403}, ErrorKind.AUTH, False),
        ({"kind": "status", "status": 404}, ErrorKind.NOT_FOUND, False),
        ({"kind": "status", "status": 408}, ErrorKind.OVERLOADED, True),
        ({"kind": "status", "status": 409}, ErrorKind.OVERLOADED, True),
        ({"kind": "status", "status": 413}, ErrorKind.BAD_REQUEST, False),
        ({"kind": "status", "status": 429}, ErrorKind.RATE_LIMITED, True),
        ({"kind": "status", "status": 500}, ErrorKind.OVERLOADED, True),
        ({"kind": "status", "status": 502}, ErrorKind.OVERLOADED, True),
        ({"kind": "status", "status": 503}, ErrorKind.OVERLOADED, True),
        ({"kind": "status", "status": 504}, ErrorKind.OVERLOADED, True),
        ({"kind": "status", "status": 529}, ErrorKind.OVERLOADED, True),
        ({"kind": "quota"}, ErrorKind.QUOTA, False),
        ({"kind": "drop"}, ErrorKind.UNKNOWN, True),
        ({"kind": "drop_mid_body"}, ErrorKind.UNKNOWN, True),
        ({"kind": "billed_then_drop"}, ErrorKind.UNKNOWN, True),
        ({"kind": "hang", "seconds": 0.1}, ErrorKind.UNKNOWN, True),
        ({"kind": "malformed"}, ErrorKind.BAD_ANSWER, True),
        ({"kind": "html_200"}, ErrorKind.BAD_ANSWER, True),
        ({"kind": "empty_choices"}, ErrorKind.BAD_ANSWER, True),
        ({"kind": "wrong_usage"}, ErrorKind.BAD_ANSWER, True),
        ({"kind": "error_in_200"}, ErrorKind.OVERLOADED, True),
        ({"kind": "invalid_utf8"}, ErrorKind.BAD_ANSWER, True),
        ({"kind": "deep_body"}, ErrorKind.BAD_ANSWER, True),
        ({"kind": "huge_body"}, ErrorKind.BAD_ANSWER, False),
        ({"kind": "endless_stream"}, ErrorKind.BAD_ANSWER, False),
    ],
)
def test_each_fault_has_its_kind_and_the_next_call_is_answered(
    emulated: Asking,
    adapters: dict[WireApi, Adapter],
    api: WireApi,
    fault: dict[str, Any],
    kind: ErrorKind,
    retryable: bool,
) -> None:
    emulated.set_faults({**fault, "times": 1})
    with pytest.raises(ProviderError) as caught:
        send(adapters[api], api)
    assert (caught.value.kind, caught.value.retryable) == (kind, retryable)
    assert send(adapters[api], api).answer


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("kind", ["hang", "slow"])
def test_silence_is_a_time_out(emulated: Asking, emulator: EmulatorProcess, api: WireApi, kind: str) -> None:
    emulated.set_faults({"kind": kind, "seconds": 60})
    with pytest.raises(ProviderError) as caught:
        send(adapter_for(emulator, api, timeout=0.2), api)
    assert (caught.value.kind, caught.value.retryable) == (ErrorKind.TIMEOUT, True)


@pytest.mark.parametrize("api", APIS)
def test_an_answer_without_usage_is_estimated_and_a_slow_one_awaited(
    emulated: Asking, adapters: dict[WireApi, Adapter], api: WireApi
) -> None:
    emulated.set_faults({"kind": "no_usage", "times": 1}, {"kind": "slow", "seconds": 0.2, "times": 1})
    assert send(adapters[api], api).usage.estimated
    assert not send(adapters[api], api).usage.estimated


@pytest.mark.parametrize(
    ("api", "form", "least", "most"),
    [
        ("openai", "seconds", 1.5, 1.5),  # to the millisecond
        ("anthropic", "seconds", 2, 2),
        ("openai", "date", 0.5, 2.5),  # a date has whole seconds
        ("anthropic", "date", 0.5, 2.5),
    ],
)
def test_the_wait_that_an_error_asks_for_is_read_in_each_form(
    emulated: Asking, adapters: dict[WireApi, Adapter], api: WireApi, form: str, least: float, most: float
) -> None:
    emulated.set_faults({"kind": "status", "status": 429, "retry_after": 1.5, "retry_after_form": form})
    with pytest.raises(ProviderError) as caught:
        send(adapters[api], api)
    assert caught.value.wait is not None
    assert least <= caught.value.wait <= most
