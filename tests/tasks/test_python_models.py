"""In-process models: whatever they do comes back as an answer or as a ProviderError."""

from __future__ import annotations

import subprocess
import sys
import threading
import time

import pytest
from pydantic import JsonValue

from mirepoix.errors import ConfigError, ProviderError
from mirepoix.states import ErrorKind
from tasks.loop import Loop
from tasks.providers.base import File, Question, Turn
from tasks.providers.python import PythonAdapter, import_callable

HERE = __name__
LOOP = Loop()


def shout(prompt: str) -> str:
    """A model."""
    return prompt.upper()


def count(prompt: str) -> JsonValue:
    """A model that answers with data."""
    return {"words": len(prompt.split())}


def look(prompt: str, files: list[File]) -> JsonValue:
    """A model that sees."""
    return [prompt, *(part for file in files for part in (file.media_type, file.data, file.name))]


def fail(prompt: str) -> str:
    """A model that breaks."""
    raise ValueError(f"cannot read {prompt}")


def hang(prompt: str) -> str:
    """A model that takes its time."""
    time.sleep(2)
    return prompt


def nonsense(prompt: str) -> object:
    """A model whose answer cannot be written down."""
    return object()


def leave(prompt: str) -> str:
    """A model that wants the process to end."""
    raise SystemExit(3)


def ask(adapter: PythonAdapter, name: str, prompt: str = "two words") -> JsonValue:
    """Send one prompt to a function of this module."""
    question = Question(
        target=f"{HERE}:{name}", turns=(Turn("user", prompt),), system=None, max_tokens=10, temperature=None
    )
    return LOOP.run(adapter.send(adapter.body(question), "01JOB/$")).answer


@pytest.fixture
def adapter() -> PythonAdapter:
    """One that loses patience soon."""
    return PythonAdapter(timeout=0.3)


def test_text_and_data_come_back(adapter: PythonAdapter) -> None:
    assert ask(adapter, "shout") == "TWO WORDS"
    assert ask(adapter, "count") == {"words": 2}


def send(adapter: PythonAdapter, name: str, *turns: Turn) -> JsonValue:
    """Put a conversation to a function of this module."""
    question = Question(f"{HERE}:{name}", turns, system=None, max_tokens=10, temperature=None)
    return LOOP.run(adapter.send(adapter.body(question), "01JOB/$")).answer


def test_files_go_to_a_model_that_has_a_place_for_them(adapter: PythonAdapter) -> None:
    picture = File("image/png", data="AAAA", name="a.png")
    assert send(adapter, "look", Turn("user", "what?", (picture,))) == ["what?", "image/png", "AAAA", "a.png"]
    assert send(adapter, "look", Turn("user", "what?")) == ["what?"]
    with pytest.raises(ProviderError, match="takes no files: give its function a parameter called 'files'") as caught:
        send(adapter, "shout", Turn("user", "what?", (picture,)))
    assert (caught.value.kind, caught.value.retryable) == (ErrorKind.BAD_REQUEST, False)


def test_a_conversation_is_told_as_who_said_what(adapter: PythonAdapter) -> None:
    turns = Turn("user", "a"), Turn("assistant", "b"), Turn("user", "c")
    assert send(adapter, "shout", *turns) == "USER: A\n\nASSISTANT: B\n\nUSER: C"


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("fail", ErrorKind.LOCAL),
        ("leave", ErrorKind.LOCAL),
        ("hang", ErrorKind.TIMEOUT),
        ("nonsense", ErrorKind.BAD_ANSWER),
    ],
)
def test_a_break_is_told_without_what_was_asked(adapter: PythonAdapter, name: str, kind: ErrorKind) -> None:
    with pytest.raises(ProviderError) as caught:
        ask(adapter, name, "a secret")
    assert caught.value.kind == kind
    assert "a secret" not in str(caught.value)


@pytest.mark.parametrize("target", ["no.such.module:f", "json:nothing"])
def test_a_callable_that_is_not_there_is_a_mistake_of_the_configuration(target: str) -> None:
    with pytest.raises(ConfigError, match=target):
        import_callable(target)


def test_models_that_hang_hold_up_no_others(adapter: PythonAdapter) -> None:
    for _ in range(5):
        with pytest.raises(ProviderError):
            ask(adapter, "hang")
    assert ask(adapter, "shout") == "TWO WORDS"


def test_a_model_that_hangs_does_not_keep_its_process_from_ending() -> None:
    program = f"""
import asyncio
from mirepoix.errors import ProviderError
from tasks.providers.python import PythonAdapter
try:
    asyncio.run(PythonAdapter(timeout=0.1).send({{"callable": "{HERE}:hang_on", "prompt": "x"}}, "tag"))
except ProviderError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=20, check=True)
    assert done.stdout.strip() == "the model did not return within 0.1 s"


def hang_on(prompt: str) -> str:
    """A model that never returns."""
    threading.Event().wait()
    return prompt
