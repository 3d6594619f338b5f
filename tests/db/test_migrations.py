"""The tables in the code and the tables that the migrations make are the same."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect, text

from db.migrate import latest_revision, migrate, open_alembic, require_current
from db.migrations import is_modelled
from mirepoix.errors import LedgerError
from mirepoix.ledger.engine import Database
from mirepoix.ledger.tables import Base
from tests.databases import fresh_database

MIGRATE = """
import sys
from db.migrate import migrate
from mirepoix.ledger.engine import Database
migrate(Database(sys.argv[1]))
"""


def test_the_migrations_make_what_the_code_expects(database: Database) -> None:
    with database.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "include_name": is_modelled})
        assert compare_metadata(context, Base.metadata) == []


def test_migrating_again_changes_nothing(database: Database) -> None:
    assert migrate(database) == latest_revision()
    require_current(database)


def test_processes_that_migrate_at_the_same_time_take_turns(tmp_path: Path) -> None:
    with fresh_database(tmp_path) as url:
        together = [subprocess.Popen([sys.executable, "-c", MIGRATE, url]) for _ in range(4)]
        assert [process.wait(60) for process in together] == [0, 0, 0, 0]
        require_current(Database(url))


def test_going_back_leaves_no_table_and_all_comes_back(tmp_path: Path) -> None:
    with fresh_database(tmp_path) as url:
        database = Database(url)
        migrate(database)
        with database.write() as connection:
            command.downgrade(open_alembic(connection), "base")
            assert inspect(connection).get_table_names() == ["alembic_version"]
        migrate(database)
        require_current(database)
        database.close()


def test_an_empty_database_is_told_from_an_old_one(tmp_path: Path) -> None:
    with fresh_database(tmp_path) as url:
        database = Database(url)
        with pytest.raises(LedgerError, match=r"has no tables yet\. Run `mirepoix migrate`"):
            require_current(database)
        migrate(database)
        with database.write() as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = '0000'"))
        with pytest.raises(LedgerError, match="is at revision 0000"):
            require_current(database)
        database.close()
