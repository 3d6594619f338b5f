"""What an emulator is started with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from emulator.profiles import DEFAULT_PROFILES, ModelProfile
from emulator.scenario import Scenario
from mirepoix.errors import ConfigError


@dataclass(frozen=True, slots=True)
class EmulatorSettings:
    """The knobs of an emulator; two with equal settings answer the same requests alike.

    `time_scale` multiplies every latency (0: no waiting). `answers` are JSONL files of known questions
    (`emulator.questions`), `recorded` those of recorded answers (`emulator.recorded`); with `recorded_only` a model
    that has none to a question is not found. `bill` is the SQLite file of the bill; None keeps it in memory. `models`
    are known by wire name. `require_key`, when given, is the only API key accepted. `error_correlation` (0..1) is how
    much the models stumble over the same questions (`emulator.skill`). `scenario` is what goes wrong and what else is
    unlike every day (`emulator.scenario`). Raises ConfigError for a number out of its range and for a scenario that
    names other models.
    """

    seed: int = 0
    time_scale: float = 1.0
    answers: tuple[Path, ...] = ()
    bill: Path | None = None
    models: Mapping[str, ModelProfile] = field(default_factory=lambda: dict(DEFAULT_PROFILES))
    require_key: str | None = None
    error_correlation: float = 0.6
    scenario: Scenario = field(default_factory=Scenario)
    recorded: tuple[Path, ...] = ()
    recorded_only: bool = False

    def __post_init__(self) -> None:
        if self.time_scale < 0:
            raise ConfigError(f"time_scale is {self.time_scale}; it is 0 (no waiting) or more.")
        if not 0 <= self.error_correlation <= 1:
            raise ConfigError(f"error_correlation is {self.error_correlation}; it lies between 0 and 1.")
        self.scenario.play(self.models)
