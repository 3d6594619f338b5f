"""Next versions of pipelines: canaries that stick, stop by themselves and go on; shadows that nobody waits for."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from mirepoix import Handle, JobState, Submission
from mirepoix.errors import InputError
from mirepoix.rollouts import SHADOW
from mirepoix.states import ErrorKind, Lane, Store
from mirepoix.views import JobView
from mirepoix.webhooks import verify_signature
from tests.receiver import Receiver, receiving
from tests.system.world import World, open_world

pytestmark = [pytest.mark.system, pytest.mark.long]

CONFIG = Path(__file__).parent / "rollouts.yaml"
SECRET = "a secret of this test"
MORE = """
webhooks: {{secret_env: HOOK_SECRET, allow: [127.0.0.0/8], retry_after: 0.2}}
alerts: [{{webhook: "{url}/stopped"}}]
"""
FAULTS = [
    {"kind": "status", "status": 400, "match": {"contains": "FAIL"}},
    {"kind": "slow", "seconds": 3, "match": {"contains": "SLOW"}},
]


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    """Is told when a canary is stopped."""
    with receiving() as opened:
        yield opened


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, receiver: Receiver) -> Iterator[World]:
    """Two orchestrators, so that two watches look at the canaries; next versions that fail, and that are slow."""
    home = tmp_path_factory.mktemp("rollouts")
    config = home / "rollouts.yaml"
    config.write_text(CONFIG.read_text() + MORE.format(url=receiver.url))
    with open_world(home, time_scale=0, config=config, settings={"HOOK_SECRET": SECRET}) as opened:
        httpx.post(f"{opened.settings.emulator_url}/__emu/faults", json={"faults": FAULTS}, trust_env=False)
        opened.start("second", "worker", "orchestrate")
        opened.start_workers("orchestrate", "openai")
        yield opened


def ask_of_users(world: World, users: range, question: str) -> dict[int, Handle]:
    """One job for each user."""
    with world.client() as client:
        jobs = [Submission(f"{question} {user}?", tags={"user": f"user {user}"}) for user in users]
        handles = client.submit_many("ask", jobs)
        for _ in client.as_ended(handles, 60):
            pass
    return dict(zip(users, handles, strict=True))


def views_of(world: World, handles: list[Handle]) -> list[JobView]:
    """The jobs as they stand."""
    with world.client() as client:
        return [client.get(handle.id).view() for handle in handles]


def shadows(world: World, of: set[str]) -> list[JobView]:
    """The shadows of these jobs, whatever their state."""
    with world.client() as client:
        return [view for view in client.jobs(tenant=SHADOW, limit=1000) if view.shadow_of in of]


def canary_of(world: World, pipeline: str, *arguments: str) -> dict[str, Any]:
    """What `mirepoix canaries` says of it."""
    return next(line for line in world.lines("canaries", *arguments) if line["pipeline"] == pipeline)


def test_a_share_of_the_users_gets_the_next_version_and_sticks_to_it(world: World) -> None:
    users = range(150)
    first, again = (views_of(world, [*ask_of_users(world, users, text).values()]) for text in ("What is", "Who is"))
    assert {view.state for view in [*first, *again]} == {JobState.SUCCEEDED}
    assert [view.canary for view in first] == [view.canary for view in again]
    taken = sum(view.canary is True for view in first)
    spread = math.sqrt(len(users) * 0.2 * 0.8)
    assert abs(taken - 0.2 * len(users)) < 4 * spread
    assert all(view.models == (("mini",) if view.canary else ("luna",)) for view in first)
    assert {view.pipeline for view in first} == {"ask"}
    shown = canary_of(world, "ask")
    assert (shown["state"], shown["canary_jobs"]["jobs"]) == ("running", 2 * taken)
    assert shown["other_jobs"] | {"jobs": 300 - 2 * taken, "failed": 0} == shown["other_jobs"]
    assert float(shown["canary_jobs"]["mean_cost_usd"]) > 0


def test_the_trace_says_which_version_a_job_got_and_why_and_replay_reproduces_it(world: World) -> None:
    handles = ask_of_users(world, range(20), "Where is")
    by_canary = {view.canary: view for view in views_of(world, [*handles.values()])}
    for canary, choice in ((True, "ask_next"), (False, "ask")):
        (trace,) = world.lines("trace", by_canary[canary].job)
        (decision,) = trace["decisions"]
        assert (decision["choice"], decision["features"]["canary"]) == (choice, canary)
        assert "its tag:user falls at 0." in decision["reason"]
        assert "canary's share of 0.2" in world.run("trace", by_canary[canary].job).stdout
        (replay,) = world.lines("replay", by_canary[canary].job)
        assert (replay["same"], replay["same_output"], replay["version"]) == (True, True, trace["version"])
    before, after = (world.lines("replay", by_canary[True].job, "--live")[0][which] for which in ("before", "after"))
    assert (after["models"], after["version"]) == (before["models"], before["version"])
    assert after["canary"] is None


def test_an_idempotency_key_gives_the_same_job_whatever_way_it_went(world: World) -> None:
    with world.client() as client:
        twice = [
            client.submit("shadowed", f"What is {number}?", key=f"key {number}") for number in range(20) for _ in "12"
        ]
        ids = [handle.id for handle in twice]
        assert ids[::2] == ids[1::2]
        traces = [client.get(id_).trace() for id_ in ids[::2]]
    assert all(len(trace.shadows) <= 1 for trace in traces)
    assert any(trace.shadows for trace in traces)


def test_shadows_answer_a_share_unseen_and_nobody_waits_for_them(world: World) -> None:
    questions = [f"What is {number} plus {number}?" for number in range(60)]
    with world.client() as client:
        handles = client.submit_many("shadowed", questions, tags={"team": "search"}, tenant="acme")
        answered = list(client.as_ended(handles, 60))
    assert {(view.state, view.models, view.tenant) for view in answered} == {(JobState.SUCCEEDED, ("luna",), "acme")}
    ids = {handle.id for handle in handles}
    unseen = shadows(world, ids)
    assert abs(len(unseen) - 0.3 * 60) < 4 * math.sqrt(60 * 0.3 * 0.7)
    world.until(lambda: all(view.state.terminal for view in shadows(world, ids)), "the shadows to end")
    ended = {view.shadow_of: view for view in shadows(world, ids)}
    whole = {view.job: view for view in answered}
    for job, shadow in ended.items():
        assert (shadow.state, shadow.models, shadow.pipeline) == (JobState.SUCCEEDED, ("mini",), "shadowed_next")
        assert shadow.cost_usd > 0
        assert shadow.tags == {}
        assert shadow.finished_at is not None
        assert whole[str(job)].finished_at is not None
        assert shadow.finished_at > whole[str(job)].finished_at  # type: ignore[operator]  # both are there
    (one, shadow) = next(iter(ended.items()))
    (trace,) = world.lines("trace", str(one))
    assert trace["shadows"] == [shadow.job]
    assert f"a shadow of {one}" in world.run("trace", shadow.job).stdout
    spent = {line["group"]: line for line in world.lines("costs", "--by", "tenant")}
    assert float(spent[SHADOW]["cost_usd"]) > 0
    listed = world.lines("jobs", "--tenant", "acme", "--limit", "500")
    assert {line["job"] for line in listed} == ids


def test_what_if_takes_the_answers_of_shadows_for_questions_that_only_they_were_asked(world: World) -> None:
    with world.client() as client:
        handles = client.submit_many("shadowed", [f"Say {number}." for number in range(40)])
        for _ in client.as_ended(handles, 60):
            pass
    ids = {handle.id for handle in handles}
    world.until(lambda: all(view.state.terminal for view in shadows(world, ids)), "the shadows to end")
    config = yaml.safe_load(world.settings.config_path.read_text())
    config["pipelines"]["shadowed"] = config["pipelines"]["shadowed_next"]
    policy = world.settings.home / "policy.yaml"
    policy.write_text(yaml.safe_dump({**config, "rollouts": {}}))
    (found,) = world.lines("whatif", "--policy", str(policy), "--pipeline", "shadowed", "--limit", "40")
    assert (found["jobs"], found["shadows"]) == (40, len(shadows(world, ids)))
    assert found["unseen_jobs"] == 40 - found["shadows"] > 0


def test_a_shadow_keeps_to_the_houses_budget_and_to_what_its_job_stores(world: World) -> None:
    with world.client() as client:
        answered = client.submit("kept_apart", "What is mine?").wait(60)
        assert answered.state is JobState.SUCCEEDED
        (shadow,) = shadows(world, {answered.job})
        ended = client.get(shadow.job).wait(60)
        assert (ended.state, ended.error_kind, ended.store) == (JobState.FAILED, ErrorKind.BUDGET, Store.NONE)
        with pytest.raises(InputError, match="is the house's own"):
            client.submit("ask", "What is theirs?", tenant=SHADOW)
    assert {line["tenant"] for line in world.lines("budgets")} >= {SHADOW}


def test_shadows_never_leave_the_lane_that_is_served_last(world: World) -> None:
    from mirepoix.ledger.tables import Job

    with world.database.read() as connection:
        lanes = {row.lane for row in connection.execute(Job.__table__.select().where(Job.tenant == SHADOW))}
    assert lanes == {Lane.BULK}


def test_a_canary_that_fails_too_often_stops_by_itself_for_all_and_can_go_on(world: World, receiver: Receiver) -> None:
    with world.client() as client:
        doomed = client.submit_many("fails", [f"What is {number}?" for number in range(80)])
        ended = list(client.as_ended(doomed, 60))
    assert {view.canary for view in ended if view.state is JobState.FAILED} == {True}
    world.until(lambda: canary_of(world, "fails")["state"] == "stopped", "the canary to be stopped")
    stopped = canary_of(world, "fails")
    failed = stopped["figures"]["canary_jobs"]["failed"]
    assert failed == stopped["figures"]["canary_jobs"]["jobs"] >= 20
    assert stopped["figures"]["other_jobs"]["failed"] == 0
    assert f"{failed} of {failed} jobs (100.0%) of the canary failed" in stopped["reason"]
    assert "fails_next (40% by input)" in world.run("canaries").stdout
    with world.client() as client:
        safe = list(client.as_ended(client.submit_many("fails", [f"Who is {number}?" for number in range(30)]), 60))
        assert {(view.state, view.models) for view in safe} == {(JobState.SUCCEEDED, ("luna",))}
        (decision,) = client.get(safe[0].job).trace().decisions
        assert decision.reason.startswith("the canary is stopped: ")
    world.until(lambda: bool(receiver.at("/stopped")), "the alert")
    assert len(world.lines("deliveries")) == 1
    (alert,) = receiver.at("/stopped")
    verify_signature(SECRET, alert.headers["Mirepoix-Signature"], alert.body)
    assert alert.json["type"] == "canary.stopped"
    assert alert.json["data"]["pipeline"] == "fails"
    assert alert.json["data"]["canary_jobs"] == {"jobs": failed, "failed": failed}
    going_on = canary_of(world, "fails", "--resume", "fails")
    assert (going_on["state"], going_on["canary_jobs"]["jobs"], going_on["figures"]) == ("running", 0, {})
    assert world.run("canaries", "--resume", "fails", check=2).stderr.startswith("error: the canary of 'fails' is run")
    assert canary_of(world, "fails", "--stop", "fails")["reason"] == "somebody asked for it"
