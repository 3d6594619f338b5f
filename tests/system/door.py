"""A front door for tests: `mirepoix web` in a process of its own, and where it listens."""

from __future__ import annotations

from mirepoix.web_address import running_web
from tests.system.world import World


def open_door(world: World, *arguments: str) -> str:
    """Start it in `world`; its address."""
    world.start("web", "web", "--port", "0", *arguments)
    world.until(lambda: running_web(world.settings.home) is not None, "the front door")
    url = running_web(world.settings.home)
    assert url is not None
    return url
