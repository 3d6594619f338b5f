"""What the pages say was saved is what `mirepoix costs --baseline` says of the same jobs."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from sqlalchemy import update

from db.baselines import finished_jobs
from mirepoix.config_file import load_config
from mirepoix.ledger.tables import Attempt
from pipelines.baseline import Comparison, compare, priced_models
from tests.web.conftest import CONFIG, Pages
from web.pages.render import usd
from web.pages.savings import Savings

ALWAYS = datetime(2020, 1, 1, tzinfo=UTC)


def told(pages: Pages, model: str) -> Comparison:
    """As the command has it."""
    with pages.database.read() as connection:
        return compare(finished_jobs(connection), load_config(CONFIG), model)


def test_costs_and_overview_show_what_was_saved(pages: Pages) -> None:
    assert "No job of these days has succeeded." in pages.client.get("/costs").text
    for branch in (0, 1):
        pages.routed_job(branch)
    dearest = told(pages, "opus")
    assert dearest.jobs == 2
    for page in (pages.client.get("/").text, pages.client.get("/costs").text):
        assert f"<dt>Saved</dt><dd>{dearest.saved_percent} % <small>beside all on opus" in page
    page = pages.client.get("/costs?days=7&baseline=haiku").text
    other = told(pages, "haiku")
    assert f'<td class="number">{usd(other.baseline)}</td>' in page
    assert re.search(r"newest 2 jobs .* asked once of haiku", page)
    assert pages.client.get("/costs?baseline=%3Cb%3E").status_code == 400


def test_a_job_is_read_once_unless_its_cost_may_grow(pages: Pages) -> None:
    settled, open_ = pages.routed_job(), pages.routed_job()
    with pages.database.write() as connection:
        connection.execute(update(Attempt).where(Attempt.job_id == open_).values(finished_at=None))
    savings = Savings(pages.database, load_config(CONFIG))
    before = savings.newest("opus", ALWAYS)
    with pages.database.write() as connection:
        for job in (settled, open_):
            connection.execute(update(Attempt).where(Attempt.job_id == job).values(cost=2 * before.cost))
    assert savings.newest("opus", ALWAYS).cost == before.cost / 2 + 2 * before.cost


def test_models_are_offered_the_dearest_first() -> None:
    models = priced_models(load_config(CONFIG))
    assert models[0] == "opus"
    assert "reader" not in models, "it runs in process"
