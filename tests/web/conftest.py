"""The pages of a ledger that tests fill by hand, as a visitor of this machine sees them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from db.answers import answer_step, spawn_steps
from db.attempts import Asked, Outcome, close_attempt, open_attempt
from db.decisions import record_decision
from db.events import record_events
from db.migrate import migrate
from db.steps import claim_step
from mirepoix import Branch, Call, Route, Settings
from mirepoix.config_file import load_config
from mirepoix.ledger.engine import Database
from mirepoix.paths import child, root
from mirepoix.prices import Usage
from mirepoix.states import EventKind
from mirepoix.views import Decision
from pipelines.plan import plan
from tests.db.ledger import begin
from web.app import create_app

CONFIG = Path(__file__).parents[1] / "system" / "mirepoix.yaml"
ROUTED = Route(by="complexity", to=(Branch(then=Call(model="luna"), below=0.5), Branch(then=Call(model="opus"))))
MODELS = ("luna", "opus")
USAGE = Usage(input=1_000, output=100)
COST = Decimal("0.0001")
TASK = "6f1d3c52-0000-4000-8000-000000000001"


@dataclass(frozen=True, slots=True)
class Pages:
    """A visitor, and the ledger that is shown."""

    client: TestClient
    database: Database

    def routed_job(self, branch: int = 0, text: str = "What is the capital of France?") -> str:
        """A job that was sent to a branch of `ROUTED` and answered there, after a wait for a limit; its id."""
        run = begin(self.database, ROUTED, text)
        route, model = run.must_claim("$"), MODELS[branch]
        place = child(root(ROUTED), branch)
        with self.database.write() as connection:
            decision = Decision(choice=place.path, reason="as the test wants", confidence=1, features={})
            record_decision(connection, route, decision)
            spawn_steps(connection, route, plan(place), dict.fromkeys(MODELS, "openai"), waits_for=1)
        with self.database.write() as connection:
            claim = claim_step(connection, run.job_id, place.path, "me", TASK)
            assert claim is not None
            attempt = open_attempt(connection, claim, Asked("openai", model, model, {"prompt": text}))
            outcome = Outcome(0.5, "Paris", 200, usage=USAGE, cost=COST, limit_wait=1.5, limit_reason="rpm")
            close_attempt(connection, attempt, outcome)
            record_events(connection, [(run.job_id, place.path)], EventKind.DRIVEN, "<b>by the reconciler</b>")
            assert answer_step(connection, claim, "Paris").job_ended
        return run.job_id


@pytest.fixture
def pages(tmp_path: Path) -> Iterator[Pages]:
    """Nothing is in the ledger yet."""
    settings = Settings.from_env({"MIREPOIX_HOME": str(tmp_path), "MIREPOIX_CONFIG": str(CONFIG)})
    database = Database(settings.database_url)
    migrate(database)
    app = create_app(settings, load_config(CONFIG))
    with TestClient(app, base_url="http://127.0.0.1", client=("127.0.0.1", 50_000)) as client:
        yield Pages(client, database)
    database.close()
