"""Who scales a provider's workers: KEDA (ScaledObject v1alpha1), by our own figure or by the broker's queues."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from mirepoix.config import Config
from mirepoix.queues import both_lanes
from pipelines.autoscale import most_useful
from workers.kubernetes.names import SECRET, WEB_PORT, Manifest, metadata

AUTHENTICATION = "mirepoix-keda"
POLL = 15
CALM = 300
"""Seconds for which fewer workers must have been enough before one is taken away."""


class ScaleBy(StrEnum):
    """What KEDA goes by."""

    WORTH = "worth"
    """What `mirepoix autoscale` says, from the pages' `/v1/autoscale`: knows calls in hand, latencies and limits."""
    REDIS = "redis"
    """The lengths of the lists that a Redis keeps both lanes in: knows what waits, and no more."""
    RABBITMQ = "rabbitmq"
    """The lengths of the queues of both lanes in a RabbitMQ."""
    HAND = "hand"
    """Nothing: there is no KEDA, and `kubectl scale` does it."""


CREDENTIALS = {
    ScaleBy.WORTH: {"token": "KEDA_TOKEN"},
    ScaleBy.REDIS: {"address": "KEDA_REDIS_ADDRESS", "password": "KEDA_REDIS_PASSWORD"},
    ScaleBy.RABBITMQ: {"host": "MIREPOIX_BROKER_URL"},
}
"""Which parameter of KEDA's scaler stands under which key of the house's Secret."""


def scaled_object(config: Config, provider: str, name: str, scale_by: ScaleBy) -> Manifest:
    """Keep the Deployment `name` between the bounds of the provider's `workers`.

    By queues there are never more than limits could feed if every call took its whole time-out. When KEDA gets no
    figure, nothing is scaled. A worker that is taken away lets its calls end and hands back the others.
    """
    bounds = config.providers[provider].workers
    return {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": metadata(name, "worker"),
        "spec": {
            "scaleTargetRef": {"name": name},
            "minReplicaCount": bounds.least,
            "maxReplicaCount": bounds.most if scale_by is ScaleBy.WORTH else most_useful(config, provider),
            "pollingInterval": POLL,
            "cooldownPeriod": CALM,
            "advanced": {
                "horizontalPodAutoscalerConfig": {"behavior": _behavior()},
                **_modifiers(config, provider, scale_by),
            },
            "triggers": list(_triggers(config, provider, scale_by)),
        },
    }


def authentication(scale_by: ScaleBy) -> Manifest:
    """From where KEDA takes what it needs to ask."""
    found = [{"parameter": of, "name": SECRET, "key": key} for of, key in CREDENTIALS[scale_by].items()]
    return {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "TriggerAuthentication",
        "metadata": metadata(AUTHENTICATION, "worker"),
        "spec": {"secretTargetRef": found},
    }


def _triggers(config: Config, provider: str, scale_by: ScaleBy) -> Iterable[Manifest]:
    if scale_by is ScaleBy.WORTH:
        place = "workers." + provider.replace(".", "\\.")  # GJSON's path syntax, which KEDA reads JSON by
        url = f"http://web:{WEB_PORT}/v1/autoscale"
        asked = {"url": url, "valueLocation": place, "targetValue": "1", "authMode": "bearer"}
        yield {"type": "metrics-api", "metadata": asked, "authenticationRef": {"name": AUTHENTICATION}}
        return
    share = str(config.providers[provider].concurrency)
    for lane, queue in zip(("fast", "bulk"), both_lanes(provider), strict=True):
        if scale_by is ScaleBy.REDIS:  # kombu keeps a queue under its own name; other priorities we do not use
            asked = {"listName": queue, "listLength": share, "databaseIndex": "0"}
        else:
            asked = {"queueName": queue, "mode": "QueueLength", "value": share, "protocol": "amqp"}
        yield {"type": scale_by.value, "name": lane, "metadata": asked, "authenticationRef": {"name": AUTHENTICATION}}


def _modifiers(config: Config, provider: str, scale_by: ScaleBy) -> Manifest:
    """By queues: the lanes together, one worker for as many calls as it holds at once.

    An autoscaler that has two figures goes by the greater; of two halves that would be too little.
    """
    if scale_by is ScaleBy.WORTH:
        return {}
    target = str(config.providers[provider].concurrency)
    return {"scalingModifiers": {"formula": "fast + bulk", "target": target, "metricType": "AverageValue"}}


def _behavior() -> Manifest:
    """Quickly up; down one by one, since what is taken away has calls in hand."""
    return {
        "scaleUp": {
            "stabilizationWindowSeconds": 0,
            "policies": [
                {"type": "Percent", "value": 100, "periodSeconds": 30},
                {"type": "Pods", "value": 2, "periodSeconds": 30},
            ],
        },
        "scaleDown": {
            "stabilizationWindowSeconds": CALM,
            "policies": [{"type": "Pods", "value": 1, "periodSeconds": 60}],
        },
    }
