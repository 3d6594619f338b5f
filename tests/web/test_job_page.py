"""The page of a job tells in words what it waited for, what happened to it, and where it is in Flower."""

from __future__ import annotations

from tests.db.filed import file_all
from tests.web.conftest import TASK, Pages


def test_waits_and_events_are_told_in_words(pages: Pages) -> None:
    page = pages.client.get(f"/jobs/{pages.routed_job()}").text
    assert "1.5 s held up by the limit on requests a minute" in page
    assert '<span class="chip">sent again</span>' in page
    assert "&lt;b&gt;by the reconciler&lt;/b&gt;" in page
    assert 'class="limit"' in page
    assert '<td class="number">1.5 s <small>rpm</small></td>' in page


def test_a_step_links_to_its_task_in_flower(pages: Pages) -> None:
    page = pages.client.get(f"/jobs/{pages.routed_job()}").text
    assert page.count(f'href="http://127.0.0.1:5555/task/{TASK}"') == 1, "the route was claimed by no task"


def test_jobs_are_found_by_their_words(pages: Pages) -> None:
    france, spain = pages.routed_job(), pages.routed_job(text="And of España?")
    file_all(pages.database)
    found = pages.client.get("/jobs?text=FRANCE").text
    assert france in found
    assert spain not in found
    assert spain in pages.client.get("/jobs?text=espana+paris").text
    assert "No such job" in pages.client.get("/jobs?text=franc").text, "words, not parts of them"
    assert pages.client.get(f"/jobs?after={'0' * 26}").status_code == 404
