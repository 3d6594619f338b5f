"""The pages in a real browser: they can be used by everyone, and what models said stays text."""

from __future__ import annotations

from importlib.resources import files

import pytest
from playwright.sync_api import Page, expect

from tests.browser.house import House
from tests.system.pages import run_jobs

pytestmark = pytest.mark.system

AXE = files("axe_playwright_python").joinpath("axe.min.js").read_text()
PAGES = ("/", "/jobs", "/job", "/failed", "/pipelines", "/pipelines/nest", "/costs", "/router", "/nothing")
PHONE = {"width": 360, "height": 740}


def address(house: House, name: str) -> str:
    """`/job` and `/failed` stand for a job of their kind."""
    known = {"/job": f"/jobs/{house.jobs['nest'].job}", "/failed": f"/jobs/{house.jobs['fails'].job}"}
    return known.get(name, "/jobs/nothing" if name == "/nothing" else name)


def violations(page: Page) -> list[str]:
    """What axe finds wrong, with where."""
    page.evaluate(AXE)
    found = page.evaluate("axe.run({resultTypes: ['violations']})")["violations"]
    return [f"{each['id']}: {node['html'][:160]} {node['failureSummary']}" for each in found for node in each["nodes"]]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", [name for name in PAGES if name != "/nothing"])
def test_a_page_is_accessible(page: Page, house: House, name: str, scheme: str) -> None:
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page.goto(address(house, name))
    page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    assert violations(page) == []


def test_the_page_of_an_error_is_accessible(page: Page, house: House) -> None:
    page.route("**/jobs/nothing", lambda route: route.fulfill(response=route.fetch(), status=200))  # no console error
    page.goto(address(house, "/nothing"))
    expect(page.get_by_role("heading", level=1)).to_have_text("404")
    assert violations(page) == []


@pytest.mark.parametrize("name", [name for name in PAGES if name != "/nothing"])
def test_a_page_fits_a_phone(page: Page, house: House, name: str) -> None:
    page.set_viewport_size({"width": PHONE["width"], "height": PHONE["height"]})
    page.goto(address(house, name))
    page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


@pytest.mark.parametrize("pipeline", ["side_by_side", "fails"])
def test_what_models_said_stays_text(page: Page, house: House, pipeline: str) -> None:
    job = house.jobs[pipeline].job
    for path in (f"/jobs/{job}", "/jobs", "/", f"/jobs/{job}/text/input"):
        page.goto(path)
        page.wait_for_timeout(100)
        assert page.evaluate("typeof window.pwned") == "undefined"
        assert page.locator("img, iframe, main script, a[href^=javascript]").count() == 0
        assert "window.pwned=1" in page.inner_text("body")
    page.goto(f"/jobs/{job}")
    assert "<U+202E>" in page.get_by_label("input", exact=True).inner_text()


def test_everything_can_be_reached_by_keyboard(page: Page, house: House) -> None:
    page.goto("/")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    page.keyboard.press("/")
    expect(page.locator("#find")).to_be_focused()
    page.keyboard.type(house.jobs["nest"].job)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text(house.jobs["nest"].job)
    details = page.locator("details.step").first
    page.locator("details.step > summary").first.focus()
    page.keyboard.press("Enter")
    expect(details).to_have_attribute("open", "")


def test_the_waterfall_shows_each_step_and_request(page: Page, house: House) -> None:
    job = house.jobs["nest"]
    with house.world.client() as client:
        trace = client.get(job.job).trace()
    page.goto(f"/jobs/{job.job}")
    expect(page.locator("details.step")).to_have_count(len(trace.steps))
    expect(page.locator("svg.bars rect.answered")).to_have_count(
        sum(attempt.outcome == "answered" for step in trace.steps for call in step.calls for attempt in call.attempts)
    )
    expect(page.get_by_role("list", name="What the bars mean")).to_contain_text("waiting for a limit")
    page.locator("details.step > summary", has_text="closing").click()
    expect(page.get_by_role("region", name="Requests of closing").get_by_role("row")).to_have_count(2)


def replay(page: Page, house: House) -> None:
    """From the page of a job, by keyboard."""
    page.goto(address(house, "/job"))
    page.get_by_role("button", name="Replay", exact=True).focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("Every choice comes out the same")


def test_a_job_is_replayed_from_its_page(page: Page, house: House) -> None:
    with house.world.client() as client:
        trace = client.get(house.jobs["nest"].job).trace()
    replay(page, house)
    rows = page.get_by_role("region", name="Decisions, recorded and now").get_by_role("row")
    expect(rows).to_have_count(1 + sum(len(step.decisions) for step in trace.steps))
    page.get_by_role("button", name="Replay as configured now").click()
    expect(page.get_by_text("as it is configured now")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_replay_is_accessible_and_fits_a_phone(page: Page, house: House, scheme: str) -> None:
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    replay(page, house)
    assert violations(page) == []
    page.set_viewport_size({"width": PHONE["width"], "height": PHONE["height"]})
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


def test_costs_are_compared_with_a_model_that_is_chosen(page: Page, house: House) -> None:
    page.goto("/costs")
    page.get_by_label("Beside all on").select_option("haiku")
    page.get_by_role("button", name="Compare").click()
    expect(page.get_by_role("row", name="All on haiku")).to_be_visible()


def test_the_overview_lives(page: Page, house: House) -> None:
    page.goto("/")
    job = run_jobs(house.world, {"ask": "What is 2 + 2?"})["ask"]
    expect(page.get_by_role("link", name=job.job)).to_be_visible(timeout=10_000)
    expect(page.locator("#live.stale")).to_have_count(0)


def test_a_job_can_be_cancelled(page: Page, house: House) -> None:
    with house.world.client() as client:
        job = client.submit("pieces", "word " * 600)
        page.goto(f"/jobs/{job.id}")
        page.get_by_role("button", name="Cancel this job").click()
        expect(page.locator("main .state.cancelled").first).to_be_visible()
        assert job.view().state == "cancelled"


def test_jobs_can_be_filtered_and_a_route_explained(page: Page, house: House) -> None:
    page.goto("/jobs")
    page.get_by_label("State").select_option("failed")
    page.get_by_role("button", name="Filter").click()
    expect(page.locator("table.jobs tbody tr")).to_have_count(1)
    page.goto("/router")
    page.get_by_label("Pipeline").select_option("ask")
    page.get_by_label("Input").fill("Why is the sky blue?")
    page.get_by_role("button", name="Explain").click()
    expect(page.get_by_text("confidence").first).to_be_visible()
    expect(page.get_by_label("Input")).to_have_value("Why is the sky blue?")
