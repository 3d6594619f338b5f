"""What the manifests call things."""

from __future__ import annotations

import re
from typing import Any

from mirepoix.config import Config
from mirepoix.errors import ConfigError

Manifest = dict[str, Any]

SECRET = "mirepoix"
CONFIG = "mirepoix-config"
METRICS_PORT = 9310
WEB_PORT = 8800
LONGEST = 52
"""Of a Deployment's name: its pods add 11 characters to it, and a label holds 63."""


def worker_names(config: Config) -> dict[str, str]:
    """The name of each provider's Deployment. Raises ConfigError where two would have the same, or one is too long."""
    names = {provider: "worker-" + re.sub("[._]+", "-", provider).strip("-") for provider in config.providers}
    for provider, name in names.items():
        same = [other for other, its in names.items() if its == name and other != provider]
        if same:
            raise ConfigError(f"providers {provider!r} and {same[0]!r} would both be {name!r}; rename one of them.")
        if len(name) > LONGEST:
            raise ConfigError(f"provider {provider!r}: {name!r} has more than {LONGEST} characters; shorten it.")
    return names


def metadata(name: str, component: str) -> Manifest:
    """With the labels that Kubernetes recommends."""
    return {"name": name, "labels": labels(name, component)}


def labels(name: str, component: str) -> dict[str, str]:
    """What pods are selected by."""
    return {
        "app.kubernetes.io/name": "mirepoix",
        "app.kubernetes.io/instance": name,
        "app.kubernetes.io/component": component,
    }
