"""Mirepoix's own adapters read the emulator's streams: the same answer as without, and no broken one as an answer."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from emulator import EmulatorProcess
from emulator.profiles import WireApi
from mirepoix.config import Api, Provider
from mirepoix.errors import ProviderError
from mirepoix.states import ErrorKind
from tasks.loop import Loop
from tasks.providers import open_adapter
from tasks.providers.base import Adapter, Completion, Question, Tool, Turn
from tests.emulator import asking
from tests.emulator.asking import Asking

LOOP = Loop()
MODELS: dict[WireApi, str] = {**asking.MODELS, "gemini": "gemini-2.5-flash-lite"}
APIS = tuple(MODELS)
KEPT: list[Adapter] = []
QUESTION = Question("", (Turn("user", "Why is the sky blue?"),), system=None, max_tokens=200, temperature=None)
SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"], "additionalProperties": False}


def send(
    emulator: EmulatorProcess, api: WireApi, *, stream: bool, timeout: float = 20, **said: Any
) -> tuple[Completion, str]:
    """One question, as a stream or not; the answer, and the pieces joined."""
    adapter = open_adapter(api, Provider(api=Api(api), timeout=timeout), LOOP, emulator_url=emulator.url)
    KEPT.append(adapter)
    pieces: list[str] = []
    body = adapter.body(replace(QUESTION, target=MODELS[api], **said))
    return LOOP.run(adapter.send(body, "01JOB/$", pieces.append if stream else None)), "".join(pieces)


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("said", [{}, {"schema": SCHEMA}, {"max_tokens": 3}])
def test_a_stream_gives_the_same_answer(
    emulated: Asking, emulator: EmulatorProcess, api: WireApi, said: dict[str, Any]
) -> None:
    whole, _ = send(emulator, api, stream=False, **said)
    streamed, pieces = send(emulator, api, stream=True, **said)
    assert pieces == streamed.answer
    assert streamed.usage.input == whole.usage.input
    assert streamed.usage.output > 0
    assert (streamed.finish_reason, streamed.usage.estimated) == (whole.finish_reason, False)


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ({"kind": "stream_cut"}, ErrorKind.BAD_ANSWER),
        ({"kind": "stream_drop"}, ErrorKind.UNKNOWN),
        ({"kind": "stream_error_event"}, ErrorKind.OVERLOADED),
        ({"kind": "stream_stall", "seconds": 30}, ErrorKind.TIMEOUT),
        ({"kind": "malformed"}, ErrorKind.BAD_ANSWER),
        ({"kind": "status", "status": 529}, ErrorKind.OVERLOADED),
    ],
)
def test_a_broken_stream_is_no_answer(
    emulated: Asking, emulator: EmulatorProcess, api: WireApi, fault: dict[str, Any], kind: ErrorKind
) -> None:
    emulated.set_faults(fault)
    with pytest.raises(ProviderError) as caught:
        send(emulator, api, stream=True, timeout=1.0)
    assert (caught.value.kind, caught.value.retryable) == (kind, True)


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("stream", [False, True])
def test_the_model_asks_for_the_tool_that_it_must(
    emulated: Asking, emulator: EmulatorProcess, api: WireApi, stream: bool
) -> None:
    tool = Tool("look_up", "Find it.", {"type": "object", "properties": {"word": {"type": "string"}}})
    completion, _ = send(emulator, api, stream=stream, tools=(tool,), tool_choice="required")
    (call,) = completion.tool_calls
    assert call.name == "look_up"
    assert isinstance(call.arguments, dict)


def test_openai_tells_how_sure_it_was(emulated: Asking, emulator: EmulatorProcess) -> None:
    for stream in (False, True):
        completion, _ = send(emulator, "openai", stream=stream, logprobs=True)
        assert completion.logprob is not None
        assert completion.logprob <= 0
