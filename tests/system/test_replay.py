"""Replays of jobs of every pattern, and what other configurations would have done with them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import JsonValue

from mirepoix.config import Config
from mirepoix.config_file import load_config
from mirepoix.spec import parse
from mirepoix.states import StepState
from mirepoix.views import TraceView
from pipelines.replay import Library, Outcome, compare, walk_recorded, walk_with
from tests.system.patterns import FILES, merge, read_example, run_all
from tests.system.world import CONFIG, QUESTIONS, World, open_world

pytestmark = [pytest.mark.system, pytest.mark.long, pytest.mark.timeout(300)]

SLOW = ("side_by_side", "pieces", "one_beside_fails", "long_chain", "wide", "wide_inside")
"""Once is enough of them."""
LINES = "What is the capital of France?\nWrite a sonnet on rain, and explain each image in it.\n2 + 2?"
ASKED = [json.loads(line)["question"] for line in QUESTIONS.read_text(encoding="utf-8").splitlines()]


@dataclass(frozen=True, slots=True)
class Played:
    """A world, and the traces of all that ran in it."""

    world: World
    traces: list[TraceView]

    @property
    def config(self) -> Config:
        """As it was."""
        return load_config(self.world.settings.config_path)


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    """Every example of every pattern, and every pipeline of the system tests, some of which must fail."""
    home = tmp_path_factory.mktemp("replay")
    own: dict[str, Any] = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))
    whole = merge(FILES)
    names = [name for name in own["pipelines"] if name not in whole["pipelines"]]
    config = {**whole, "providers": own["providers"], "models": whole["models"] | own["models"]}
    config["pipelines"] = own["pipelines"] | whole["pipelines"]
    (home / "mirepoix.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    with open_world(home, config=home / "mirepoix.yaml") as world:
        world.start_workers("orchestrate", *config["providers"])
        traces = [trace for each in run_all(world, [read_example(path) for path in FILES]).values() for trace in each]
        inputs: dict[str, list[JsonValue]] = {name: [LINES, *ASKED[:: 1 if name == "ask" else 14]] for name in names}
        yield Played(world, traces + run(world, {n: given[: 1 if n in SLOW else None] for n, given in inputs.items()}))


def run(world: World, inputs: dict[str, list[JsonValue]]) -> list[TraceView]:
    """Run jobs to their ends; their traces, in order."""
    with world.client() as client:
        handles = [handle for name, given in inputs.items() for handle in client.submit_many(name, given)]
        for _ in client.as_ended(handles, 100):
            pass
        return [handle.trace() for handle in handles]


def changed(world: World, **pipelines: Any) -> Path:
    """The world's configuration with these pipelines in it, as another file."""
    config = yaml.safe_load(world.settings.config_path.read_text(encoding="utf-8"))
    config["pipelines"] |= pipelines
    path = world.settings.home / f"{'_'.join(pipelines)}.yaml"
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    return path


def test_a_replay_of_200_jobs_of_every_pattern_reproduces_every_decision(played: Played) -> None:
    config, kinds, decisions = played.config, set[str](), 0
    assert len(played.traces) >= 200
    for trace in played.traces:
        library = Library()
        for replay in (
            compare(trace, walk_recorded(trace, config, library)),
            compare(trace, walk_with(trace, parse(trace.spec), config, library)),
        ):
            assert not replay.changes, f"{trace.pipeline}: {replay.changes}"
            assert replay.same, f"{trace.pipeline}: {replay.unasked}"
            assert replay.same_output, trace.pipeline
            assert replay.state.value == trace.state.value
        decisions += sum(len(step.decisions) for step in trace.steps)
        kinds |= {step.kind for step in trace.steps}
    assert kinds == {"call", "chain", "route", "cascade", "ensemble", "map", "if"}
    assert decisions >= 200


def test_a_changed_router_shows_exactly_the_changed_decisions(played: Played) -> None:
    asked = [trace for trace in played.traces if trace.pipeline == "ask"]
    route = json.loads(json.dumps(parse(asked[0].spec).model_dump(mode="json", exclude_none=True, by_alias=True)))
    route["to"][0]["below"] = 0.1
    config = load_config(changed(played.world, ask=route))
    should, does, unasked = set[str](), set[str](), set[str]()
    for trace in asked:
        library = Library()
        walk_recorded(trace, config, library)
        replay = compare(trace, walk_with(trace, config.pipelines["ask"], config, library))
        if 0.1 <= trace.steps[0].decisions[0].features["score"] < 0.3:
            should.add(trace.job)
            assert [(one.path, one.model) for one in replay.unasked] == [("to.1", "mini")]
            assert replay.state is StepState.RUNNING
        changes = {one.outcome for one in replay.changes} - {Outcome.OTHERWISE}  # reasons tell the bound
        assert changes <= {Outcome.CHANGED}
        does |= {trace.job} if changes else set()
        unasked |= {trace.job} if replay.unasked else set()
        assert replay.same is not bool(changes)
    assert 0 < len(should) < len(asked)
    assert does == unasked == should


def test_the_command_tells_a_change_and_exits_1(played: Played) -> None:
    trace = next(t for t in played.traces if t.pipeline == "ask" and t.steps[0].decisions[0].choice == "to.0")
    same = json.loads(played.world.run("replay", trace.job, "--json").stdout)
    assert (same["same"], same["changes"], same["output"]) == (True, 0, trace.output)
    there = {"MIREPOIX_CONFIG": str(changed(played.world, ask={"call": {"model": "opus"}}))}
    told = played.world.run_with(there, "replay", trace.job, "--config-now", check=1).stdout
    assert "- $ route 1: to.0 no longer" in told
    assert "? $: not recorded: this question was never put to opus" in told
    assert played.world.run_with(there, "replay", trace.job).returncode == 0


def test_a_live_replay_takes_the_recorded_route_and_asks_again(played: Played) -> None:
    trace = next(t for t in played.traces if t.pipeline == "ask" and t.steps[0].decisions[0].choice == "to.0")
    (shown,) = played.world.lines("replay", trace.job, "--live")
    with played.world.client() as client:
        again = client.get(shown["after"]["job"]).trace()
    assert (again.pipeline, again.version, again.input) == (trace.pipeline, trace.version, trace.input)
    assert again.steps[0].decisions[0].reason == f"pinned to what job {trace.job} chose"
    assert again.steps[0].decisions[0].choice == "to.0"
    assert again.cost_usd > 0
    assert compare(again, walk_recorded(again, played.config)).same


def test_a_fork_takes_over_what_is_before_its_step_and_asks_the_rest_anew(played: Played) -> None:
    trace = next(t for t in played.traces if t.pipeline == "report")
    (shown,) = played.world.lines("replay", trace.job, "--from", "report")
    assert shown["taken_over"] == ["text", "mood", "summary"]
    with played.world.client() as client:
        again = client.get(shown["after"]["job"]).trace()
    calls = {step.path: step.calls[0].attempts[0] for step in again.steps if step.calls}
    assert [path for path, attempt in calls.items() if attempt.cached] == ["text", "mood", "summary"]
    assert calls["summary"].cached_from == f"{trace.job}/summary"
    assert again.cost_usd == calls["report"].cost_usd
    assert 0 < again.cost_usd < trace.cost_usd
