"""The pages as programs see them, on jobs that really ran; what a browser makes of them is in tests/browser."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape

import httpx
import pytest

from mirepoix import JobState
from mirepoix.views import JobView
from tests.system.pages import HOSTILE, QUESTION, run_jobs, serving, tags, visitor
from tests.system.world import World

pytestmark = [pytest.mark.system, pytest.mark.long]


@pytest.fixture(scope="module")
def jobs(world: World) -> dict[str, JobView]:
    """A routed one, an ensemble, one that fails, and one whose input and output are hostile."""
    return run_jobs(world, {"ask": QUESTION, "decide": QUESTION, "fails": HOSTILE, "side_by_side": HOSTILE})


@pytest.fixture(scope="module")
def page(world: World, jobs: dict[str, JobView]) -> Iterator[httpx.Client]:
    """A visitor of the pages on these jobs."""
    with serving(world) as url, visitor(url) as client:
        yield client


def test_every_page_is_served_with_headers_that_forbid_foreign_code(
    page: httpx.Client, jobs: dict[str, JobView]
) -> None:
    job = jobs["decide"].job
    paths = ["/", "/live", "/jobs", f"/jobs/{job}", "/pipelines", "/pipelines/nest", "/costs", "/router"]
    for path in (*paths, "/static/pages.css", "/static/pages.js", f"/jobs/{job}/text/output", "/jobs/nonsense"):
        answer = page.get(path)
        assert answer.status_code == (404 if "nonsense" in path else 200), path
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy, path
        assert "unsafe" not in policy, path
        assert answer.headers["X-Content-Type-Options"] == "nosniff", path
    for path in paths:
        for tag, attributes in tags(page.get(path).text):
            assert "style" not in attributes, path
            assert not [name for name in attributes if name.startswith("on")], path
            assert tag != "script" or attributes.get("src", "") == "/static/pages.js", path
            for link in (attributes.get("src"), attributes.get("href"), attributes.get("action")):
                assert link is None or link.startswith(("/", "#main", "http://127.0.0.1:5555/")), path


def test_the_overview_counts_what_was_done(page: httpx.Client, jobs: dict[str, JobView]) -> None:
    html = page.get("/").text
    for provider in ("openai", "anthropic", "local", "orchestrate"):
        assert f'<th scope="row">{provider}</th>' in html
    assert jobs["decide"].job in html
    workers = re.search(r"<dt>Workers</dt><dd>(\d+)", html)
    assert workers is not None
    assert int(workers[1]) >= 4
    calls = re.search(r"<small>([\d,]+) calls in the last hour", html)
    assert calls is not None
    assert int(calls[1].replace(",", "")) >= sum(job.calls for job in jobs.values())


def test_a_job_shows_its_decision_with_reason_and_features_and_its_calls(
    page: httpx.Client, jobs: dict[str, JobView], world: World
) -> None:
    job = jobs["ask"]
    with world.client() as client:
        trace = client.get(job.job).trace()
    decision = trace.steps[0].decision
    assert decision is not None
    html = page.get(f"/jobs/{job.job}").text
    text = unescape(html)
    assert decision.reason in text
    assert f"confidence {decision.confidence:.2f}" in text
    for feature in decision.features.keys() - {"ruled_out"}:
        assert f'<th scope="row">{feature}</th>' in text
    (attempt,) = (attempt for step in trace.steps for call in step.calls for attempt in call.attempts)
    assert f'<td class="number">{attempt.input_tokens}</td><td class="number">{attempt.output_tokens}</td>' in html
    assert f"/contents/{attempt.prompt_hash}" in html
    assert QUESTION in page.get(f"/contents/{attempt.prompt_hash}").text
    assert 'class="answered"' in html


def test_hostile_text_is_shown_as_text(page: httpx.Client, jobs: dict[str, JobView]) -> None:
    assert jobs["side_by_side"].output is not None
    for job in (jobs["side_by_side"], jobs["fails"]):
        for path in (f"/jobs/{job.job}", "/jobs", "/"):
            html = page.get(path).text
            names = [tag for tag, _ in tags(html)]
            assert names.count("script") == 1, path
            assert "img" not in names, path
            assert not [attributes for _, attributes in tags(html) if "javascript:" in str(attributes.get("href"))], (
                path
            )
            assert not set("\u202e\u2066\x1b\x07") & set(html), path
        shown = unescape(page.get(f"/jobs/{job.job}").text)
        assert HOSTILE[:60] in shown
        assert "{{ 7*7 }} ${7*7}" in shown
        assert "<U+202E>gnirts" in shown
    assert "\u241b[31mred" in unescape(page.get(f"/jobs/{jobs['fails'].job}").text)


def test_the_whole_text_is_plain_text_that_no_browser_takes_for_a_page(page: httpx.Client, world: World) -> None:
    huge = HOSTILE + "x" * 50_000 + "the very end"
    job = run_jobs(world, {"only_openai": huge})["only_openai"].job
    html = page.get(f"/jobs/{job}").text
    assert "The first 4,000 of" in html
    assert "the very end" not in html
    assert len(html) < 60_000
    answer = page.get(f"/jobs/{job}/text/input")
    assert answer.text == huge
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Security-Policy"].endswith("sandbox")


def test_jobs_are_found_by_field_id_and_words(page: httpx.Client, jobs: dict[str, JobView], world: World) -> None:
    def found(query: str) -> set[str]:
        return set(re.findall(r"<code>([0-9A-Z]{26})</code>", page.get(f"/jobs?{query}").text))

    assert jobs["fails"].job in found("state=failed")
    assert jobs["ask"].job not in found("state=failed")
    assert jobs["decide"].job in found("pipeline=decide&model=haiku&since=1h")
    assert jobs["decide"].job not in found("model=opus")
    world.until(lambda: jobs["side_by_side"].job in found("text=gnirts"), "its words to be in the index")
    assert jobs["ask"].job not in found("text=gnirts")
    assert found("tenant=nobody") == set()
    answer = page.get("/jobs", params={"text": jobs["ask"].job.lower()})
    assert answer.headers["Location"] == f"/jobs/{jobs['ask'].job}"
    assert page.get("/jobs?state=odd").status_code == 400
    assert page.get("/jobs?after=odd").status_code == 400


def test_a_job_is_cancelled_only_by_a_form_of_ours(page: httpx.Client, world: World) -> None:
    with world.client() as client:
        job = client.submit("pieces", "word " * 600)
        path = f"/jobs/{job.id}"
        html = page.get(path).text
        token = re.search(r'name="token" value="([^"]+)"', html)
        assert token is not None
        form = {"token": token[1]}
        assert page.post(f"{path}/cancel").status_code == 415
        assert page.post(f"{path}/cancel", data={"token": "x" * 43}).status_code == 403
        assert page.post(f"{path}/cancel", data=form, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
        assert httpx.post(page.base_url.join(f"{path}/cancel"), data=form, trust_env=False).status_code == 403
        assert not job.view().state.terminal
        assert page.get(f"{path}/cancel").status_code == 405
        assert page.post(f"{path}/cancel", data=form).headers["Location"] == path
        assert job.state is JobState.CANCELLED
        assert "Cancel this job" not in page.get(path).text


def test_a_replay_says_what_the_command_says_and_calls_nothing(
    page: httpx.Client, jobs: dict[str, JobView], world: World
) -> None:
    before = world.bill()
    for name in ("ask", "decide"):
        path = f"/jobs/{jobs[name].job}"
        token = re.search(r'name="token" value="([^"]+)"', page.get(path).text)
        assert token is not None
        (said,) = world.lines("replay", jobs[name].job)
        assert said["same"]
        assert said["decisions"]
        html = page.post(f"{path}/replay", data={"token": token[1], "pipeline": "recorded"}).text
        count = len(said["decisions"])
        assert f"Every choice comes out the same: {count} of {count} decisions, and the output." in html
    assert world.bill() == before


def test_each_step_links_to_its_task_in_flower(page: httpx.Client, jobs: dict[str, JobView], world: World) -> None:
    with world.client() as client:
        steps = client.get(jobs["decide"].job).trace().steps
    html = page.get(f"/jobs/{jobs['decide'].job}").text
    assert all(f'/task/{step.task_id}"' in html for step in steps)
    assert len({step.task_id for step in steps}) == len(steps)


def test_the_router_says_what_the_command_says_and_calls_nothing(page: httpx.Client, world: World) -> None:
    asked = {"pipeline": "ask", "text": "Prove that there are infinitely many primes.", "task": ""}
    before = world.bill()
    text = unescape(page.post("/router", data=asked).text)
    (said,) = world.lines("route", "ask", asked["text"])
    (route,) = said["routes"]
    assert route["reason"] in text
    assert f"→ <code>{route['then']}</code>" in text
    assert world.bill() == before
    private = page.post("/router", data={**asked, "text": "Charge my card 4111 1111 1111 1111, please."}).text
    assert "Ruled out" in private
    assert "<code>to.0</code>: <bdi>" in private
    refused = page.post("/router", data={**asked, "pipeline": "<b>none"})
    assert refused.status_code == 400
    assert "<b>none" not in refused.text


def test_costs_are_those_of_the_ledger(page: httpx.Client, world: World) -> None:
    html = page.get("/costs?days=7").text
    rows = {row["group"]: row for row in world.lines("costs", "--by", "model")}
    priced = {model: row for model, row in rows.items() if row["cost_usd"] != "0"}
    assert priced
    for model, row in priced.items():
        assert re.search(rf'<th scope="row">\w+/{model}</th>', html), model
        assert f'<td class="number">{row["input_tokens"]:,}</td>' in html
    assert page.get("/costs?days=8").status_code == 400


def test_a_password_or_a_trusted_proxy_opens_the_pages(world: World) -> None:
    locked = {"MIREPOIX_WEB_PASSWORD": "böhmische", "MIREPOIX_WEB_USER_HEADER": "X-User"}
    with serving(world, locked | {"MIREPOIX_WEB_PROXIES": "127.0.0.1"}) as url, visitor(url) as client:
        for path in ("/", "/static/pages.css", "/jobs", "/contents/x"):
            refused = client.get(path)
            assert refused.status_code == 401
            assert refused.headers["WWW-Authenticate"].startswith("Basic")
        assert client.get("/", auth=("me", "wrong")).status_code == 401
        assert client.get("/", auth=httpx.BasicAuth(b"me", "böhmische".encode())).status_code == 200
        assert client.get("/", headers={"X-User": "ada"}).status_code == 200
        assert client.get("/", headers={"X-User": ""}).status_code == 401


def test_a_foreign_name_for_this_machine_opens_nothing(page: httpx.Client) -> None:
    refused = page.get("/", headers={"Host": "rebound.example"})
    assert refused.status_code == 403
    assert "MIREPOIX_WEB_PASSWORD" in refused.text
    assert page.get("/", headers={"Host": "localhost:1"}).status_code == 200
