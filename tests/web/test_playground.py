"""Every route's explanation makes a page, also where nothing is chosen."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from db.migrate import migrate
from mirepoix import Settings
from mirepoix.config_file import load_config
from mirepoix.ledger.engine import Database
from web.app import create_app

CONFIG = Path(__file__).parents[1] / "system" / "mirepoix.yaml"
PIPELINES = load_config(CONFIG).pipelines


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A visitor of this machine."""
    environ = {"MIREPOIX_HOME": str(tmp_path_factory.mktemp("home")), "MIREPOIX_CONFIG": str(CONFIG)}
    settings = Settings.from_env(environ)
    database = Database(settings.database_url)
    migrate(database)
    database.close()
    app = create_app(settings, load_config(CONFIG))
    with TestClient(app, base_url="http://127.0.0.1", client=("127.0.0.1", 50_000)) as client:
        yield client


@pytest.mark.parametrize("pipeline", sorted(PIPELINES))
@pytest.mark.parametrize("text", ["Why is the sky blue?", "Charge my card 4111 1111 1111 1111, please."])
def test_any_pipeline_is_explained(page: TestClient, pipeline: str, text: str) -> None:
    answer = page.post("/router", data={"pipeline": pipeline, "text": text, "task": ""})
    assert answer.status_code == 200
    assert "What would happen" in answer.text


def test_what_is_ruled_out_is_told(page: TestClient) -> None:
    answer = page.post("/router", data={"pipeline": "ask", "text": "Charge my card 4111 1111 1111 1111, please."})
    assert "no choice" in answer.text
    assert "Ruled out" in answer.text
    assert "<code>to.0</code>: <bdi>" in answer.text


def test_a_text_that_cannot_be_an_input_is_refused_in_the_page(page: TestClient) -> None:
    answer = page.post("/router", data={"pipeline": "ask", "text": " "})
    assert answer.status_code == 400
    assert 'role="alert"' in answer.text


@pytest.mark.parametrize("pipeline", sorted(PIPELINES))
def test_any_pipeline_is_drawn(page: TestClient, pipeline: str) -> None:
    answer = page.get(f"/pipelines/{pipeline}")
    assert answer.status_code == 200
    assert 'class="box call"' in answer.text
