"""Write docs/images: the pages of a house that has just worked, and did the like for a month."""

from __future__ import annotations

import itertools
import math
import random
import tempfile
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

from playwright.sync_api import Page, ViewportSize

from bench.copies import multiply
from tests.browser.house import House, open_browser, open_house
from tests.system.pages import QUESTION
from tests.system.world import PATIENCE

IMAGES = Path(__file__).parents[2] / "docs" / "images"
QUESTIONS = (QUESTION, "Prove that there are infinitely many primes, step by step.", "What is 17 * 23?")
CALLS = 12_000
MONTH, HOUR = timedelta(days=30), timedelta(hours=1)
OF_THE_LAST_HOUR = 0.05
SIZE = ViewportSize(width=1080, height=760)


def main() -> None:
    """Run forty jobs at the emulator's pace, somewhat hurried, and take the pictures."""
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as home, open_house(Path(home), time_scale=0.6) as house:
        _work(house)
        _have_worked(house)
        with open_browser() as browser:
            context = browser.new_context(base_url=house.url, viewport=SIZE, color_scheme="light")
            page = context.new_page()
            _take(page, "/costs?days=30", "costs")
            _take(page, "/", "overview")
            page.goto(f"/jobs/{house.jobs['nest'].job}")
            page.locator("details.step > summary", has_text="verdict").first.click()
            page.locator("#h-steps").evaluate("heading => heading.scrollIntoView()")
            page.screenshot(path=IMAGES / "waterfall.png")
            page.goto(f"/jobs/{house.jobs['nest'].job}")
            page.get_by_role("button", name="Replay", exact=True).click()
            page.screenshot(path=IMAGES / "replay.png")
            page.emulate_media(color_scheme="dark")
            _take(page, "/pipelines/nest", "pipeline")


def _work(house: House) -> None:
    with house.world.client() as client:
        pipelines = itertools.cycle(["ask", "decide", "careful", "report"])
        questions = itertools.islice(itertools.cycle(QUESTIONS), 40)
        handles = [client.submit(next(pipelines), question) for question in questions]
        for _ in client.as_ended(handles, PATIENCE):
            pass


def _have_worked(house: House) -> None:
    """Copy what was done into the month before it."""
    until = min(job.created_at for job in house.jobs.values())
    multiply(house.world.database, CALLS, until, starts=_at_work, open_jobs=0)


def _at_work(count: int, until: datetime) -> Iterator[datetime]:
    """As people work: by day more than by night, at weekends hardly, and more from week to week."""
    dice = random.Random(7)
    late = round(count * OF_THE_LAST_HOUR)
    moments: list[datetime] = []
    while len(moments) < count - late:
        moment = until - HOUR - MONTH * dice.random()
        by_day = 0.1 + 0.9 * max(0.0, math.sin(math.pi * (moment.hour - 6) / 14))
        weekend = 0.3 if moment.weekday() >= 5 else 1.0
        if dice.random() < by_day * weekend * (1 - 0.5 * (until - moment) / MONTH):
            moments.append(moment)
    while len(moments) < count:
        share = dice.random()
        if dice.random() < 0.6 + 0.4 * math.sin(12 * share):
            moments.append(until - HOUR * share)
    yield from sorted(moments)


def _take(page: Page, path: str, name: str) -> None:
    page.goto(path)
    page.screenshot(path=IMAGES / f"{name}.png")


if __name__ == "__main__":
    main()
