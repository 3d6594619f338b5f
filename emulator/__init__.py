"""The providers, emulated: one HTTP server that speaks their wire formats, on which nothing costs money.

It is for demonstrations, tests and benchmarks: the official SDKs and Mirepoix's own adapters work against it
unchanged. Models differ in price, speed and skill (`profiles`); they know the questions they are given and
get them right or wrong by their skill (`questions`, `skill`), answer everything else from the prompt's own
words (`extract`), and say the same thing whenever the same things are asked in the same order with the same
seed (`draws`). Every call is on the `bill`, which is apart from what Mirepoix itself records, so the two can
be compared. What goes wrong with real providers goes wrong here on demand (`faults`, `limits`, `scenario`).

A wire format is one file (`openai`, `anthropic`, `gemini`) between its bytes and what all formats have in common
(`wire`); one `endpoint` serves them all.
"""

from __future__ import annotations

from emulator.app import create_app
from emulator.faults import Fault, FaultKind
from emulator.profiles import DEFAULT_PROFILES, ModelProfile, profiles_for
from emulator.scenario import Scenario, load_scenario
from emulator.server import EmulatorProcess, serve
from emulator.settings import EmulatorSettings

__all__ = [
    "DEFAULT_PROFILES",
    "EmulatorProcess",
    "EmulatorSettings",
    "Fault",
    "FaultKind",
    "ModelProfile",
    "Scenario",
    "create_app",
    "load_scenario",
    "profiles_for",
    "serve",
]
