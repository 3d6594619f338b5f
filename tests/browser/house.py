"""A house that has worked, its pages, and a browser to look at them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from mirepoix.views import JobView
from tests.system.pages import HOSTILE, QUESTION, run_jobs, serving
from tests.system.world import World, open_world

CHROMIUM = "MIREPOIX_TEST_CHROMIUM"


@dataclass(frozen=True, slots=True)
class House:
    """A world whose pages are at `url`, and the jobs it did, by pipeline."""

    world: World
    url: str
    jobs: dict[str, JobView]


@contextmanager
def open_house(home: Path, *, time_scale: float = 0.05) -> Iterator[House]:
    """Every worker runs, and did a job of each pattern; those of `side_by_side` and `fails` are hostile."""
    with open_world(home, time_scale=time_scale) as world:
        world.start_workers("orchestrate", "openai", "anthropic", "local")
        asked = dict.fromkeys(["ask", "decide", "careful", "report", "nest"], QUESTION)
        jobs = run_jobs(world, {**asked, "side_by_side": HOSTILE, "fails": HOSTILE})
        with serving(world) as url:
            yield House(world, url, jobs)


@contextmanager
def open_browser() -> Iterator[Browser]:
    """The Chromium that the environment names. Its sandbox needs rights that root in a container has not."""
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=os.environ[CHROMIUM], args=arguments)
        yield browser
        browser.close()
