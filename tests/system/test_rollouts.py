"""Next versions of pipelines: canaries that stick, stop by themselves and go on; shadows that nobody waits for."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any, Unpack

import httpx
import pytest
import yaml
from sqlalchemy import select

from db.costs import CostBy, sum_costs
from db.deliveries import list_deliveries
from db.keys import Scope, create_key
from mirepoix import JobState, Submission
from mirepoix.again import Again
from mirepoix.errors import InputError
from mirepoix.ledger.accept import Options
from mirepoix.ledger.canaries import read_canary
from mirepoix.ledger.outbox import CANARY_STOPPED
from mirepoix.ledger.tables import Job
from mirepoix.rollouts import SHADOW
from mirepoix.states import CanaryState, ErrorKind, Lane, Store
from mirepoix.views import JobView
from mirepoix.webhooks import verify_signature
from pipelines.replay import compare, walk_recorded
from tests.receiver import Receiver, receiving
from tests.system.door import open_door
from tests.system.pages import visitor
from tests.system.world import World, open_world

pytestmark = [pytest.mark.system, pytest.mark.long]

CONFIG = Path(__file__).parent / "rollouts.yaml"
SECRET = "a secret of this test"
MORE = """
webhooks: {{secret_env: HOOK_SECRET, allow: [127.0.0.0/8], retry_after: 0.2}}
alerts: [{{webhook: "{url}/alerts"}}]
"""
FAULT = {"kind": "status", "status": 400, "match": {"contains": "FAIL"}}


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    """Is told when a canary is stopped."""
    with receiving() as opened:
        yield opened


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, receiver: Receiver) -> Iterator[World]:
    """Two orchestrators, so that two watches look at the canaries; who answers shadows is started when it is time."""
    home = tmp_path_factory.mktemp("rollouts")
    config = home / "rollouts.yaml"
    config.write_text(CONFIG.read_text() + MORE.format(url=receiver.url))
    with open_world(home, time_scale=0, config=config, settings={"HOOK_SECRET": SECRET}) as opened:
        httpx.post(f"{opened.settings.emulator_url}/__emu/faults", json={"faults": [FAULT]}, trust_env=False)
        opened.start("second", "worker", "orchestrate")
        opened.start_workers("orchestrate", "openai")
        yield opened


@pytest.fixture(scope="module")
def address(world: World) -> str:
    """Where the front door and the pages are."""
    return open_door(world)


@pytest.fixture(scope="module")
def page(address: str) -> Iterator[httpx.Client]:
    """Somebody of the house, who looks at the pages."""
    with visitor(address) as client:
        yield client


@pytest.fixture(scope="module")
def door(world: World, address: str) -> Iterator[httpx.Client]:
    """A program of the tenant acme."""
    with world.database.write() as connection:
        _, key = create_key(connection, "acme", [Scope.SUBMIT, Scope.READ])
    with httpx.Client(
        base_url=address, headers={"Authorization": f"Bearer {key}"}, timeout=30, trust_env=False
    ) as client:
        yield client


def answered(world: World, door: httpx.Client, job: str) -> dict[str, Any]:
    """The job as the door shows it once it has succeeded."""
    world.until(lambda: door.get(f"/v1/jobs/{job}").json()["state"] == JobState.SUCCEEDED, "an answer")
    shown: dict[str, Any] = door.get(f"/v1/jobs/{job}").json()
    return shown


def ask_of_users(world: World, users: range, question: str) -> list[JobView]:
    """One job for each user, as it ended."""
    with world.client() as client:
        jobs = [Submission(f"{question} {user}?", tags={"user": f"user {user}"}) for user in users]
        handles = client.submit_many("ask", jobs)
        for _ in client.as_ended(handles, 60):
            pass
        return [handle.view() for handle in handles]


def ask(world: World, pipeline: str, questions: list[str], **options: Unpack[Options]) -> list[JobView]:
    """The jobs as they ended."""
    with world.client() as client:
        return list(client.as_ended(client.submit_many(pipeline, list(questions), **options), 60))


def shadows_of(world: World, jobs: list[JobView]) -> dict[str, JobView]:
    """The shadows of these jobs, whatever their state, by the job that they shadow."""
    ids = {view.job for view in jobs}
    with world.client() as client:
        found = client.jobs(tenant=SHADOW, limit=1000)
    return {view.shadow_of: view for view in found if view.shadow_of is not None and view.shadow_of in ids}


def ended_shadows(world: World, jobs: list[JobView]) -> dict[str, JobView]:
    """The same when all of them have ended."""
    if "anthropic" not in world.processes:
        world.start_workers("anthropic")
    world.until(lambda: all(view.state.terminal for view in shadows_of(world, jobs).values()), "the shadows to end")
    return shadows_of(world, jobs)


def canary_of(world: World, pipeline: str, *arguments: str) -> dict[str, Any]:
    """What `mirepoix canaries` says of it."""
    return next(line for line in world.lines("canaries", *arguments) if line["pipeline"] == pipeline)


def stands(world: World, pipeline: str) -> CanaryState | None:
    """In which state the ledger has it."""
    with world.client() as client:
        new = client.config.next_version(pipeline)
    assert new is not None
    with world.database.read() as connection:
        standing = read_canary(connection, pipeline, new.version)
    return None if standing is None else standing.state


def is_near(found: int, share: float, of: int) -> bool:
    """Whether so many are within four standard deviations of the binomial distribution."""
    return abs(found - share * of) < 4 * math.sqrt(of * share * (1 - share))


def test_a_share_of_the_users_gets_the_next_version_and_sticks_to_it(world: World) -> None:
    users = range(60)
    first, again = (ask_of_users(world, users, question) for question in ("What is", "Who is"))
    assert {view.state for view in [*first, *again]} == {JobState.SUCCEEDED}
    assert [view.canary for view in first] == [view.canary for view in again]
    taken = sum(view.canary is True for view in first)
    assert taken > 0
    assert is_near(taken, 0.2, len(users))
    assert all(view.models == (("mini",) if view.canary else ("luna",)) for view in first)
    assert {view.pipeline for view in first} == {"ask"}
    shown = canary_of(world, "ask")
    assert (shown["state"], shown["canary_jobs"]["jobs"], shown["canary_jobs"]["failed"]) == ("running", 2 * taken, 0)
    assert shown["other_jobs"]["jobs"] == 2 * (len(users) - taken)
    spent = sum(view.cost_usd for view in [*first, *again] if view.canary) / (2 * taken)
    assert float(shown["canary_jobs"]["mean_cost_usd"]) == pytest.approx(float(spent))
    assert 0 < shown["canary_jobs"]["mean_latency_s"] < 60


def test_the_trace_says_which_version_a_job_got_and_why_and_replay_reproduces_it(world: World) -> None:
    by_canary = {view.canary: view for view in ask_of_users(world, range(20), "Where is")}
    with world.client() as client:
        traces = {canary: client.get(view.job).trace() for canary, view in by_canary.items()}
        for canary, trace in traces.items():
            (decision,) = trace.decisions
            assert decision.choice == ("ask_next" if canary else "ask")
            assert decision.features["canary"] == canary
            assert decision.reason.startswith("its tag:user falls at 0.")
        again = client.submit_again(Again(job=by_canary[True].job)).wait(60)
        replays = [compare(trace, walk_recorded(trace, client.config)) for trace in traces.values()]
    assert (again.models, again.version, again.canary) == (("mini",), by_canary[True].version, None)
    assert all(replay.same and replay.same_output and replay.version == replay.replayed_version for replay in replays)


def test_an_idempotency_key_gives_the_same_job_whatever_way_it_went(world: World) -> None:
    with world.client() as client:
        keys = [f"key {number}" for number in range(15) for _ in "12"]
        ids = [client.submit("shadowed", "What is a key?", key=key).id for key in keys]
        assert ids[::2] == ids[1::2]
        shadows = [client.get(id_).trace().shadows for id_ in ids[::2]]
    assert {len(of_job) for of_job in shadows} == {0, 1}


def test_shadows_answer_a_share_unseen_and_nobody_waits_for_them(world: World) -> None:
    asked = [f"What is {number} plus {number}?" for number in range(40)]
    answered = ask(world, "shadowed", asked, tags={"team": "search"}, tenant="acme")
    assert {(view.state, view.models) for view in answered} == {(JobState.SUCCEEDED, ("luna",))}
    waiting = shadows_of(world, answered)
    assert not any(view.state.terminal for view in waiting.values())
    assert is_near(len(waiting), 0.3, len(asked))
    shadows = ended_shadows(world, answered)
    assert {(view.state, view.models, view.pipeline) for view in shadows.values()} == {
        (JobState.SUCCEEDED, ("haiku",), "shadowed_next")
    }
    assert all(view.cost_usd > 0 and view.output and view.tags == {} for view in shadows.values())
    (job, shadow) = next(iter(shadows.items()))
    with world.client() as client:
        assert client.get(job).trace().shadows == (shadow.job,)
        assert {view.job for view in client.jobs(tenant="acme")} == {view.job for view in answered}
    assert f"a shadow of {job}" in world.run("trace", shadow.job).stdout
    with world.database.read() as connection:
        costs = {row.group: row.cost_usd for row in sum_costs(connection, CostBy.TENANT)}
    assert costs["acme"] == sum(view.cost_usd for view in answered)
    assert costs[SHADOW] >= sum(view.cost_usd for view in shadows.values())


def test_what_if_takes_the_answers_of_shadows_for_questions_that_only_they_were_asked(world: World) -> None:
    answered = ask(world, "shadowed", [f"Say {number}." for number in range(25)])
    shadows = ended_shadows(world, answered)
    config = yaml.safe_load(world.settings.config_path.read_text())
    config["pipelines"]["shadowed"] = config["pipelines"]["shadowed_next"]
    policy = world.settings.home / "policy.yaml"
    policy.write_text(yaml.safe_dump(config))
    (found,) = world.lines("whatif", "--policy", str(policy), "--pipeline", "shadowed", "--limit", "25")
    assert (found["jobs"], found["shadows"]) == (25, len(shadows))
    assert found["unseen_jobs"] == 25 - len(shadows)
    assert 0 < len(shadows) < 25


def test_a_shadow_keeps_to_the_houses_budget_to_its_lane_and_to_what_its_job_stores(world: World) -> None:
    (answered,) = ask(world, "kept_apart", ["What is mine?"])
    assert answered.state is JobState.SUCCEEDED
    shadow = ended_shadows(world, [answered])[answered.job]
    assert (shadow.state, shadow.error_kind, shadow.store) == (JobState.FAILED, ErrorKind.BUDGET, Store.NONE)
    with world.client() as client, pytest.raises(InputError, match="is the house's own"):
        client.submit("ask", "What is theirs?", tenant=SHADOW)
    with world.database.read() as connection:
        assert set(connection.scalars(select(Job.lane).where(Job.tenant == SHADOW))) == {Lane.BULK}


def test_jobs_of_every_http_door_go_the_way_that_was_drawn(world: World, door: httpx.Client) -> None:
    users = [f"user {number}" for number in range(30)]
    bodies = [{"pipeline": "ask", "input": f"What is {user}?", "tags": {"user": user}} for user in users]
    single = [door.post("/v1/jobs", json=body).json()["id"] for body in bodies]
    lines = "\n".join(map(json.dumps, bodies))
    bulk = door.post("/v1/jobs:bulk", content=lines, headers={"Content-Type": "application/x-ndjson"}).text
    at_once = [json.loads(line)["id"] for line in bulk.splitlines()]
    drawn = [answered(world, door, job)["canary"] for job in single]
    assert {True, False} == set(drawn)
    assert [answered(world, door, job)["canary"] for job in at_once] == drawn
    for user, canary in zip(users[:10], drawn[:10], strict=True):
        body = {"model": "ask", "messages": [{"role": "user", "content": "Hm?"}], "metadata": {"user": user}}
        said, again = (
            door.post("/v1/chat/completions", json=body, headers={"Idempotency-Key": f"chat of {user}"}) for _ in "12"
        )
        assert (said.status_code, again.status_code) == (200, 200), said.text
        assert said.headers["x-request-id"] == again.headers["x-request-id"]
        assert answered(world, door, said.headers["x-request-id"])["canary"] is canary


def test_the_shadow_of_a_job_of_an_http_door_is_shown_to_the_house_alone(
    world: World, door: httpx.Client, page: httpx.Client
) -> None:
    job = door.post("/v1/jobs", json={"pipeline": "kept_apart", "input": "What is shadowed?"}).json()["id"]
    (shadow,) = door.get(f"/v1/jobs/{job}/trace").json()["shadows"]
    assert door.get(f"/v1/jobs/{shadow}").status_code == 404
    assert [each["id"] for each in door.get("/v1/jobs?limit=1").json()["jobs"]] == [job]
    assert f"/jobs/{shadow}" in page.get(f"/jobs/{job}").text
    html = page.get(f"/jobs/{shadow}").text
    assert '<span class="chip">shadow</span>' in html
    assert f"/jobs/{job}" in html
    assert '<td>kept_apart_next <span class="chip">shadow</span></td>' in page.get("/jobs?tenant=shadow").text


def test_pages_say_which_job_is_a_canarys_and_why(world: World, page: httpx.Client) -> None:
    by_canary = {view.canary: view.job for view in ask_of_users(world, range(20), "When is")}
    canary, other = (unescape(page.get(f"/jobs/{by_canary[way]}").text) for way in (True, False))
    with world.client() as client:
        (decision,) = client.get(by_canary[True]).trace().decisions
    assert '<span class="chip">canary</span>' in canary
    assert decision.reason in canary
    assert '<span class="chip">canary</span>' not in other
    assert "not below the canary's share" in other
    listed = page.get("/jobs?pipeline=ask").text
    assert f"{by_canary[True]}</code></a></th>" in listed
    assert '<td>ask <span class="chip">canary</span></td>' in listed


def test_a_canary_that_fails_too_often_stops_by_itself_for_all_and_can_go_on(world: World, receiver: Receiver) -> None:
    ended = ask(world, "fails", [f"What is {number}?" for number in range(70)])
    failed = [view for view in ended if view.state is JobState.FAILED]
    assert {view.canary for view in failed} == {True}
    world.until(lambda: stands(world, "fails") is CanaryState.STOPPED, "the canary to be stopped")
    stopped = canary_of(world, "fails")
    counted = stopped["figures"]["canary_jobs"]
    assert 20 <= counted["failed"] == counted["jobs"] <= len(failed)
    assert stopped["figures"]["other_jobs"]["failed"] == 0
    assert f"{counted['failed']} of {counted['jobs']} jobs (100.0%) of the canary failed" in stopped["reason"]
    safe = ask(world, "fails", [f"Who is {number}?" for number in range(20)])
    assert {(view.state, view.models) for view in safe} == {(JobState.SUCCEEDED, ("luna",))}
    with world.client() as client:
        (decision,) = client.get(safe[0].job).trace().decisions
    assert decision.reason.startswith("the canary is stopped: ")
    world.until(lambda: any(each.json["type"] == CANARY_STOPPED for each in receiver.at("/alerts")), "the alert")
    with world.database.read() as connection:
        assert [sent.event for sent in list_deliveries(connection)].count(CANARY_STOPPED) == 1
    (alert,) = (each for each in receiver.at("/alerts") if each.json["type"] == CANARY_STOPPED)
    verify_signature(SECRET, alert.headers["Mirepoix-Signature"], alert.body)
    assert alert.json["data"]["pipeline"] == "fails"
    assert alert.json["data"]["canary_jobs"] == counted
    going_on = canary_of(world, "fails", "--resume", "fails")
    assert (going_on["state"], going_on["canary_jobs"]["jobs"], going_on["figures"]) == ("running", 0, {})
    by_hand = world.run("canaries", "--stop", "fails").stdout
    assert "fails_next (40% by input)" in by_hand
    assert "somebody asked for it" in by_hand
