"""The document example through real workers: pictures of pages go in, reports come out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from mirepoix.states import JobState
from tasks.local_models.report import Report
from tests.system.world import World, open_world

pytestmark = [pytest.mark.system, pytest.mark.slow]

EXAMPLE = Path(__file__).parents[2] / "examples" / "document_intelligence"
SECRETS = ("maria.keller@example.org", "3704 0044", "Maria Keller")


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The example's own configuration with all its workers."""
    with open_world(tmp_path_factory.mktemp("documents"), config=EXAMPLE / "mirepoix.yaml") as world:
        world.start_workers("orchestrate", "openai", "anthropic", "local")
        yield world


def submit(world: World, pipeline: str, *pages: str) -> dict[str, object]:
    """What `mirepoix submit PIPELINE --attach PAGE… --wait --json` prints."""
    attached = [part for page in pages for part in ("--attach", str(EXAMPLE / "pages" / page))]
    (answer,) = world.lines("submit", pipeline, *attached, "--wait", "--timeout", "55")
    assert answer["state"] == JobState.SUCCEEDED, answer
    return answer


def test_a_page_is_read_rated_summed_up_and_reported_on(documents: World) -> None:
    job = submit(documents, "document", "gettysburg_address.jpg")
    assert job["output"]
    with documents.client() as client:
        steps = {step.path: step for step in client.get(str(job["job"])).trace().steps}
    assert {call.model for step in steps.values() for call in step.calls} == {"ocr", "sentiment", "luna", "haiku"}
    pages, mood, summary = (steps[name].output for name in ("pages", "mood", "summary"))
    assert isinstance(pages, dict)
    assert "Four score and seven years ago" in str(pages["text"])
    assert isinstance(mood, dict)
    assert -1 <= float(str(mood["sentiment"])) <= 1
    assert str(summary).split()[0] in str(pages["text"])


def test_a_confidential_page_gets_its_report_and_nothing_leaves_the_house(documents: World) -> None:
    before = documents.bill()["calls"]
    job = submit(documents, "confidential", "complaint.jpg")
    made = Report.model_validate(job["output"])
    assert job["models"] == ["ocr", "reporter"]
    assert float(str(job["cost_usd"])) == 0
    assert "broken" in made.summary
    assert made.confidence > 0.9
    assert documents.bill()["calls"] == before
    with documents.client() as client:
        read = str(client.get(str(job["job"])).trace().steps)
    assert all(secret in read for secret in SECRETS), "the page was not read, so there was nothing to keep"


@pytest.mark.parametrize("page", ["complaint.jpg", "order.jpg"])
def test_a_page_with_personal_data_is_reported_on_by_local_models_alone(documents: World, page: str) -> None:
    before = documents.bill()["calls"]
    job = submit(documents, "careful", page)
    Report.model_validate(job["output"])
    assert job["models"] == ["ocr", "reporter"]
    assert documents.bill()["calls"] == before


def test_a_pipeline_that_forgot_about_privacy_fails_before_anything_leaves(documents: World) -> None:
    before = documents.bill()["calls"]
    attached = ("--attach", str(EXAMPLE / "pages" / "order.jpg"))
    told = documents.run("submit", "document", *attached, "--wait", "--timeout", "55", "--json", check=1)
    assert "card (1)" in json.loads(told.stdout)["error"]
    assert documents.bill()["calls"] == before


def test_a_page_without_any_goes_to_the_better_model(documents: World) -> None:
    assert submit(documents, "careful", "raven.jpg")["models"] == ["ocr", "haiku"]


def test_files_of_a_batch_are_read_each_on_its_own(documents: World) -> None:
    job = submit(documents, "batch", "alice_in_wonderland.jpg", "virginia.jpg")
    with documents.client() as client:
        steps = {step.path: step for step in client.get(str(job["job"])).trace().steps}
    read = [str(steps[f"pages.items.{index}"].output) for index in range(2)]
    assert "Rabbit" in read[0]
    assert "Santa Claus" in read[1]
    assert job["output"]


def test_what_is_no_picture_fails_and_says_so(documents: World, tmp_path: Path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"\x89PNG\r\n\x1a\n but no more than that")
    told = documents.run("submit", "confidential", "--attach", str(broken), "--wait", "--json", check=1)
    assert "UnreadableFile" in told.stdout
