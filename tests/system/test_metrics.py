"""What workers serve to Prometheus, what stands on it under deploy/, and what Flower shows of tasks on their way."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from mirepoix import Call, JobState
from tests.system.world import World, open_world, responds
from workers.stack import free_port

pytestmark = [pytest.mark.system, pytest.mark.long]

CONFIG = Path(__file__).parent / "metrics.yaml"
DEPLOY = Path(__file__).parents[2] / "deploy"
WEB = "https://pages.example"
PROCESSES = ("orchestrate", "openai", "local")
OF_PROMETHEUS = {"up", "process_resident_memory_bytes"}
STATES = {"WAITING_FOR_LIMIT", "ASKING", "RE_ASKING", "ESCALATING"}
LATER = {"mirepoix_limit_waits", "mirepoix_fallbacks", "mirepoix_retries"}

Labels = tuple[tuple[str, str], ...]


@dataclass
class House:
    """A world whose workers serve metrics from `port` on, and a Flower."""

    world: World
    port: int
    flower: str

    def targets(self) -> dict[str, str]:
        """Where each worker serves, as Prometheus finds it."""
        files = (self.world.settings.home / "metrics").glob("*.json")
        found = [entry for file in files for entry in json.loads(file.read_text())]
        return {entry["labels"]["worker"]: entry["targets"][0] for entry in found}

    def scrape(self) -> dict[str, dict[Labels, float]]:
        """All samples of all workers by name and labels."""
        samples: dict[str, dict[Labels, float]] = {}
        for target in self.targets().values():
            text = httpx.get(f"http://{target}/metrics", timeout=10, trust_env=False).text
            for family in text_string_to_metric_families(text):
                for sample in family.samples:
                    labels = tuple(sorted(sample.labels.items()))
                    samples.setdefault(sample.name, {}).setdefault(labels, 0.0)
                    samples[sample.name][labels] += sample.value
        return samples

    def tasks(self, state: str | None = None) -> dict[str, dict[str, Any]]:
        """Tasks as Flower's API tells them."""
        query = {"limit": "1000"} | ({"state": state} if state else {})
        answer = httpx.get(f"{self.flower}/api/tasks", params=query, timeout=10, trust_env=False)
        found: dict[str, dict[str, Any]] = answer.json()
        return found


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    port = free_port()
    variables = {"MIREPOIX_METRICS_PORT": str(port), "MIREPOIX_WEB_URL": WEB}
    home = tmp_path_factory.mktemp("metrics")
    with open_world(home, time_scale=0.01, config=CONFIG, settings=variables) as world:
        world.start_workers(*PROCESSES)
        flower_port = free_port()
        world.start("flower", "flower", "--port", str(flower_port))
        flower = f"http://127.0.0.1:{flower_port}"
        world.until(lambda: responds(f"{flower}/healthcheck"), "Flower")
        yield House(world, port, flower)


def total(samples: dict[str, dict[Labels, float]], name: str, **labels: str) -> float:
    return sum(value for have, value in samples.get(name, {}).items() if labels.items() <= dict(have).items())


def test_several_processes_of_a_host_serve_on_ports_of_their_own(house: House) -> None:
    targets = house.targets()
    assert set(targets) == set(PROCESSES)
    assert len(set(targets.values())) == len(PROCESSES)
    assert all(house.port <= int(target.rpartition(":")[2]) < house.port + 100 for target in targets.values())


def test_metrics_agree_with_the_ledger(house: House) -> None:
    before = house.scrape()
    with house.world.client() as client:
        handles = [client.submit("ask", f"question {number}") for number in range(5)]
        views = [handle.wait(30) for handle in handles]
        failed = client.submit("fails", "hello").wait(30)
    house.world.until(lambda: total(house.scrape(), "mirepoix_jobs_ended_total", pipeline="fails") >= 1, "the count")
    after = house.scrape()

    def more(name: str, **labels: str) -> float:
        return total(after, name, **labels) - total(before, name, **labels)

    assert failed.state is JobState.FAILED
    assert more("mirepoix_jobs_ended_total", pipeline="ask", state="succeeded") == 5
    assert more("mirepoix_jobs_ended_total", pipeline="fails", state="failed") == 1
    assert more("mirepoix_job_seconds_count", pipeline="ask") == 5
    assert more("mirepoix_calls_total", provider="openai", model="luna", outcome="answered") == 5
    assert more("mirepoix_calls_total", model="broken", outcome="model_error") == 1
    assert more("mirepoix_call_seconds_count", model="luna") == 5
    assert more("mirepoix_cost_usd_total") == pytest.approx(float(sum(view.cost_usd for view in views)))
    assert more("mirepoix_tokens_total", kind="input") > 0
    assert total(after, "mirepoix_service_up", service="ledger") == 1
    assert total(after, "mirepoix_breaker", provider="openai", state="closed") == 1


def test_what_waits_is_seen_by_queue_and_age(house: House) -> None:
    with house.world.client() as client:  # nobody serves anthropic here
        handles = [client.submit("nobody", f"question {number}") for number in range(3)]
        house.world.until(
            lambda: total(house.scrape(), "mirepoix_queue_depth", queue="provider.anthropic") == 3, "the depth"
        )
        samples = house.scrape()
        assert 0 < total(samples, "mirepoix_queue_oldest_seconds", queue="provider.anthropic") < 60
        assert total(samples, "mirepoix_jobs_open", state="running") == 3
        assert total(samples, "mirepoix_queue_depth", queue="provider.openai") == 0
        for handle in handles:
            handle.cancel()
    assert total(house.scrape(), "mirepoix_queue_depth") == 0


def test_flower_shows_what_tasks_wait_for_and_links_to_their_job(house: House) -> None:
    with house.world.client() as client:
        handles = {name: client.submit(name, "hello") for name in ("one_at_a_time", "careful", "schema", "spare")}
        slow = [client.submit("one_at_a_time", f"hello {number}") for number in range(8)]
        seen: set[str] = set()

        def has_seen() -> bool:
            seen.update(task["state"] for task in house.tasks().values())
            return seen >= STATES

        with suppress(AssertionError):
            house.world.until(has_seen, "the states", 20)
        assert STATES - seen == set(), f"came: {seen}; {house.scrape().get('mirepoix_limit_waits_total')}"
        list(client.as_ended([*handles.values(), *slow], 30))
    samples = house.scrape()
    assert total(samples, "mirepoix_limit_waits_total", provider="local", reason="concurrency") >= 1
    assert total(samples, "mirepoix_retries_total", reason="invalid_output") >= 1
    assert total(samples, "mirepoix_fallbacks_total", model="spare") == 1

    house.world.until(lambda: not STATES & {task["state"] for task in house.tasks().values()}, "all ends in Flower")
    of_job = [task for task in house.tasks().values() if handles["careful"].id in str(task["args"])]
    escalated = next(task for task in of_job if "tiers.1" in task["args"])
    page = httpx.get(f"{house.flower}/task/{escalated['uuid']}", timeout=10, trust_env=False).text
    assert f'href="{WEB}/jobs/{handles["careful"].id}"' in page
    assert "Task details" in page
    assert {task["state"] for task in of_job} == {"SUCCESS", "FAILURE"}
    redis = house.world.redis()
    kept = list(redis.scan_iter("celery-task-meta-*"))
    assert not kept, "custom states are events only"


def test_dashboard_and_alerts_ask_for_what_workers_serve(house: House) -> None:
    served = set(house.scrape()) | OF_PROMETHEUS
    assert not {name for name in LATER if f"{name}_total" not in served}, "the tests above make all of them"
    rules = yaml.safe_load((DEPLOY / "alerts.yml").read_text())
    dashboard = json.loads((DEPLOY / "grafana-dashboard.json").read_text())
    alerts = {rule["alert"]: rule["expr"] for group in rules["groups"] for rule in group["rules"]}
    panels = {panel["title"]: target["expr"] for panel in dashboard["panels"] for target in panel["targets"]}
    labels = {name: {key for have in found for key, _ in have} for name, found in house.scrape().items()}
    for title, expression in (alerts | panels).items():
        bare = re.sub(r'"[^"]*"', '""', expression)
        assert bare.count("(") == bare.count(")"), title
        names = set(re.findall(r"\b(?:mirepoix_\w+|process_\w+|up)\b", bare))
        assert names, title
        assert names <= served, title
        for name, selected in re.findall(r"\b(mirepoix_\w+)\{([^}]*)\}", bare):
            assert set(re.findall(r"(\w+)\s*[=!]", selected)) <= labels[name], title
        grouped = {label.strip() for by in re.findall(r"by \(([^)]*)\)", bare) for label in by.split(",")}
        assert grouped <= set.union(*(labels.get(name, set()) for name in names)), title
    scraped = yaml.safe_load((DEPLOY / "prometheus.yml").read_text())
    assert scraped["rule_files"] == ["alerts.yml"]
    print(f"{len(alerts)} alerts and {len(panels)} panels ask for {len(served)} names")


def test_labels_are_bounded_by_the_configuration(house: House) -> None:
    with house.world.client() as client:
        for number in range(3):
            client.submit(Call(model="luna", name=f"made_up_{number}"), "hello", tenant=f"tenant{number}").result(30)
    text = json.dumps([[name, *map(list, found)] for name, found in house.scrape().items()])
    assert "made_up" not in text
    assert "tenant" not in text
    assert not re.search(r"[0-9A-Z]{26}", text), "no job's id"
    assert total(house.scrape(), "mirepoix_jobs_ended_total", pipeline="python") == 3
