"""What an emulator is to play: faults, latencies, rate limits, and models other than they are; from a file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from pydantic import Field

from emulator.faults import Fault
from emulator.latency import LatencyRange
from emulator.profiles import ModelProfile, WireApi
from mirepoix.config import Limits
from mirepoix.config_file import parse_as
from mirepoix.errors import ConfigError
from mirepoix.strict import Strict, unknown

EVERY_MODEL = "*"


class ModelOverride(Strict):
    """What differs from a model's profile (`emulator.profiles.ModelProfile`); what is None stays as it is."""

    skill: float | None = None
    guess: float | None = Field(default=None, ge=0, le=1)
    steady: bool | None = None
    confidence_auroc: float | None = Field(default=None, ge=0.5, le=1)
    ttft_median: float | None = Field(default=None, ge=0)
    ttft_sigma: float | None = Field(default=None, ge=0)
    tokens_per_second: float | None = Field(default=None, gt=0)


class BatchCourse(Strict):
    """How batches go: they end `seconds` after they were sent, times the time scale.

    `expired` is the chance of each of their requests that its time runs out before a model comes to it.
    """

    seconds: float = Field(default=60, ge=0, le=86_400)
    expired: float = Field(default=0, ge=0, le=1)


class Scenario(Strict):
    """A scenario file.

    `faults` are active from the start; `latency` replaces the latencies of all models; `rate_limits` hold for each API
    key and model of a provider; `models` are known by wire name, `*` being each that has no entry of its own; `batches`
    is how batches go.
    """

    faults: tuple[Fault, ...] = ()
    latency: LatencyRange | None = None
    rate_limits: dict[WireApi, Limits] = Field(default_factory=dict)
    models: dict[str, ModelOverride] = Field(default_factory=dict)
    batches: BatchCourse = BatchCourse()

    def play(self, models: Mapping[str, ModelProfile]) -> Mapping[str, ModelProfile]:
        """The models as they are in this scenario; raises ConfigError where it names one that is not there."""
        for name in self.models:
            if name != EVERY_MODEL and name not in models:
                raise ConfigError(f"models: {unknown(f'model {name!r}', name, models)}")
        check_faults(self.faults, models)
        return {name: _as_told(profile, self.models) for name, profile in models.items()}


def check_faults(faults: Iterable[Fault], models: Mapping[str, ModelProfile]) -> None:
    """Raise ConfigError where a fault waits for a model that is not there, and would never strike."""
    for index, fault in enumerate(faults):
        name = fault.match.model
        if name is not None and name not in models:
            raise ConfigError(f"faults.{index}.match.model: {unknown(f'model {name!r}', name, models)}")


def load_scenario(path: Path) -> Scenario:
    """Read and validate a file in YAML or JSON; raises ConfigError that names the line and the key."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"the scenario {path} cannot be read: {error}.") from error
    return parse_as(Scenario, text, str(path))


def _as_told(profile: ModelProfile, told: Mapping[str, ModelOverride]) -> ModelProfile:
    override = told.get(profile.name) or told.get(EVERY_MODEL)
    return profile if override is None else replace(profile, **override.model_dump(exclude_none=True))
