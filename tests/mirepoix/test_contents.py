"""Texts are kept once, whatever is in them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import JsonValue
from sqlalchemy import func, select

from db.migrate import migrate
from mirepoix.ledger.contents import encode, load, store
from mirepoix.ledger.engine import Database
from mirepoix.ledger.tables import Content
from tests.databases import fresh_database

TEXT = st.text(st.characters(exclude_categories=()), max_size=50)
JSON: st.SearchStrategy[JsonValue] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda below: st.lists(below, max_size=4) | st.dictionaries(TEXT, below, max_size=4),
    max_leaves=10,
)


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """One for all: contents do not disturb each other."""
    with fresh_database(tmp_path_factory.mktemp("ledger")) as url:
        opened = Database(url)
        migrate(opened)
        yield opened
        opened.close()


@given(values=st.lists(JSON, max_size=5))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
def test_what_is_put_away_comes_back(database: Database, values: list[JsonValue]) -> None:
    with database.write() as connection:
        hashes = store(connection, values)
    with database.read() as connection:
        found = load(connection, [*hashes, None])
    assert [found[hash_] for hash_ in hashes] == values


def test_the_same_text_is_kept_once(database: Database) -> None:
    with database.write() as connection:
        before = connection.execute(select(func.count()).select_from(Content)).scalar_one()
        assert len(set(store(connection, ["the very same"] * 3))) == 1
        store(connection, ["the very same"])
        after = connection.execute(select(func.count()).select_from(Content)).scalar_one()
    assert after == before + 1


@given(JSON, JSON)
def test_hashes_differ_where_values_do(one: JsonValue, other: JsonValue) -> None:
    assert (encode(one)[1] == encode(other)[1]) == (encode(one)[0] == encode(other)[0])
