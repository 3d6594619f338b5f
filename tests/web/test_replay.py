"""A job is replayed from its page: the decisions beside the recorded ones, asked for by a form of ours only."""

from __future__ import annotations

import re

import pytest

from tests.web.conftest import Pages


def token_of(pages: Pages, job: str) -> str:
    """What the form on the job's page brings along."""
    page = pages.client.get(f"/jobs/{job}").text
    found = re.search(r'action="/jobs/\w+/replay".*?name="token" value="([^"]+)"', page, re.DOTALL)
    assert found is not None
    return found[1]


def test_a_decision_that_comes_out_the_same_is_told_so(pages: Pages) -> None:
    job = pages.routed_job(0)
    page = pages.client.post(f"/jobs/{job}/replay", data={"token": token_of(pages, job), "pipeline": "recorded"})
    assert page.status_code == 200
    assert "Every choice comes out the same: 0 of 1 decisions, and the output." in page.text
    assert 'class="state explained_otherwise"' in page.text, "the reason that the test gave is not the router's"
    assert "as the test wants" in page.text
    assert "is below 0.5" in page.text


def test_a_decision_that_comes_out_otherwise_shows_both(pages: Pages) -> None:
    job = pages.routed_job(1)
    page = pages.client.post(f"/jobs/{job}/replay", data={"token": token_of(pages, job)}).text
    assert "Not everything comes out the same" in page
    assert 'class="state changed"' in page
    assert re.search(r"<b><bdi>to\.1</bdi></b>.*<b><bdi>to\.0</bdi></b>", page, re.DOTALL)


def test_what_cannot_be_replayed_says_why(pages: Pages) -> None:
    job = pages.routed_job()
    form = {"token": token_of(pages, job), "pipeline": "now"}
    page = pages.client.post(f"/jobs/{job}/replay", data=form)
    assert page.status_code == 400
    assert 'role="alert"' in page.text
    assert "no pipeline" in page.text or "pipeline &#39;test&#39;" in page.text, "none of that name is configured"
    assert pages.client.post("/jobs/nothing/replay", data=form).status_code == 404
    assert pages.client.post(f"/jobs/{job}/replay", data={**form, "pipeline": "<b>"}).status_code == 400


@pytest.mark.parametrize("headers", [{}, {"Sec-Fetch-Site": "cross-site"}])
def test_a_replay_is_asked_for_only_by_a_form_of_ours(pages: Pages, headers: dict[str, str]) -> None:
    job = pages.routed_job()
    token = token_of(pages, job) if headers else "x" * 43
    path = f"/jobs/{job}/replay"
    assert pages.client.post(path, data={"token": token}, headers=headers).status_code == 403
    assert pages.client.post(path, json={"token": token}).status_code == 415
    assert pages.client.get(path).status_code == 405


def test_the_commands_that_ask_again_are_shown(pages: Pages) -> None:
    job = pages.routed_job()
    page = pages.client.get(f"/jobs/{job}").text
    assert f"mirepoix replay {job} --live" in page
    assert f"mirepoix replay {job} --from &#39;to.0&#39;" in page or f"mirepoix replay {job} --from 'to.0'" in page
