"""Bring a database to the tables of this version, with alembic."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from mirepoix.errors import LedgerError
from mirepoix.ledger.engine import Database
from mirepoix.settings import masked

SCRIPTS = Path(__file__).parent / "migrations"


def migrate(database: Database) -> str:
    """Run what has not run yet; processes that come at the same time take turns. Returns the revision reached."""
    with database.write() as connection:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql("SELECT pg_advisory_xact_lock(7165726)")
        command.upgrade(open_alembic(connection), "head")
    return latest_revision()


def require_current(database: Database) -> None:
    """Raise LedgerError unless the database has exactly the tables of this version."""
    with database.read() as connection:
        reached = MigrationContext.configure(connection).get_current_revision()
    if reached != latest_revision():
        have = f"is at revision {reached}" if reached else "has no tables yet"
        raise LedgerError(f"the database {masked(database.url)} {have}. Run `mirepoix migrate`.")


def latest_revision() -> str:
    """The revision that this version of the code needs."""
    head = ScriptDirectory.from_config(_alembic()).get_current_head()
    if head is None:
        raise LedgerError(f"no migrations in {SCRIPTS}; the installation is incomplete.")
    return head


def open_alembic(connection: Connection) -> Config:
    """Alembic's configuration, to work in the transaction of `connection`."""
    config = _alembic()
    config.attributes["connection"] = connection
    return config


def _alembic() -> Config:
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    return config
