"""What `mirepoix autoscale` and `/v1/autoscale` make of a ledger and of the gates that all workers share."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from db.attempts import Asked, Outcome, close_attempt, open_attempt
from db.traffic import Traffic, recent_traffic
from db.workers import register_worker
from mirepoix import Call
from mirepoix.config_file import load_config
from mirepoix.prices import Usage
from mirepoix.states import ErrorKind
from tasks.limits.admission import Admission
from tasks.limits.connection import connect_limits
from tasks.limits.gatekeeper import Gatekeeper
from tests.db.ledger import begin
from tests.system.world import World, open_world
from web.app import create_app

pytestmark = pytest.mark.system

CONFIG = """
providers:
  one: {api: openai, concurrency: 5, limits: {rpm: 600}, workers: {drain: 10}, breaker: {failures: 2, cooldown: 600}}
  two: {api: openai, workers: {least: 0}}
models:
  a: {provider: one, price: {input: 1, output: 1}}
  b: {provider: two, price: {input: 1, output: 1}}
"""


@dataclass(frozen=True, slots=True)
class Busy:
    """A house without workers, whose ledger a test fills by hand."""

    world: World

    def wait(self, calls: int) -> None:
        """So many more calls of `one` wait."""
        for number in range(calls):
            begin(self.world.database, Call(model="a"), f"question {number}")

    def ask(self, latency: float, error: ErrorKind | None = None) -> None:
        """Ask `one`, in a job of its own, and let it answer or fail."""
        run = begin(self.world.database, Call(model="a"))
        claim = run.must_claim("$")
        with self.world.database.write() as connection:
            attempt = open_attempt(connection, claim, Asked("one", "a", "a", {"prompt": "x"}))
            usage = Usage(input=100, output=20) if error is None else None
            close_attempt(connection, attempt, Outcome(latency, "x", 200, usage=usage, error_kind=error))
        run.record(claim)

    def sizings(self) -> dict[str, dict[str, Any]]:
        """What the command says of each provider."""
        return {line["provider"]: line for line in self.world.lines("autoscale")}


@pytest.fixture
def busy(tmp_path: Path) -> Iterator[Busy]:
    config = tmp_path / "house.yaml"
    config.write_text(CONFIG)
    with open_world(tmp_path, config=config, emulate=False) as world:
        yield Busy(world)


def test_what_waits_is_sized_by_latency_and_limits_and_said_in_words(busy: Busy) -> None:
    busy.wait(40)
    for latency in (1.0, 3.0):
        busy.ask(latency)
    sizings = busy.sizings()
    assert 8 <= sizings["one"]["wanted"] <= 32, "40 within 10 s, 2 s each; hurried, up to four times, as they grow old"
    assert sizings["one"]["fed"] == 20.0, "600 a minute are 10 a second, of 2 s each"
    assert 2 <= sizings["one"]["workers"] <= 4
    assert (sizings["two"]["workers"], sizings["two"]["fed"]) == (0, None)
    busy.wait(80)
    assert busy.sizings()["one"]["workers"] == 4, "20 calls at once, five a process"
    said = busy.world.run("autoscale", "--dry-run").stdout
    assert "120 calls wait" in said
    assert "rpm: 600 feeds no more than 20.0 at once" in said
    assert busy.world.run("autoscale").stdout == "one 4\ntwo 0\n"
    assert busy.world.run("autoscale", "one").stdout == "4\n"
    assert "provider 'oen'" in busy.world.run("autoscale", "oen", check=2).stderr


def test_running_processes_and_calls_in_hand_count(busy: Busy) -> None:
    with busy.world.database.write() as connection:
        for number in range(4):
            register_worker(connection, f"w{number}", f"one@here.{number}", ["provider.one"])
    for number in range(12):
        begin(busy.world.database, Call(model="a"), f"question {number}").must_claim("$", "w1")
    sizing = busy.sizings()["one"]
    assert (sizing["wanted"], sizing["running"], sizing["workers"]) == (12.0, 4, 4), (
        "three would do, but fuller than 70 %"
    )
    assert "12 are in hand" in sizing["reason"]


def test_nothing_is_added_where_the_breaker_is_open_or_most_requests_fail(busy: Busy) -> None:
    busy.wait(120)
    assert busy.sizings()["one"]["workers"] == 4
    for _ in range(10):
        busy.ask(0.1, ErrorKind.OVERLOADED)
    sizing = busy.sizings()["one"]
    assert sizing["workers"] == 1
    assert "10 of the last 10 requests failed" in sizing["reason"]
    gatekeeper = Gatekeeper(
        connect_limits(busy.world.settings.redis_url), load_config(busy.world.settings.config_path), "w"
    )
    for _ in range(2):
        admission = gatekeeper.admit("a", 1)
        assert isinstance(admission, Admission)
        gatekeeper.settle(admission, 1, failed=True)
    assert "while its breaker is open" in busy.sizings()["one"]["reason"]


def test_means_are_of_answers_and_failures_are_counted(busy: Busy) -> None:
    busy.ask(1.0)
    busy.ask(2.0)
    busy.ask(60.0, ErrorKind.TIMEOUT)
    with busy.world.database.read() as connection:
        assert recent_traffic(connection) == {"one": Traffic(latency=1.5, tokens=120.0, ended=3, failed=1)}


def test_a_scaler_reads_the_number_over_http_and_nothing_of_the_load(busy: Busy) -> None:
    busy.wait(120)
    app = create_app(busy.world.settings, load_config(busy.world.settings.config_path))
    with TestClient(app, base_url="http://10.0.0.9:8800", client=("10.0.0.1", 50_000)) as scaler:
        assert scaler.get("/healthz").status_code == 200, "a probe of Kubernetes calls the pod by its address"
        assert scaler.get("/v1/autoscale").status_code == 403
        key = busy.world.run("keys", "create", "--tenant", "keda", "--scope", "read").stdout.strip()
        answer = scaler.get("/v1/autoscale", headers={"Authorization": f"Bearer {key}"})
    assert answer.json() == {"workers": {"one": 4, "two": 0}}


def test_where_the_limits_are_not_known_no_number_is_given(busy: Busy) -> None:
    away = busy.world.run_with({"MIREPOIX_REDIS_URL": "redis://127.0.0.1:1/0"}, "autoscale", check=1)
    assert away.stdout == ""
    assert "does not answer" in away.stderr
