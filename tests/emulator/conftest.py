"""Emulators in processes of their own, asked over real sockets."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from emulator import EmulatorProcess, EmulatorSettings
from tests.emulator.asking import Asking, asking

QUESTIONS: list[dict[str, Any]] = [
    {
        "id": "capital",
        "question": "What is the capital of France?",
        "answer": "Paris",
        "accept": ["paris, france"],
        "wrong": ["Lyon", "Marseille", "paris, france"],
        "task": "geography",
        "difficulty": -9,
    },
    {
        "id": "hopeless",
        "question": "How many grains of sand lie on the beach of Ostia?",
        "answer": "7",
        "wrong": ["8", "9"],
        "task": "counting",
        "difficulty": 9,
    },
]

Start = Callable[[EmulatorSettings], EmulatorProcess]


@pytest.fixture(scope="session")
def answers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of two known questions: one that every model gets right, one that nearly none does."""
    path = tmp_path_factory.mktemp("answers") / "questions.jsonl"
    path.write_text("\n".join(json.dumps(question) for question in QUESTIONS), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def emulator(answers: Path) -> Iterator[EmulatorProcess]:
    """One emulator for all tests that leave nothing behind but rows on its bill."""
    with EmulatorProcess(EmulatorSettings(time_scale=0, answers=(answers,))) as running:
        yield running


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts emulators of one's own, which end with the test."""
    with ExitStack() as stack:
        yield lambda settings: stack.enter_context(EmulatorProcess(settings))


@pytest.fixture
def openai(emulator: EmulatorProcess) -> Iterator[httpx.Client]:
    """A client with an OpenAI key."""
    with httpx.Client(base_url=emulator.url, headers={"authorization": "Bearer sk-test"}, trust_env=False) as client:
        yield client


@pytest.fixture
def anthropic(emulator: EmulatorProcess) -> Iterator[httpx.Client]:
    """A client with an Anthropic key and version."""
    headers = {"x-api-key": "sk-ant-test", "anthropic-version": "2026-10-21"}
    with httpx.Client(base_url=emulator.url, headers=headers, trust_env=False) as client:
        yield client


@pytest.fixture
def emulated(emulator: EmulatorProcess) -> Iterator[Asking]:
    """Both providers of the shared emulator, without faults before and after."""
    there = asking(emulator)
    with there.client:
        yield there
        there.set_faults()
