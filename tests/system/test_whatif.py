"""What another policy would cost, predicted from recorded jobs and then really run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from mirepoix.config_file import load_config
from mirepoix.spec import Pipeline
from mirepoix.views import TraceView
from tests.system.world import CONFIG, QUESTIONS, World, open_world, responds

pytestmark = [pytest.mark.system, pytest.mark.long]

QUESTION_LINES = [json.loads(line) for line in QUESTIONS.read_text(encoding="utf-8").splitlines()]
ASKED = [line["question"] for line in QUESTION_LINES]
SURE = "End with a line on your confidence."
TIERS = [{"call": {"model": model, "system": SURE}} for model in ("luna", "haiku", "opus")]


def cascade(at_least: float) -> dict[str, Any]:
    """Three models, the cheapest first."""
    return {"cascade": {"tiers": TIERS, "accept": {"at_least": at_least}}}


def route(below: float) -> dict[str, Any]:
    """Simple questions to a cheap model."""
    to = [{"below": below, "call": {"model": "luna"}}, {"call": {"model": "haiku"}}]
    return {"route": {"by": "complexity", "to": to}}


RECORDED = {"milder": cascade(0.9), "cheaper": route(0.05), "dearer": route(0.12)}
POLICY = {"milder": cascade(0.7), "cheaper": route(0.12), "dearer": route(0.05)}
SEES_ALL = ("milder",)
"""Policies that ask nothing that the recorded one did not."""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Workers for the recorded policies."""
    home = tmp_path_factory.mktemp("whatif")
    with open_world(home, config=write(home / "mirepoix.yaml", RECORDED), time_scale=0) as opened:
        opened.start_workers("orchestrate", "openai", "anthropic")
        yield opened


def write(path: Path, pipelines: dict[str, Any]) -> Path:
    """A configuration with these pipelines."""
    config = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))
    path.write_text(yaml.safe_dump({**config, "pipelines": pipelines}), encoding="utf-8")
    return path


def begin_anew(world: World, number: str) -> None:
    """Start the emulator afresh: its models answer a question that comes again otherwise, as real ones do."""
    world.stop("emulator")
    port = str(urlsplit(str(world.settings.emulator_url)).port)
    bill = str(world.settings.home / f"bill-{number}.sqlite3")
    world.start(
        "emulator", "emulator", "--port", port, "--time-scale", "0", "--answers", str(QUESTIONS), "--bill", bill
    )
    world.until(lambda: responds(f"{world.settings.emulator_url}/_health"), "the emulator")


def run(world: World, pipeline: str | Pipeline) -> list[TraceView]:
    """Ask all questions."""
    with world.client() as client:
        handles = client.submit_many(pipeline, list(ASKED))
        for _ in client.as_ended(handles, 60):
            pass
        return [handle.trace() for handle in handles]


@pytest.mark.parametrize("pipeline", sorted(RECORDED))
def test_whatif_predicts_the_cost_of_a_policy_within_2_percent_of_running_it(world: World, pipeline: str) -> None:
    policy = write(world.settings.home / "policy.yaml", POLICY)
    begin_anew(world, f"{pipeline}-recorded")
    run(world, pipeline)
    (found,) = world.lines("whatif", "--policy", str(policy), "--pipeline", pipeline, "--since", "1h")
    begin_anew(world, f"{pipeline}-run")
    really = load_config(policy).pipelines[pipeline].model_copy(update={"name": f"really_{pipeline}"})
    spent = sum(float(trace.cost_usd) for trace in run(world, really))
    print(pipeline, found["total_recorded_usd"], found["total_expected_usd"], spent, found["unseen_share"])
    assert found["jobs"] == len(ASKED)
    assert found["decided_anew"] > 0
    assert (found["unseen_jobs"] == 0) is (pipeline in SEES_ALL)
    assert found["total_recorded_usd"] != pytest.approx(spent, rel=0.02), "the policy changes nothing"
    assert abs(found["total_expected_usd"] / spent - 1) < 0.02, found
