"""What runs: a Deployment for each room of the house, and a Job that brings the ledger up to date."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from mirepoix.config import ORCHESTRATE, Api, Config
from mirepoix.settings import LONGEST
from workers.kubernetes.names import CONFIG, METRICS_PORT, SECRET, WEB_PORT, Manifest, labels, metadata

FLOWER_PORT = 5555
ORCHESTRATORS = 2
PAGES = 2
ORCHESTRATOR_GRACE = 20
MARGIN = 30
"""Seconds between the end of a worker's grace and its kill: to write down answers and hand back what is left."""
HOME = "/var/lib/mirepoix"
CONFIG_FOLDER = "/etc/mirepoix"
LIGHT = {"requests": {"cpu": "100m", "memory": "192Mi"}, "limits": {"memory": "1Gi"}}
"""A process takes 110 MB when it starts; the rest is for the texts of calls in flight."""
HEAVY = {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"memory": "4Gi"}}
"""Where models run in the worker itself."""


def orchestrators(config: Config, image: str) -> list[Manifest]:
    """They decide, repair, and send callbacks, so they have the secrets that sign those."""
    secrets = {tenant.secret_env for tenant in config.tenants.values()} | {alert.secret_env for alert in config.alerts}
    signing = sorted(name for name in secrets | {config.webhooks.secret_env} if name is not None)
    container = _worker_container(image, ORCHESTRATE, ORCHESTRATOR_GRACE, signing, LIGHT)
    name = "orchestrator"
    return [
        _deployment(name, name, container, replicas=ORCHESTRATORS, stop=ORCHESTRATOR_GRACE + MARGIN),
        _disruption_budget(name, name),
    ]


def worker(config: Config, provider: str, name: str, image: str, *, counted: bool) -> list[Manifest]:
    """The workers of one provider, who alone have its key.

    `counted`: with a number of replicas; without one whoever scales them is not interfered with. Told to stop, they let
    calls go on for as long as one may take.
    """
    spec = config.providers[provider]
    grace = min(round(spec.timeout), LONGEST)
    keys = [] if spec.key_env is None else [spec.key_env]
    resources = HEAVY if spec.api is Api.PYTHON else LIGHT
    container = _worker_container(image, provider, grace, keys, resources)
    replicas = max(1, spec.workers.least) if counted else None
    return [
        _deployment(name, "worker", container, replicas=replicas, stop=grace + MARGIN),
        _disruption_budget(name, "worker"),
    ]


def web(image: str) -> list[Manifest]:
    """Pages and HTTP API. Lead an Ingress to it where people and programs outside are to reach it."""
    answers = {"httpGet": {"path": "/healthz", "port": "http"}}
    container = {
        **_container(image, ["web", "--host", "0.0.0.0", "--port", str(WEB_PORT)], LIGHT),
        "ports": [{"name": "http", "containerPort": WEB_PORT}],
        "readinessProbe": {**answers, "periodSeconds": 5},
        "livenessProbe": {**answers, "periodSeconds": 20, "timeoutSeconds": 5},
    }
    container["env"].append(_secret("MIREPOIX_WEB_PASSWORD", optional=True))
    return [
        _deployment("web", "web", container, replicas=PAGES, stop=MARGIN),
        _disruption_budget("web", "web"),
        _service("web", WEB_PORT),
    ]


def flower(image: str) -> list[Manifest]:
    """One: it keeps what it has seen in its memory."""
    answers = {"httpGet": {"path": "/healthcheck", "port": "http"}}
    container = {
        **_container(image, ["flower", "--host", "0.0.0.0", "--port", str(FLOWER_PORT)], LIGHT),
        "ports": [{"name": "http", "containerPort": FLOWER_PORT}],
        "readinessProbe": {**answers, "periodSeconds": 10},
        "livenessProbe": {**answers, "periodSeconds": 30, "timeoutSeconds": 5, "failureThreshold": 5},
    }
    container["env"].append(_secret("FLOWER_BASIC_AUTH"))
    return [_deployment("flower", "flower", container, replicas=1, stop=MARGIN), _service("flower", FLOWER_PORT)]


def migrate(image: str) -> Manifest:
    """Workers that come before it ends say that the ledger is not ready, and are started again until it is.

    It is gone ten minutes after its end: a Job cannot be changed, so the next version's could not take its place.
    """
    template = _pod("migrate", "migrate", _container(image, ["migrate"], LIGHT), stop=MARGIN)
    template["spec"]["restartPolicy"] = "OnFailure"
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": metadata("migrate", "migrate"),
        "spec": {"backoffLimit": 10, "ttlSecondsAfterFinished": 600, "template": template},
    }


def metrics_policy() -> Manifest:
    """Metrics have no password: nobody but who scrapes them reaches the workers."""
    scrapers = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}
    served = {"key": "app.kubernetes.io/component", "operator": "In", "values": ["orchestrator", "worker"]}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": metadata("metrics", "worker"),
        "spec": {
            "podSelector": {"matchLabels": {"app.kubernetes.io/name": "mirepoix"}, "matchExpressions": [served]},
            "policyTypes": ["Ingress"],
            "ingress": [{"from": [scrapers], "ports": [{"port": METRICS_PORT}]}],
        },
    }


def _worker_container(image: str, name: str, grace: int, secrets: Iterable[str], resources: Manifest) -> Manifest:
    """Ready when the ledger knows it.

    Alive as long as its port is open, and no more is asked: a process that hangs loses its lease and with it its steps,
    and a probe that looked into the ledger would kill all workers whenever that is away.
    """
    container = {
        **_container(image, ["worker", name], resources),
        "ports": [{"name": "metrics", "containerPort": METRICS_PORT}],
        "startupProbe": {
            "exec": {"command": ["mirepoix", "doctor", "--this-host"]},
            "periodSeconds": 5,
            "timeoutSeconds": 15,
            "failureThreshold": 24,
        },
        "livenessProbe": {"tcpSocket": {"port": "metrics"}, "periodSeconds": 20, "timeoutSeconds": 5},
    }
    container["env"] += [
        {"name": "MIREPOIX_GRACE", "value": str(grace)},
        {"name": "MIREPOIX_METRICS_PORT", "value": str(METRICS_PORT)},
        {"name": "MIREPOIX_METRICS_HOST", "value": "0.0.0.0"},
        *(_secret(secret) for secret in secrets),
    ]
    return container


def _container(image: str, arguments: list[str], resources: Manifest) -> Manifest:
    return {
        "name": "mirepoix",
        "image": image,
        "args": arguments,
        "env": [
            {"name": "MIREPOIX_CONFIG", "value": f"{CONFIG_FOLDER}/mirepoix.yaml"},
            {"name": "MIREPOIX_HOME", "value": HOME},
            _secret("MIREPOIX_BROKER_URL"),
            _secret("MIREPOIX_DATABASE_URL"),
            _secret("MIREPOIX_REDIS_URL", optional=True),
        ],
        "resources": resources,
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            {"name": "config", "mountPath": CONFIG_FOLDER, "readOnly": True},
            {"name": "home", "mountPath": HOME},
            {"name": "tmp", "mountPath": "/tmp"},
        ],
    }


def _secret(name: str, *, optional: bool = False) -> Manifest:
    """The variable `name`, from the entry of that name in the house's Secret."""
    key: dict[str, Any] = {"name": SECRET, "key": name}
    return {"name": name, "valueFrom": {"secretKeyRef": key | ({"optional": True} if optional else {})}}


def _deployment(name: str, component: str, container: Manifest, *, replicas: int | None, stop: int) -> Manifest:
    spec = {} if replicas is None else {"replicas": replicas}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata(name, component),
        "spec": {
            **spec,
            "selector": {"matchLabels": labels(name, component)},
            "template": _pod(name, component, container, stop=stop),
        },
    }


def _pod(name: str, component: str, container: Manifest, *, stop: int) -> Manifest:
    return {
        "metadata": {"labels": labels(name, component)},
        "spec": {
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,  # Flower would take the variable FLOWER_PORT of its Service for a setting
            "terminationGracePeriodSeconds": stop,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 1000,
                "fsGroup": 1000,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [container],
            "volumes": [
                {"name": "config", "configMap": {"name": CONFIG}},
                {"name": "home", "emptyDir": {}},
                {"name": "tmp", "emptyDir": {}},
            ],
        },
    }


def _disruption_budget(name: str, component: str) -> Manifest:
    """Nodes are drained one pod of a kind at a time."""
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": metadata(name, component),
        "spec": {"maxUnavailable": 1, "selector": {"matchLabels": labels(name, component)}},
    }


def _service(name: str, port: int) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(name, name),
        "spec": {"selector": labels(name, name), "ports": [{"name": "http", "port": port, "targetPort": "http"}]},
    }
