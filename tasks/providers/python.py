"""In-process models: a Python function that takes the prompt and returns an answer (text, or any JSON value)."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from concurrent.futures import Future
from importlib import import_module

from pydantic import JsonValue, TypeAdapter, ValidationError

from mirepoix.errors import ConfigError, ProviderError
from mirepoix.prices import Usage
from mirepoix.states import ErrorKind
from tasks.providers.base import Completion, Question, estimate_tokens

LocalModel = Callable[[str], JsonValue]
_ANSWER: TypeAdapter[JsonValue] = TypeAdapter(JsonValue)


class PythonAdapter:
    """Runs each call in a thread of its own, so that one that hangs can be given up and holds up no other.

    Nothing can end a thread: one that was given up goes on until it returns, or the process ends.
    """

    def __init__(self, *, timeout: float) -> None:
        self._timeout = timeout

    def body(self, question: Question) -> dict[str, JsonValue]:
        """What is recorded of the request; an in-process model sees only the prompt."""
        return {"callable": question.target, "prompt": question.prompt}

    async def send(self, body: dict[str, JsonValue], tag: str) -> Completion:
        """Call the function. Whatever it raises becomes a ProviderError; only the exception's type is told."""
        prompt = str(body["prompt"])
        future = _start(import_callable(str(body["callable"])), prompt)
        try:
            async with asyncio.timeout(self._timeout):
                await _ended(future)
        except TimeoutError as error:
            message = f"the model did not return within {self._timeout:g} s"
            raise ProviderError(message, kind=ErrorKind.TIMEOUT) from error
        broken = future.exception()
        if broken is not None:
            raise ProviderError(f"the model raised {type(broken).__name__}", kind=ErrorKind.LOCAL) from broken
        try:
            answer = _ANSWER.validate_python(future.result(), strict=True)
        except ValidationError as error:
            raise ProviderError("the model returned something that is not JSON", kind=ErrorKind.BAD_ANSWER) from error
        said = answer if isinstance(answer, str) else json.dumps(answer)
        usage = Usage(input=estimate_tokens(prompt), output=estimate_tokens(said), estimated=True)
        return Completion(answer=answer, usage=usage, finish_reason="stop")


def _start(model: LocalModel, prompt: str) -> Future[JsonValue]:
    """In a daemon thread, unlike those of an executor: a model that hangs must not keep the process from ending."""
    future: Future[JsonValue] = Future()

    def work() -> None:
        try:
            future.set_result(model(prompt))
        except BaseException as error:  # noqa: BLE001 - whatever it raises, a SystemExit too, is what came of the call
            future.set_exception(error)

    threading.Thread(target=work, name="mirepoix-model", daemon=True).start()
    return future


async def _ended(future: Future[JsonValue]) -> None:
    """Wait for it without raising what it raised: a SystemExit of a model must not end the loop."""
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    future.add_done_callback(lambda _: loop.call_soon_threadsafe(ended.set))
    await ended.wait()


def import_callable(target: str) -> LocalModel:
    """The function that `module:function` names; raises ConfigError."""
    module, _, name = target.partition(":")
    try:
        found: LocalModel = getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"callable {target!r} cannot be imported: {error}.") from error
    return found
