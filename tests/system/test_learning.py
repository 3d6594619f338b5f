"""A house learns from what is said of its answers: feedback, training, promotion, and the same questions routed better.

The models behind it are recorded ones: the emulator says again what they said.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from learning.known import split
from learning.outcomes import Outcome
from mirepoix import Client, Submission
from mirepoix.views import TraceView
from tests.learning.traffic import outcomes
from tests.system.door import open_door
from tests.system.world import World, open_world, start_emulator

pytestmark = [pytest.mark.system, pytest.mark.long]

CONFIG = Path(__file__).parent / "learning.yaml"
KNOWN = outcomes(160)
FRESH = outcomes(30, first=2000)
BAD_FEEDBACK: list[dict[str, Any]] = [
    {},
    {"score": 1.5},
    {"score": "1"},
    {"score": True},
    {"score": 1, "source": "me"},
    {"score": 1, "note": ""},
    {"score": 1, "x": 1},
]
SAID = {1.0: "It comes to 42.", 0.0: "It comes to 7."}


def write(path: Path, some: Sequence[Outcome]) -> Path:
    lines = [
        {
            "id": one.id,
            "question": one.question,
            "score": dict(one.score),
            "response": {model: SAID[score] for model, score in one.score.items()},
            "in_tokens": dict.fromkeys(one.score, 40),
            "out_tokens": dict.fromkeys(one.score, 200),
        }
        for one in some
    ]
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return path


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Workers, and an emulator that has only recorded answers."""
    home = tmp_path_factory.mktemp("learning")
    recorded = write(home / "recorded.jsonl", [*KNOWN, *FRESH])
    with open_world(home, config=CONFIG, emulate=False, settings={"CLOUD_KEY": "any"}) as opened:
        start_emulator(opened, 0, "--recorded", str(recorded), "--recorded-only")
        opened.start_workers("orchestrate", "cloud")
        yield opened


def ask(client: Client, pipeline: str, some: Sequence[Outcome]) -> list[TraceView]:
    """The traces of one job for each question, each with its feedback: whether the answer was right."""
    handles = client.submit_many(pipeline, [Submission(one.question) for one in some])
    for handle in handles:
        handle.feedback(float(handle.result(timeout=60) == SAID[1.0]), source="unit-test")
    return [handle.trace() for handle in handles]


def mislabelled(some: Sequence[Outcome]) -> list[Outcome]:
    """Outcomes that are true where a router is measured, and false where it learns."""
    parts = split(some, ("cheap", "dear"))
    false = [replace(one, score={**one.score, "cheap": 1 - one.score["cheap"]}) for one in parts.learn]
    return [*false, *parts.measure]


def quality(traces: Sequence[TraceView]) -> float:
    return sum(trace.output == SAID[1.0] for trace in traces) / len(traces)


@pytest.mark.timeout(300)
def test_feedback_trains_a_router_that_running_workers_route_by(world: World) -> None:
    pids = {name: process.pid for name, process in world.processes.items()}
    flipped = write(world.settings.home / "flipped.jsonl", outcomes(100, first=5000, flipped=True))
    wrong = world.lines("train", "solve", str(flipped), "--from", "labels")[0]["hash"]
    world.run("promote", "solve", wrong, "--force", "to begin with")
    with world.client() as client:
        before = ask(client, "ask", FRESH)
        assert {trace.steps[0].decisions[0].trained for trace in before} == {wrong}
        for pipeline in ("ask_cheap", "ask_dear"):
            ask(client, pipeline, KNOWN)
        (trained,) = world.lines("train", "solve", "--from", "traces")
        (tuned,) = world.lines("tune", "--from", "traces", "--tiers", "cheap,dear", "--target-quality", "0.9")
        assert tuned["chosen_from"] + tuned["measured_on"] == len(KNOWN), "those that both have answered"
        assert (tuned["best_single_model"], tuned["reached"]) == ("dear", True)
        assert "takes neither" in world.run("tune", "--from", "traces", "--data", str(flipped), check=2).stderr
        assert "no question of" in world.run("tune", "--from", "traces", "--tiers", "cheap,unheard", check=2).stderr
        report = trained["report"]
        assert report["compared_with"] == wrong
        assert report["gain"]["low"] > 0
        world.run("promote", "solve")
        after = ask(client, "ask", FRESH)
    assert {trace.steps[0].decisions[0].trained for trace in after} == {trained["hash"]}
    assert quality(after) > quality(before) + 0.2, "the same questions"
    assert {call.model for trace in after for step in trace.steps for call in step.calls} == {"cheap", "dear"}
    assert {name: process.pid for name, process in world.processes.items()} == pids, "nothing was started again"

    refused = world.run("promote", "solve", wrong, check=1)
    assert "decides now: train again, or --force" in refused.stderr
    worse = write(world.settings.home / "worse.jsonl", mislabelled(outcomes(120, first=7000)))
    world.run("train", "solve", str(worse), "--from", "labels")
    refused = world.run("promote", "solve", check=1)
    assert "not better than the current router, for sure: area -0." in refused.stderr
    listed = {version["hash"]: version for version in world.lines("routers", "solve")}
    assert listed[trained["hash"]]["current"]
    assert (listed[wrong]["current"], listed[wrong]["reason"]) == (False, "to begin with")

    (drift,) = world.lines("evaluate", "solve", "--from", "traces", "--since", "1h")
    assert (drift["drifted"], drift["hash"]) == (False, trained["hash"])
    (measured,) = world.lines("evaluate", "solve", "--data", str(world.settings.home / "recorded.jsonl"))
    assert measured["report"]["questions"] == len(KNOWN) + len(FRESH) - report["learned_from"]


def test_feedback_is_given_in_python_over_http_and_on_the_command_line(world: World) -> None:
    door = open_door(world)
    with world.client() as client, httpx.Client(base_url=door, timeout=30, trust_env=False) as http:
        handle = client.submit("ask_dear", KNOWN[0].question)
        handle.result(timeout=60)
        handle.feedback(0.25)
        given = http.post(f"/v1/jobs/{handle.id}/feedback", json={"score": 1, "source": "judge", "note": "well said"})
        assert given.status_code == 200, given.text
        world.run("feedback", handle.id, "0.5", "--note", "on second thoughts")
        told = [(one.source, one.score, one.note) for one in handle.view().feedback]
        assert told == [("judge", 1.0, "well said"), ("user", 0.5, "on second thoughts")]
        assert [one["score"] for one in http.get(f"/v1/jobs/{handle.id}").json()["feedback"]] == [1.0, 0.5]
        assert "feedback: 0.5 by user: on second thoughts" in world.run("show", handle.id).stdout
        assert "feedback: 1 by judge: well said" in world.run("trace", handle.id).stdout
        for body in (
            {"score": 1.5},
            {"score": "1"},
            {"score": True},
            {},
            {"score": 1, "source": "me"},
            {"score": 1, "x": 1},
        ):
            assert http.post(f"/v1/jobs/{handle.id}/feedback", json=body).status_code == 400, body
        assert http.post(f"/v1/jobs/{handle.id}/feedback", content=b'{"score": NaN}').status_code == 400
        assert http.post("/v1/jobs/nobody/feedback", json={"score": 1}).status_code == 404
        failed = client.submit("ask_dear", "What was never recorded?")
        assert failed.wait(60).state == "failed"
        assert http.post(f"/v1/jobs/{failed.id}/feedback", json={"score": 1}).status_code == 409
        world.run("feedback", failed.id, "1", check=2)
    for scope, status in (("submit", 404), ("read", 403)):
        (key,) = world.lines("keys", "create", "--tenant", "other", "--scope", scope)
        answer = httpx.post(
            f"{door}/v1/jobs/{handle.id}/feedback",
            json={"score": 1},
            headers={"Authorization": f"Bearer {key['key']}"},
            trust_env=False,
        )
        assert answer.status_code == status, "another tenant's job, or no leave to write"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "holds no outcome"),
        (b"{", "labels.jsonl:1"),
        (b'{"id": "1", "question": "x", "score": {"cheap": 2}}', "labels.jsonl:1"),
        (b'{"id": "1", "question": "x", "score": {"cheap": NaN}}', "labels.jsonl:1"),
        (b'{"id": "1", "question": {}, "score": {"cheap": 1}}', "labels.jsonl:1"),
        (b"\x1f\x8bnot gzip", "cannot be read"),
        (b"[" * 100_000, "labels.jsonl:1"),
        (b'{"id": "1", "question": "x", "score": {"cheap": 1}}', "of no model enough outcomes"),
    ],
)
def test_a_file_that_is_no_good_is_named(world: World, content: bytes, problem: str) -> None:
    path = world.settings.home / "labels.jsonl"
    path.write_bytes(content)
    assert problem in world.run("train", "bad", str(path), "--from", "labels", check=2).stderr
