"""One emulator for each SDK's file of tests, and what stands behind it: its faults and its bill."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from emulator import EmulatorProcess, EmulatorSettings, Scenario
from emulator.scenario import ModelOverride
from tests.emulator.asking import Asking, asking

QUESTIONS = Path(__file__).parents[2] / "examples" / "questions.jsonl"
ALWAYS_RIGHT = Scenario(models={"*": ModelOverride(skill=99, guess=1, steady=True)})


@dataclass(frozen=True)
class Backstage:
    """What an SDK does not see of the emulator; `first` is the last row that the bill had before the test."""

    there: Asking
    first: int

    def set_faults(self, *faults: dict[str, Any]) -> None:
        """Replace the active faults."""
        self.there.set_faults(*faults)

    def rows(self) -> list[dict[str, Any]]:
        """The rows of the bill since the test began: one for each request that the SDK sent."""
        return self.there.rows(since_seq=self.first)

    def outcomes(self) -> list[str]:
        """What the bill calls each of them."""
        return [row["outcome"] for row in self.rows()]


@pytest.fixture(scope="module")
def emulator() -> Iterator[EmulatorProcess]:
    """Without latency, and with models that are always right on known questions."""
    settings = EmulatorSettings(time_scale=0, answers=(QUESTIONS,), scenario=ALWAYS_RIGHT)
    with EmulatorProcess(settings) as running:
        yield running


@pytest.fixture
def backstage(emulator: EmulatorProcess) -> Iterator[Backstage]:
    """The emulator's other side, without faults before and after."""
    there = asking(emulator)
    with there.client:
        there.set_faults()
        yield Backstage(there, first=max((row["seq"] for row in there.rows()), default=0))
        there.set_faults()
