"""In-process models: whatever they do comes back as an answer or as a ProviderError."""

from __future__ import annotations

import time

import pytest
from pydantic import JsonValue

from mirepoix.errors import ConfigError, ProviderError
from mirepoix.states import ErrorKind
from tasks.loop import Loop
from tasks.providers.base import Question
from tasks.providers.python import PythonAdapter, import_callable

HERE = __name__
LOOP = Loop()


def shout(prompt: str) -> str:
    """A model."""
    return prompt.upper()


def count(prompt: str) -> JsonValue:
    """A model that answers with data."""
    return {"words": len(prompt.split())}


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
    question = Question(target=f"{HERE}:{name}", prompt=prompt, system=None, max_tokens=10, temperature=None)
    return LOOP.run(adapter.send(adapter.body(question), "01JOB/$")).answer


@pytest.fixture
def adapter() -> PythonAdapter:
    """One that loses patience soon."""
    return PythonAdapter(timeout=0.3, concurrency=2)


def test_text_and_data_come_back(adapter: PythonAdapter) -> None:
    assert ask(adapter, "shout") == "TWO WORDS"
    assert ask(adapter, "count") == {"words": 2}


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
