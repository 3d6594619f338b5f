"""The project's own files: the compose file, the lock, the Makefile's help."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    """The compose file, with its anchors resolved."""
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return loaded


def test_each_provider_has_a_worker_that_can_be_scaled(compose: dict[str, Any]) -> None:
    workers = {
        name: service for name, service in compose["services"].items() if service.get("command", [""])[0] == "worker"
    }
    assert {service["command"][1] for service in workers.values()} >= {"orchestrate", "openai", "anthropic"}
    for name, service in workers.items():
        assert not {"container_name", "ports"} & set(service), f"{name}: two of them could not run side by side"
        assert service["healthcheck"]
        assert service["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}


def test_every_service_of_the_compose_file_is_watched(compose: dict[str, Any]) -> None:
    assert {name for name, service in compose["services"].items() if "healthcheck" not in service} == {"migrate"}


def test_no_secret_stands_in_the_compose_file(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        for key, value in (service.get("environment") or {}).items():
            if re.search(r"PASSWORD|KEY|AUTH|SECRET|TOKEN", key):
                assert re.fullmatch(r"\$\{[A-Z_]+:[-?][^}]*\}", value), key
        assert "--requirepass" not in str(service)
    said = (ROOT / ".env.example").read_text()
    for name in re.findall(r"\$\{([A-Z_]+):\?", (ROOT / "docker-compose.yml").read_text()):
        assert f"{name}=" in said, f"{name} is required but not in .env.example"


def test_nothing_is_reachable_from_outside_unless_asked_for(compose: dict[str, Any]) -> None:
    ports = [port for service in compose["services"].values() for port in service.get("ports", [])]
    assert ports
    assert all(str(port).startswith("127.0.0.1:") for port in ports)


def test_the_lock_pins_everything_by_hash_and_names_no_host() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    assert "://" not in lock
    pinned = re.findall(r"^([a-z0-9._-]+)(?:\[[^]]+\])?==", lock, re.MULTILINE)
    blocks = re.split(r"^(?=[a-z0-9])", lock, flags=re.MULTILINE)
    assert len(pinned) == len([block for block in blocks if "--hash=sha256:" in block]) > 50
