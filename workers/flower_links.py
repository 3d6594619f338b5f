"""From a task in Flower to its job's page: our `task.html` stands in front of Flower's own."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from flower.urls import settings as flower_settings
from tornado.template import Loader, Template

OURS = Path(__file__).parent / "flower_pages"
FLOWERS = "flower/"
"""Under this name our pages reach Flower's, and Flower's pages reach each other."""
JOB = re.compile(r"(?<![0-9A-Z])[0-9A-Z]{26}(?![0-9A-Z])")


class PagesInFront(Loader):
    """Finds a page among ours, else among Flower's."""

    def __init__(self, web_url: Callable[[], str | None]) -> None:
        super().__init__(str(OURS), namespace={"job_links": lambda shown: job_links(shown, web_url())})
        self._flowers = Path(flower_settings["template_path"])

    def _create_template(self, name: str) -> Template:
        page = OURS / name
        if name.startswith(FLOWERS) or not page.is_file():
            page = self._flowers / name.removeprefix(FLOWERS)
        return Template(page.read_bytes(), name=name, loader=self)


def link_to_jobs(web_url: Callable[[], str | None]) -> None:
    """Let Flower, when it is started in this process, link tasks to the pages at `web_url()`; None: there are none."""
    flower_settings["template_loader"] = PagesInFront(web_url)


def job_links(shown: object, web_url: str | None) -> list[tuple[str, str]]:
    """The jobs in a task's arguments as Flower shows them, each with its page."""
    if web_url is None or not isinstance(shown, str):
        return []
    return [(job, f"{web_url.rstrip('/')}/jobs/{job}") for job in dict.fromkeys(JOB.findall(shown))]
