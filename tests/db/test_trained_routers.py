"""The routers that routes ask: the promoted version of a name, or the one that decided when a job was recorded."""

from __future__ import annotations

import pytest

from db.routers import promote_version, store_version
from learning.train import train_router
from mirepoix import Branch, Call, Route
from mirepoix.errors import PipelineError
from mirepoix.ledger.engine import Database
from mirepoix.paths import walk
from mirepoix.states import TrainedKind
from tasks.trained import Trained, names_routers
from tests.learning.invented import MODELS, invent

BRANCHES = tuple(Branch(then=Call(model=model)) for model in MODELS)
ROUTE = Route(by="learned", router="school", target_quality=0.95, to=BRANCHES)


def test_a_route_gets_the_promoted_router_by_the_name_it_asks_for(database: Database) -> None:
    router = train_router(invent(60, seed=1), MODELS)
    with database.write() as connection:
        version = store_version(connection, "school", TrainedKind.ROUTER, router.to_bytes(), {})
        promote_version(connection, "school", version.hash)
    with database.read() as connection:
        found = Trained().routers_of(connection, walk(ROUTE))
    assert {name: one.hash for name, one in found.items()} == {"school": router.hash}
    assert router.hash == version.hash


def test_who_asks_no_router_gets_none(database: Database) -> None:
    first = Route(by="first", to=BRANCHES)
    with database.read() as connection:
        assert Trained().routers_of(connection, walk(first)) == {}
    assert names_routers(ROUTE)
    assert not names_routers(first)


def test_an_unknown_router_is_an_error_of_the_pipeline_that_says_what_trains_one(database: Database) -> None:
    with database.read() as connection, pytest.raises(PipelineError, match="`mirepoix train school`"):
        Trained().routers_of(connection, walk(ROUTE))


def test_a_stored_file_that_is_no_router_is_an_error_of_the_pipeline(database: Database) -> None:
    with database.write() as connection:
        version = store_version(connection, "school", TrainedKind.ROUTER, b"no router", {})
        promote_version(connection, "school", version.hash)
    with database.read() as connection, pytest.raises(PipelineError, match="'school': this is no router's file"):
        Trained().routers_of(connection, walk(ROUTE))
