"""Write docs/images: overview, a job's waterfall and costs, of a house that has just worked."""

from __future__ import annotations

import itertools
import tempfile
from pathlib import Path

from playwright.sync_api import Page

from tests.browser.house import House, open_browser, open_house
from tests.system.pages import QUESTION
from tests.system.world import PATIENCE

IMAGES = Path(__file__).parents[2] / "docs" / "images"
QUESTIONS = (QUESTION, "Prove that there are infinitely many primes, step by step.", "What is 17 * 23?")


def main() -> None:
    """Run forty jobs at the emulator's natural pace, a fifth of it, and take the pictures."""
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as home, open_house(Path(home), time_scale=0.2) as house:
        _work(house)
        with open_browser() as browser:
            context = browser.new_context(
                base_url=house.url, viewport={"width": 1080, "height": 700}, color_scheme="light"
            )
            page = context.new_page()
            _take(page, "/", "overview")
            page.goto(f"/jobs/{house.jobs['nest'].job}")
            page.locator("details.step > summary").nth(2).click()
            page.locator("#h-steps").scroll_into_view_if_needed()
            page.evaluate("document.querySelector('#h-steps').scrollIntoView()")
            page.screenshot(path=IMAGES / "waterfall.png")
            _take(page, "/costs?days=7", "costs")
            page.emulate_media(color_scheme="dark")
            _take(page, "/pipelines/nest", "pipeline")


def _work(house: House) -> None:
    with house.world.client() as client:
        pipelines = itertools.cycle(["ask", "decide", "careful", "report"])
        questions = itertools.islice(itertools.cycle(QUESTIONS), 40)
        handles = [client.submit(next(pipelines), question) for question in questions]
        for _ in client.as_ended(handles, PATIENCE):
            pass


def _take(page: Page, path: str, name: str) -> None:
    page.goto(path)
    page.screenshot(path=IMAGES / f"{name}.png")


if __name__ == "__main__":
    main()
