"""The command line as people and scripts use it: the contract's objects, and clear words for bad input."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import select

from mirepoix.ledger.contents import load
from mirepoix.ledger.tables import Attempt
from mirepoix.states import JobState
from tests.system.world import World, open_world

pytestmark = pytest.mark.system

QUESTION = "What is the capital of France?"
BROKER_AWAY = "redis://127.0.0.1:1/0"


@pytest.mark.quick
@pytest.mark.parametrize("pipeline", ["ask", "decide"])
def test_submit_and_trace_print_the_objects_of_the_contract(world: World, pipeline: str) -> None:
    (answer,) = world.lines("submit", pipeline, QUESTION, "--wait")
    assert answer["state"] == "succeeded"
    assert answer["output"]
    assert re.fullmatch(r"0\.\d+", answer["cost_usd"])
    assert answer["latency_s"] > 0
    assert answer["models"]
    assert answer["calls"] >= 1

    (trace,) = world.lines("trace", answer["job"])
    assert trace["job"] == answer["job"]
    assert trace["pipeline"] == pipeline
    assert re.fullmatch(r"[0-9a-f]{16}", trace["version"])
    decision = trace["steps"][0]["decision"]
    assert {"choice", "reason", "confidence", "features"} <= decision.keys()
    attempts = [attempt for step in trace["steps"] for call in step["calls"] for attempt in call["attempts"]]
    assert len(attempts) == answer["calls"]
    for attempt in attempts:
        assert attempt["status"] == 200
        assert attempt["input_tokens"] > 0
        assert attempt["output_tokens"] > 0
        assert attempt["latency_s"] > 0
        assert attempt["error"] is None
    assert sum(Decimal(attempt["cost_usd"]) for attempt in attempts) == Decimal(answer["cost_usd"])


@pytest.mark.quick
def test_the_bill_and_the_ledger_agree_to_the_last_digit(world: World) -> None:
    world.lines("submit", "careful", QUESTION, "--wait")
    bill = world.bill()
    for group in ("model", "provider", "pipeline", "tenant", "day"):
        spent = sum(Decimal(row["cost_usd"]) for row in world.lines("costs", "--by", group))
        assert spent == Decimal(bill["cost_usd"])
    http_models = {"luna", "mini", "haiku", "opus"}
    tokens = sum(row["output_tokens"] for row in world.lines("costs") if row["group"] in http_models)
    assert tokens == bill["output_tokens"]


def test_many_jobs_from_a_file(world: World, tmp_path: Path) -> None:
    file = tmp_path / "jobs.jsonl"
    rows = [f"question {number}" for number in range(3)] + [{"input": "one more", "task": "fact", "tenant": "acme"}]
    file.write_text("\n".join(json.dumps(row) for row in rows))
    ended = world.lines("submit", "ask", "--jsonl", str(file), "--wait")
    assert [job["state"] for job in ended] == ["succeeded"] * 4
    assert sorted(job["tenant"] for job in ended) == ["acme", "default", "default", "default"]
    listed = world.lines("jobs", "--pipeline", "ask", "--limit", "4")
    assert {job["job"] for job in listed} == {job["job"] for job in ended}


def test_the_input_may_come_from_a_file_or_from_standard_input(world: World, tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("from a file")
    (first,) = world.lines("submit", "only_openai", "--file", str(tmp_path / "text.txt"), "--wait")
    done = world.run("submit", "only_openai", "--wait", "--json", stdin="from standard input")
    second = json.loads(done.stdout)
    assert [world.lines("trace", job["job"])[0]["input"] for job in (first, second)] == [
        "from a file",
        "from standard input",
    ]


def test_the_same_key_gives_the_same_job_and_is_paid_once(world: World) -> None:
    first, second = (world.lines("submit", "only_openai", QUESTION, "--key", "order-17", "--wait")[0] for _ in range(2))
    assert first["job"] == second["job"]
    assert second["calls"] == 1
    (other,) = world.lines("submit", "only_openai", QUESTION, "--key", "order-17", "--tenant", "acme")
    assert other["job"] != first["job"]


def test_what_people_see_holds_the_answer_the_reason_and_the_cost(world: World) -> None:
    (answer,) = world.lines("submit", "nest", QUESTION, "--wait")
    assert answer["job"] in world.run("show", answer["job"]).stdout
    seen = world.run("trace", answer["job"]).stdout
    for part in ("verdict.members.0 cascade", "quality", "openai/luna", "USD", "tokens"):
        assert part in seen
    assert answer["job"] in world.run("jobs").stdout
    assert "luna" in world.run("costs").stdout


def test_route_explains_and_calls_nothing(world: World) -> None:
    billed = world.bill()["calls"]
    (explained,) = world.lines("route", "ask", QUESTION)
    assert explained["routes"][0]["choice"] == "to.0"
    assert explained["routes"][0]["then"] == "call luna"
    assert {"length", "technical", "ambiguity"} <= explained["routes"][0]["features"].keys()
    assert "complexity" in world.run("route", "ask", QUESTION).stdout
    assert world.bill()["calls"] == billed


def test_a_failed_job_exits_1_and_says_why(world: World) -> None:
    done = world.run("submit", "fails", "not JSON", "--wait", check=1)
    assert "JSONDecodeError" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


def test_a_cancelled_job_ends_cancelled_and_stays_so(quiet_world: World) -> None:
    (accepted,) = quiet_world.lines("submit", "ask", QUESTION)
    (cancelled,) = quiet_world.lines("cancel", accepted["job"])
    assert cancelled["state"] == JobState.CANCELLED
    quiet_world.run("cancel", accepted["job"], check=1)
    quiet_world.start_workers("orchestrate")
    (later,) = quiet_world.lines("submit", "falls_back", QUESTION)
    quiet_world.until(
        lambda: quiet_world.lines("show", later["job"])[0]["state"] == "running", "the later job to start"
    )
    assert quiet_world.lines("show", accepted["job"])[0]["state"] == JobState.CANCELLED


def test_doctor_says_where_everything_is(world: World) -> None:
    done = world.run("doctor", "--json")
    report = json.loads(done.stdout)
    assert {"broker_url", "database_url", "flower_url", "workers", "problems"} <= report.keys()
    assert report["problems"] == []
    assert len(report["workers"]) == 4


@pytest.fixture(scope="module")
def idle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Services without workers or emulator, for what must be refused before anything runs."""
    with open_world(tmp_path_factory.mktemp("idle"), emulate=False) as opened:
        yield opened


def refused(idle: World, *arguments: str, stdin: str = "") -> str:
    """What a command that must be refused says on stderr; nothing may have been accepted."""
    before = jobs_in(idle)
    done = idle.run(*arguments, stdin=stdin, check=None)
    assert done.returncode in (1, 2), done.stdout
    assert "Traceback" not in done.stderr
    assert jobs_in(idle) == before
    return done.stderr


def test_attached_files_reach_every_provider_as_they_are(world: World, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"\x89PNG\x00\xff")
    (tmp_path / "b.pdf").write_bytes(b"%PDF-1.7")
    attached = [part for name in ("a.png", "b.pdf") for part in ("--attach", str(tmp_path / name))]
    (answer,) = world.lines("submit", "look", "What is this?", *attached, "--wait")
    assert (answer["state"], answer["calls"]) == ("succeeded", 2)
    with world.database.read() as connection:
        hashes = connection.scalars(select(Attempt.prompt_hash).where(Attempt.job_id == answer["job"])).all()
        sent = json.dumps(list(load(connection, hashes).values()))
    picture, document = (base64.b64encode(content).decode() for content in (b"\x89PNG\x00\xff", b"%PDF-1.7"))
    assert f'"image_url": {{"url": "data:image/png;base64,{picture}"}}' in sent
    assert f'"file": {{"filename": "b.pdf", "file_data": "data:application/pdf;base64,{document}"}}' in sent
    assert f'"source": {{"type": "base64", "media_type": "image/png", "data": "{picture}"}}' in sent
    assert f'"source": {{"type": "base64", "media_type": "application/pdf", "data": "{document}"}}' in sent


def jobs_in(idle: World) -> set[str]:
    """The ids of all jobs in the ledger."""
    with idle.client() as client:
        return {view.job for view in client.jobs(limit=1000)}


@pytest.mark.quick
def test_an_unknown_pipeline_names_the_nearest(idle: World) -> None:
    assert "Did you mean 'decide'?" in refused(idle, "submit", "decid", QUESTION)


def test_an_empty_input_is_refused(idle: World) -> None:
    assert "the input is empty" in refused(idle, "submit", "ask", "  ")
    assert "the input is empty" in refused(idle, "submit", "ask", stdin="")


def test_an_input_of_five_megabytes_is_refused_with_the_limit(idle: World, tmp_path: Path) -> None:
    (tmp_path / "big.txt").write_text("x" * 5_000_000)
    assert "the limit is 4,000,000" in refused(idle, "submit", "ask", "--file", str(tmp_path / "big.txt"))


@pytest.mark.parametrize(
    ("content", "says"),
    [(b"", "is empty"), (b"x" * 3_000_001, "does not fit"), (None, "cannot be read")],
)
def test_a_file_that_cannot_be_attached_is_named(idle: World, tmp_path: Path, content: bytes | None, says: str) -> None:
    if content is not None:
        (tmp_path / "a.png").write_bytes(content)
    said = refused(idle, "submit", "ask", "text", "--attach", str(tmp_path / "a.png"))
    assert "a.png" in said
    assert says in said


def test_a_bad_line_in_a_file_of_jobs_is_named_and_none_of_the_batch_is_accepted(idle: World, tmp_path: Path) -> None:
    (tmp_path / "jobs.jsonl").write_text('"fine"\n{"inptu": "x"}\n')
    assert "jobs.jsonl:2" in refused(idle, "submit", "ask", "--jsonl", str(tmp_path / "jobs.jsonl"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            ("call: {model: luna}}, {below: 0.7", "call: {model: lunna}}, {below: 0.7"),
            "unknown model 'lunna'. Did you mean 'luna'?",
        ),
        (("to: [{below", "too: [{below"), "unknown key 'too'. Did you mean 'to'?"),
        (("concurrency: 4}", "concurency: 4}"), "unknown key 'concurency'. Did you mean 'concurrency'?"),
        (("{model: luna}}, {call: {model: mini}}, {call: {model: haiku}}]", "{model: luna}}, *x]"), "not valid YAML"),
        (("  only_openai: {call: {model: luna}}", "  only_openai: &a {chain: [*a]}"), "contains itself"),
        (("  only_openai: {call: {model: luna}}", "  only_openai: {chain: []}"), "at least 1 item"),
        (("  only_openai: {call: {model: luna}}", "  only_openai: {}"), "exactly one of"),
    ],
)
def test_a_mistake_in_the_configuration_is_named_with_its_line(
    idle: World, tmp_path: Path, change: tuple[str, str], message: str
) -> None:
    text = idle.settings.config_path.read_text()
    assert change[0] in text
    broken = tmp_path / "mirepoix.yaml"
    broken.write_text(text.replace(*change, 1))
    done = idle.run_with({"MIREPOIX_CONFIG": str(broken)}, "check", "--emulate", check=2)
    assert message in done.stderr
    assert re.search(r"mirepoix\.yaml:\d+:", done.stderr)


def test_check_finds_a_template_that_names_an_output_that_is_not_there(idle: World, tmp_path: Path) -> None:
    broken = tmp_path / "mirepoix.yaml"
    broken.write_text(idle.settings.config_path.read_text().replace("{{ steps.text }}", "{{ steps.txet }}", 1))
    done = idle.run_with({"MIREPOIX_CONFIG": str(broken)}, "check", "--emulate", check=1)
    assert "unknown step 'txet'. Did you mean 'text'?" in done.stderr


def test_a_missing_key_is_found_at_check_and_at_worker_start_and_not_in_a_job(idle: World) -> None:
    done = idle.run("check", check=1)
    assert "OPENAI_API_KEY is not set" in done.stderr
    assert "ANTHROPIC_API_KEY is not set" in done.stderr
    assert "OPENAI_API_KEY is not set" in idle.run("worker", "openai", check=2).stderr
    assert "OPENAI_API_KEY is not set" in idle.run("up", "--flower-port", "0", check=2).stderr


def test_while_the_broker_is_away_a_job_is_accepted_and_the_user_told(idle: World) -> None:
    done = idle.run_with({"MIREPOIX_BROKER_URL": BROKER_AWAY}, "submit", "ask", QUESTION, "--json")
    assert "the broker cannot be reached" in done.stderr
    job = json.loads(done.stdout)["job"]
    assert idle.lines("show", job)[0]["state"] == JobState.QUEUED


def test_without_patience_for_the_broker_nothing_is_accepted(idle: World) -> None:
    before = jobs_in(idle)
    done = idle.run_with({"MIREPOIX_BROKER_URL": BROKER_AWAY}, "submit", "ask", QUESTION, "--no-wait-broker", check=1)
    assert "cannot be reached" in done.stderr
    assert jobs_in(idle) == before


def test_a_database_without_tables_says_to_migrate(idle: World, tmp_path: Path) -> None:
    away = {"MIREPOIX_DATABASE_URL": f"sqlite:///{tmp_path / 'empty.sqlite3'}"}
    assert "mirepoix migrate" in idle.run_with(away, "submit", "ask", QUESTION, check=1).stderr
    assert "mirepoix migrate" in idle.run_with(away, "jobs", check=1).stderr
    away["MIREPOIX_EMULATOR_URL"] = "http://127.0.0.1:1"
    assert "mirepoix migrate" in idle.run_with(away, "worker", "openai", check=1).stderr


def test_an_unknown_job_is_not_found(idle: World) -> None:
    assert "no job 'nope'" in refused(idle, "trace", "nope")


def test_init_writes_a_file_that_checks_and_never_writes_over_one(idle: World, tmp_path: Path) -> None:
    file = tmp_path / "mirepoix.yaml"
    idle.run("init", str(file))
    assert "is there already" in refused(idle, "init", str(file))
    done = idle.run_with({"MIREPOIX_CONFIG": str(file)}, "check", "--emulate", "--json")
    assert set(json.loads(done.stdout)["pipelines"]) == {"ask", "by_task", "careful", "decide", "report"}
