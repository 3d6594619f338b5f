"""What real workers leave behind: found by its words, marked or forgotten as its pipeline says, exported and pruned."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from sqlalchemy import select

from mirepoix import Client, JobState
from mirepoix.errors import NotFound
from mirepoix.ledger.tables import Job
from tests.db.filed import everything
from tests.system.world import World, open_world

pytestmark = [pytest.mark.system, pytest.mark.long]

EMAIL = "ada.lovelace@example.org"
FORGET_AFTER = {"MIREPOIX_FORGET_AFTER": "1"}


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Workers that forget one second after the end of a job."""
    config = Path(__file__).parent / "traces.yaml"
    with open_world(tmp_path_factory.mktemp("kept"), config=config, settings=FORGET_AFTER) as world:
        world.start_workers("orchestrate", "openai", "local")
        yield world


@pytest.fixture(scope="module")
def client(kept: World) -> Iterator[Client]:
    """A producer's client."""
    with kept.client() as opened:
        yield opened


def is_filed(world: World, job_id: str) -> bool:
    """Whether what is to become of the job's texts has."""
    with world.database.read() as connection:
        return connection.execute(select(Job.filed_at).where(Job.id == job_id)).scalar_one() is not None


def run(world: World, client: Client, pipeline: str, text: str) -> str:
    """A job that has ended and is filed."""
    handle = client.submit(pipeline, text)
    handle.wait(40)
    world.until(lambda: is_filed(world, handle.id), f"job {handle.id} to be filed")
    return handle.id


def test_jobs_are_found_from_the_command_line(kept: World, client: Client) -> None:
    found, other = run(kept, client, "open", "The Ångström unit"), run(kept, client, "open", "Another matter")
    command = ["jobs", "--json", "--since", "1h", "--until", "2999-01-01", "--state", "succeeded"]
    command += ["--pipeline", "open", "--model", "house", "--provider", "local", "--tenant", "default"]
    assert [line["job"] for line in kept.lines(*command, "--text", "angstrom")] == [found]
    assert [view.job for view in client.jobs(model="house", state=JobState.SUCCEEDED)] == [other, found]
    assert "is no time" in kept.run("jobs", "--since", "yesterday", check=2).stderr


def test_redacted_texts_keep_their_marks_only(kept: World, client: Client) -> None:
    handle = client.submit("marked", f"Write to {EMAIL}")
    assert handle.result(40) == f"Again: Write to {EMAIL}", "who waits gets the whole answer"
    kept.until(lambda: is_filed(kept, handle.id), "the job to be filed")
    trace = handle.trace()
    assert (trace.input, trace.output) == ("Write to [email]", "Again: Write to [email]")
    assert EMAIL not in everything(kept.database)
    assert [view.job for view in client.jobs(text='"again write"')] == [handle.id]


def test_what_is_not_stored_is_gone_soon_after_the_end(kept: World, client: Client) -> None:
    handle = client.submit("hidden", "an unspeakable question")
    assert handle.result(40)
    kept.until(lambda: is_filed(kept, handle.id), "the job to be filed")
    assert "unspeakable" not in everything(kept.database)
    with pytest.raises(NotFound, match="no longer stored"):
        handle.result()
    shown = kept.run("trace", handle.id).stdout
    assert "input: not stored" in shown
    assert "unspeakable" not in shown
    trace = handle.trace()
    assert (trace.state, trace.forgotten, trace.cost_usd > 0) == (JobState.SUCCEEDED, True, True)
    assert trace.steps[0].decision is not None
    assert client.jobs(text="unspeakable") == []


@pytest.mark.parametrize("pipeline", ["marked", "hidden"])
def test_a_job_whose_texts_are_not_kept_says_that_it_is_not_replayable(
    kept: World, client: Client, pipeline: str
) -> None:
    job_id, asked = run(kept, client, pipeline, "What is kept?"), len(client.jobs())
    for how in ((), ("--config-now",), ("--live",), ("--from", "$")):
        told = kept.run("replay", job_id, *how, "--json", check=2)
        shown = json.loads(told.stdout)
        assert (shown["job"], shown["replayable"]) == (job_id, False)
        assert f"error: job {job_id} is not replayable, because {shown['reason']}." in told.stderr
    assert len(client.jobs()) == asked, "nothing was submitted"


def test_whatif_counts_jobs_whose_texts_are_not_kept_as_not_known(kept: World, client: Client) -> None:
    for pipeline in ("open", "marked", "hidden"):
        run(kept, client, pipeline, "What is known?")
    policy, pipelines = ["--policy", str(kept.settings.config_path), "--since", "1h"], ("open", "marked", "hidden")
    jobs = {name: [view for view in client.jobs(pipeline=name) if view.filed] for name in pipelines}
    (found,) = kept.lines("whatif", *policy)
    assert found["not_known"] == len(jobs["marked"]) + len(jobs["hidden"])
    assert found["jobs"] >= len(jobs["open"])
    assert any("redacted or forgotten" in said for said in found["said"])
    refused = kept.run("whatif", *policy, "--pipeline", "hidden", check=2).stderr
    assert f"of {len(jobs['hidden'])} the texts are redacted or forgotten" in refused


def test_a_trace_tells_moves_and_waits(kept: World, client: Client) -> None:
    moved = run(kept, client, "falls", "no JSON")
    shown = kept.run("trace", moved).stdout
    assert "moved spare -> luna: model_error" in shown
    assert "openai/luna fallback · answered 200" in shown
    tight = client.submit_many("tight", [f"wait {number}" for number in range(6)])
    for handle in tight:
        handle.wait(40)
    waits = [
        attempt.limit_wait_s
        for handle in tight
        for call in handle.trace().steps[0].calls
        for attempt in call.attempts
        if attempt.limit_reason == "concurrency"
    ]
    assert waits
    assert all(wait is not None and wait > 0 for wait in waits)


def test_traces_are_exported_and_old_ones_pruned(kept: World, client: Client) -> None:
    job_id = run(kept, client, "open", "to be exported")
    lines, table = kept.settings.home / "traces.jsonl.gz", kept.settings.home / "traces.parquet"
    kept.run("export", "--since", "7d", "--text", "exported", "-o", str(lines))
    (trace,) = (json.loads(line) for line in gzip.decompress(lines.read_bytes()).splitlines())
    assert (trace["job"], trace["output"]) == (job_id, "to be exported")
    (attempt,) = trace["steps"][0]["calls"][0]["attempts"]
    assert trace["contents"][attempt["answer_hash"]] == "to be exported"
    kept.run("export", "--format", "parquet", "-o", str(table))
    rows = pq.read_table(table).to_pylist()
    assert [row["job"] for row in rows] == [view.job for view in reversed(client.jobs())]
    assert json.loads(rows[-1]["trace"])["contents"] == trace["contents"]

    everyone = len(client.jobs())
    (counted,) = kept.lines("prune", "--older-than", "0s", "--dry-run", "--json")
    assert (counted["jobs"], counted["dry_run"], len(client.jobs())) == (everyone, True, everyone)
    (pruned,) = kept.lines("prune", "--older-than", "0s", "--state", "succeeded", "--json")
    assert (pruned["jobs"], pruned["contents"] > 0, client.jobs()) == (everyone, True, [])
    assert "to be exported" not in everything(kept.database)
    assert "is no time" in kept.run("prune", "--older-than", "999999w", check=2).stderr
    assert "is yet to come" in kept.run("prune", "--older-than", "2999-01-01", check=2).stderr
    assert "have ended can be deleted" in kept.run("prune", "--older-than", "1d", "--state", "running", check=2).stderr
