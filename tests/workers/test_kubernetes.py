"""The manifests of `mirepoix deploy kubernetes`: what Kubernetes takes, and what this house needs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from cli.setup import template
from mirepoix.config import Config
from mirepoix.config_file import parse_config
from mirepoix.errors import ConfigError
from mirepoix.publisher import Publisher
from mirepoix.queues import all_queues, both_lanes
from mirepoix.settings import Settings
from mirepoix.states import Lane
from mirepoix.wake import connect
from workers.app import create_app
from workers.embedded import EmbeddedBroker
from workers.kubernetes import ScaleBy, write_base
from workers.kubernetes.base import manifests

KEPT = Path(__file__).parents[2] / "deploy" / "kubernetes"
VERSION = "1.37"
FOREIGN = ("kustomize.config.k8s.io", "keda.sh")
"""No part of Kubernetes, so its schemas do not know them."""
CONFIG = parse_config(
    """
providers:
  openai: {api: openai, key_env: OPENAI_API_KEY, timeout: 300, concurrency: 20, workers: {least: 2, most: 8},
           limits: {rpm: 120}}
  my.own_one: {api: openai, key_env: OWN_KEY, timeout: 3600}
  local: {api: python, external: false}
models:
  a: {provider: openai, name: gpt-6-luna}
  b: {provider: my.own_one, price: {input: 1, output: 1}}
  c: {provider: local, callable: "tasks.local_models.sentiment:rate"}
tenants: {acme: {daily_cost: 1, secret_env: ACME_SECRET}}
webhooks: {secret_env: HOUSE_SECRET}
"""
)


def documents(config: Config = CONFIG, scale_by: ScaleBy = ScaleBy.WORTH) -> list[dict[str, Any]]:
    """All of them, as they come back from YAML."""
    found = manifests(config, "registry.example/mirepoix:1", scale_by)
    return [document for file in found.values() for document in yaml.safe_load_all(yaml.safe_dump_all(file))]


def of_kind(kind: str, scale_by: ScaleBy = ScaleBy.WORTH) -> dict[str, dict[str, Any]]:
    """The manifests of a kind by name."""
    return {found["metadata"]["name"]: found for found in documents(scale_by=scale_by) if found["kind"] == kind}


def environment(deployment: dict[str, Any]) -> dict[str, dict[str, Any]]:
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    return {variable["name"]: variable for variable in container["env"]}


@pytest.mark.parametrize("scale_by", [ScaleBy.WORTH, ScaleBy.HAND])
def test_kubernetes_takes_every_manifest(scale_by: ScaleBy) -> None:
    checked = [found for found in documents(scale_by=scale_by) if not found["apiVersion"].startswith(FOREIGN)]
    assert len(checked) > 10
    for found in checked:
        kubernetes_validate.validate(found, VERSION, strict=True)


def test_the_schema_is_one_that_can_fail() -> None:
    broken = of_kind("Service")["web"]
    broken["spec"]["prots"] = []
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(broken, VERSION, strict=True)


def test_each_provider_has_a_deployment_a_disruption_budget_and_a_scaler() -> None:
    names = {"worker-openai", "worker-my-own-one", "worker-local"}
    deployments = of_kind("Deployment")
    assert names <= deployments.keys()
    assert names <= of_kind("PodDisruptionBudget").keys()
    assert names == of_kind("ScaledObject").keys()
    served = [deployments[name]["spec"]["template"]["spec"]["containers"][0]["args"] for name in sorted(names)]
    assert served == [["worker", "local"], ["worker", "my.own_one"], ["worker", "openai"]]
    for name, scaled in of_kind("ScaledObject").items():
        assert scaled["spec"]["scaleTargetRef"] == {"name": name}
        assert "replicas" not in deployments[name]["spec"], "whoever applies it again would undo what KEDA did"
    assert of_kind("Deployment", ScaleBy.HAND)["worker-openai"]["spec"]["replicas"] == 2
    assert not of_kind("ScaledObject", ScaleBy.HAND)


def test_what_selects_finds_exactly_its_own_pods() -> None:
    pods = {name: found["spec"]["template"]["metadata"]["labels"] for name, found in of_kind("Deployment").items()}
    selectors = {name: found["spec"]["selector"]["matchLabels"] for name, found in of_kind("Deployment").items()}
    selectors |= {
        f"{name} budget": b["spec"]["selector"]["matchLabels"] for name, b in of_kind("PodDisruptionBudget").items()
    }
    selectors |= {f"{name} service": s["spec"]["selector"] for name, s in of_kind("Service").items()}
    for name, selector in selectors.items():
        assert [pod for pod, labels in pods.items() if selector.items() <= labels.items()] == [name.split()[0]]


def test_a_worker_may_end_its_calls_before_it_is_killed() -> None:
    for name, longest in (("worker-openai", 300), ("worker-my-own-one", 600), ("orchestrator", 20)):
        deployment = of_kind("Deployment")[name]
        grace = float(environment(deployment)["MIREPOIX_GRACE"]["value"])
        assert Settings.from_env({"MIREPOIX_GRACE": str(grace)}).grace == longest, "or no worker would start"
        assert deployment["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] >= grace + 20


def test_secrets_are_references_and_each_key_is_its_own_workers_only() -> None:
    held: dict[str, set[str]] = {}
    for name, deployment in of_kind("Deployment").items():
        for variable, found in environment(deployment).items():
            if re.search(r"KEY|SECRET|PASSWORD|AUTH|_URL", variable):
                assert found["valueFrom"]["secretKeyRef"]["key"] == variable
                held.setdefault(variable, set()).add(name)
    assert held["OPENAI_API_KEY"] == {"worker-openai"}
    assert held["OWN_KEY"] == {"worker-my-own-one"}
    assert held["ACME_SECRET"] == held["HOUSE_SECRET"] == {"orchestrator"}
    assert held["FLOWER_BASIC_AUTH"] == {"flower"}
    assert held["MIREPOIX_WEB_PASSWORD"] == {"web"}
    assert not [found for found in documents() if found["kind"] == "Secret"]


def test_every_pod_is_watched_asks_for_resources_and_has_no_rights() -> None:
    for name, deployment in of_kind("Deployment").items():
        pod = deployment["spec"]["template"]["spec"]
        (container,) = pod["containers"]
        assert {"livenessProbe"} < {key for key in container if key.endswith("Probe")}, name
        assert {"cpu", "memory"} == container["resources"]["requests"].keys(), name
        assert pod["securityContext"]["runAsNonRoot"], name
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}, name
        assert not pod["enableServiceLinks"], "FLOWER_PORT would be taken for Flower's own setting"


@pytest.mark.parametrize(("scale_by", "key"), [(ScaleBy.REDIS, "listName"), (ScaleBy.RABBITMQ, "queueName")])
def test_scalers_watch_both_lanes_of_their_provider_together(scale_by: ScaleBy, key: str) -> None:
    known = {queue.name for queue in all_queues(list(CONFIG.providers))}
    for provider, scaled in zip(CONFIG.providers, of_kind("ScaledObject", scale_by).values(), strict=True):
        watched = {trigger["name"]: trigger["metadata"][key] for trigger in scaled["spec"]["triggers"]}
        assert list(watched.values()) == both_lanes(provider)
        assert set(watched.values()) <= known
        assert scaled["spec"]["advanced"]["scalingModifiers"]["formula"] == " + ".join(watched)
        assert all(
            value == str(value) for trigger in scaled["spec"]["triggers"] for value in trigger["metadata"].values()
        )
    bounds = of_kind("ScaledObject", scale_by)["worker-openai"]["spec"]
    assert (bounds["minReplicaCount"], bounds["maxReplicaCount"]) == (2, 8)


def test_the_path_to_a_provider_with_a_dot_in_its_name_is_escaped() -> None:
    (trigger,) = of_kind("ScaledObject")["worker-my-own-one"]["spec"]["triggers"]
    assert trigger["metadata"]["valueLocation"] == r"workers.my\.own_one"


@pytest.mark.embedded
def test_a_message_in_a_lane_is_in_the_redis_list_that_its_scaler_watches(tmp_path: Path) -> None:
    """Sent by a worker's own app and by a producer, to a real server."""
    broker = EmbeddedBroker(tmp_path)
    broker.start()
    try:
        settings = Settings.from_env({"MIREPOIX_HOME": str(tmp_path), "MIREPOIX_BROKER_URL": broker.url})
        app, _house = create_app(settings, CONFIG)
        scaled = of_kind("ScaledObject", ScaleBy.REDIS)["worker-my-own-one"]["spec"]
        lists = [trigger["metadata"]["listName"] for trigger in scaled["triggers"]]
        for count, queue in enumerate(both_lanes("my.own_one"), 1):
            for _ in range(count):
                app.send_task("mirepoix.call", args=["job", "$"], queue=queue)
        publisher = Publisher(settings)
        publisher.start({Lane.BULK: ["job"]})
        publisher.close()
        redis = connect(settings.redis_url)
        assert [redis.llen(name) for name in [*lists, "orchestrate.bulk"]] == [1, 2, 1]
        redis.close()
        app.close()
    finally:
        broker.stop()


def test_names_that_kubernetes_cannot_tell_apart_are_refused() -> None:
    twins = parse_config("providers: {a.b: {api: openai}, a_b: {api: openai}}\nmodels: {m: {provider: a.b}}")
    with pytest.raises(ConfigError, match=r"'a.b' and 'a_b' would both be 'worker-a-b'"):
        documents(twins)
    long = parse_config(f"providers: {{{'x' * 60}: {{api: openai}}}}\nmodels: {{m: {{provider: {'x' * 60}}}}}")
    with pytest.raises(ConfigError, match="shorten it"):
        documents(long)


def test_the_kept_base_is_what_the_template_gives(tmp_path: Path) -> None:
    config = parse_config(template())
    written = write_base(config, template(), tmp_path, image="mirepoix:latest", scale_by=ScaleBy.WORTH)
    assert {path.name: path.read_text() for path in written} == {
        path.name: path.read_text() for path in (KEPT / "base").iterdir()
    }
    kustomization = yaml.safe_load((tmp_path / "kustomization.yaml").read_text())
    assert {*kustomization["resources"], "kustomization.yaml", "mirepoix.yaml"} == {path.name for path in written}


def test_each_overlay_changes_what_the_base_has() -> None:
    base = [found for path in (KEPT / "base").glob("*.yaml") for found in yaml.safe_load_all(path.read_text())]
    known = {(found["kind"], found["metadata"]["name"]) for found in base if "kind" in found and "metadata" in found}
    overlays = list((KEPT / "overlays").glob("*/kustomization.yaml"))
    assert overlays
    for path in overlays:
        overlay = yaml.safe_load(path.read_text())
        assert [(path.parent / resource).resolve() for resource in overlay["resources"]] == [KEPT / "base"]
        for patch in overlay["patches"]:
            assert (patch["target"]["kind"], patch["target"]["name"]) in known
        images = {
            found["spec"]["template"]["spec"]["containers"][0]["image"]
            for found in base
            if found.get("kind") == "Deployment"
        }
        assert {f"{image['name']}:latest" for image in overlay["images"]} == images


def test_the_folder_of_another_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "kustomization.yaml").write_text("resources: []\n")
    with pytest.raises(ConfigError, match="was not written by this command"):
        write_base(CONFIG, "", tmp_path, image="mirepoix", scale_by=ScaleBy.HAND)
