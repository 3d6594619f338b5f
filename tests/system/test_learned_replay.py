"""Jobs that a trained router routed, replayed after another was promoted: by its hash then, or as it would be now."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

import pytest
import yaml

from learning.outcomes import Outcome
from mirepoix import Submission
from mirepoix.views import TraceView
from tests.learning.traffic import outcomes
from tests.system.world import World, open_world

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]

ASKED = [one.question for one in outcomes(16, first=9000)]
CONFIG = {
    "providers": {"local": {"api": "python", "external": False, "concurrency": 8}},
    "models": {
        "cheap": {
            "provider": "local",
            "callable": "tests.system.learned_models:cheap",
            "price": {"input": 0.1, "output": 0.4},
        },
        "dear": {
            "provider": "local",
            "callable": "tests.system.learned_models:dear",
            "price": {"input": 2, "output": 8},
        },
    },
    "pipelines": {
        "ask": {
            "route": {
                "by": "learned",
                "router": "solve",
                "quality_per_usd": 50,
                "to": [{"call": {"model": "cheap"}}, {"call": {"model": "dear"}}],
            }
        }
    },
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    home = tmp_path_factory.mktemp("learned_replay")
    config = home / "config.yaml"
    config.write_text(yaml.safe_dump(CONFIG))
    with open_world(home / "world", config=config, emulate=False) as opened:
        opened.start_workers("orchestrate", "local")
        yield opened


def promote(world: World, known: Sequence[Outcome]) -> str:
    """Train a router on these and let it decide; its hash."""
    path = world.settings.home / "labels.jsonl"
    lines = [
        {
            "id": one.id,
            "question": one.question,
            "score": dict(one.score),
            "cost": {m: float(c) for m, c in one.cost.items()},
        }
        for one in known
    ]
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    hash_: str = world.lines("train", "solve", str(path), "--from", "labels")[0]["hash"]
    world.run("promote", "solve", hash_, "--force", "for a test")
    return hash_


def ask(world: World) -> list[TraceView]:
    with world.client() as client:
        handles = client.submit_many("ask", [Submission(question) for question in ASKED])
        for handle in handles:
            handle.result(timeout=40)
        return [handle.trace() for handle in handles]


def choice(trace: TraceView) -> str:
    return trace.steps[0].decisions[0].choice


def test_a_promotion_changes_no_replay_and_a_what_if_shows_exactly_what_it_changes(world: World) -> None:
    then = promote(world, outcomes(100))
    before = ask(world)
    assert {trace.steps[0].decisions[0].trained for trace in before} == {then}
    assert {choice(trace) for trace in before} == {"to.0", "to.1"}
    now = promote(world, outcomes(100, first=5000, flipped=True))
    after = ask(world)
    assert {trace.steps[0].decisions[0].trained for trace in after} == {now} != {then}
    changed = {one.job for one, other in zip(before, after, strict=True) if choice(one) != choice(other)}
    kept = {one.job for one in before} - changed
    assert changed

    one = next(trace for trace in before if trace.job in changed)
    (replayed,) = world.lines("replay", one.job)
    assert (replayed["same"], replayed["changes"], replayed["output"]) == (True, 0, one.output)
    (recorded,) = replayed["decisions"]
    assert recorded["replayed"]["trained"] == then
    told = world.run("replay", one.job, "--config-now", check=1).stdout
    assert f"! $ route 1: {choice(one)} -> " in told
    for job in sorted(kept)[:1]:
        world.run("replay", job, "--config-now")

    # The same questions were asked again since, so the what-if knows all answers; the new jobs decide as they did.
    (found,) = world.lines("whatif", "--policy", str(world.settings.config_path), "--since", "1h")
    assert (found["jobs"], found["decided_anew"], found["unseen_jobs"]) == (2 * len(ASKED), len(changed), 0)
