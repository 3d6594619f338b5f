"""Worlds for tests: one that runs all workers for the whole session, and fresh ones without workers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.world import World, open_world


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Everything runs; tests share it and leave it as it was."""
    with open_world(tmp_path_factory.mktemp("world")) as opened:
        opened.start_workers("orchestrate", "openai", "anthropic", "local")
        yield opened


@pytest.fixture
def quiet_world(tmp_path: Path) -> Iterator[World]:
    """A broker, a ledger and an emulator; a test starts the workers that it wants."""
    with open_world(tmp_path) as opened:
        yield opened
