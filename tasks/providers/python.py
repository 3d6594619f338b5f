"""In-process models: a Python function that takes the prompt and returns an answer (text, or any JSON value)."""

from __future__ import annotations

import asyncio
import inspect
import json
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import asdict
from functools import partial
from importlib import import_module

from pydantic import JsonValue, TypeAdapter, ValidationError

from mirepoix.errors import ConfigError, ProviderError
from mirepoix.prices import Usage
from mirepoix.states import ErrorKind
from tasks.providers.base import Completion, File, OnText, Question, Turn, estimate_tokens

LocalModel = Callable[..., JsonValue]
"""`f(prompt: str)`, or where it has a parameter of that name, `f(prompt: str, files: list[File])`."""
FILES = "files"
_ANSWER: TypeAdapter[JsonValue] = TypeAdapter(JsonValue)
_FILES: TypeAdapter[list[File]] = TypeAdapter(list[File])


class PythonAdapter:
    """Runs each call in a thread of its own, so that one that hangs can be given up and holds up no other.

    Nothing can end a thread: one that was given up goes on until it returns, or the process ends.
    """

    def __init__(self, *, timeout: float) -> None:
        self._timeout = timeout

    def body(self, question: Question) -> dict[str, JsonValue]:
        """What is recorded of the request; an in-process model sees only the prompt and the files."""
        body: dict[str, JsonValue] = {"callable": question.target, "prompt": _prompt(question.turns)}
        files: list[JsonValue] = [asdict(file) for turn in question.turns for file in turn.files]
        return body | {FILES: files} if files else body

    async def send(self, body: dict[str, JsonValue], tag: str, on_text: OnText | None = None) -> Completion:
        """Call the function. Whatever it raises becomes a ProviderError; only the exception's type is told."""
        prompt = str(body["prompt"])
        future = _start(_bound(import_callable(str(body["callable"])), prompt, body.get(FILES)))
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
        if on_text is not None:
            on_text(said)
        usage = Usage(input=estimate_tokens(prompt), output=estimate_tokens(said), estimated=True)
        return Completion(answer=answer, usage=usage, finish_reason="stop")


def _prompt(turns: tuple[Turn, ...]) -> str:
    """The only turn's text; of several, who said what."""
    if len(turns) == 1:
        return turns[0].text
    return "\n\n".join(f"{turn.role.capitalize()}: {turn.written}" for turn in turns)


def _bound(model: LocalModel, prompt: str, files: JsonValue) -> Callable[[], JsonValue]:
    """`model` with its arguments. Raises ProviderError where there are files and it takes none."""
    if _takes_files(model):
        return partial(model, prompt, files=_FILES.validate_python(files or []))
    if files:
        message = "the model takes no files: give its function a parameter called 'files'"
        raise ProviderError(message, kind=ErrorKind.BAD_REQUEST)
    return partial(model, prompt)


def _takes_files(model: LocalModel) -> bool:
    try:
        return FILES in inspect.signature(model).parameters
    except ValueError:  # some functions that are written in C do not tell
        return False


def _start(work: Callable[[], JsonValue]) -> Future[JsonValue]:
    """In a daemon thread, unlike those of an executor: a model that hangs must not keep the process from ending."""
    future: Future[JsonValue] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # noqa: BLE001 - whatever it raises, a SystemExit too, is what came of the call
            future.set_exception(error)

    threading.Thread(target=run, name="mirepoix-model", daemon=True).start()
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
