"""The official `openai` SDK against the emulator."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from openai import OpenAI

from emulator import EmulatorProcess
from tests.conformance.conftest import Backstage


@pytest.fixture
def client(emulator: EmulatorProcess) -> Iterator[OpenAI]:
    """The SDK as it comes; only its address and its key are ours."""
    with OpenAI(base_url=f"{emulator.url}/v1", api_key="sk-test") as opened:
        yield opened


def test_a_plain_question(client: OpenAI, backstage: Backstage) -> None:
    answer = client.chat.completions.create(
        model="gpt-4", messages=[{"role": "user", "content": "What is the capital of France?"}]
    )
    assert answer.choices[0].message.content == "Paris"
    assert backstage.outcomes() == ["ok"]
