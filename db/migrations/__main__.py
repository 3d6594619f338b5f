"""Write a migration from the difference between the tables and what the migrations make: `make migration`."""

import sys
import tempfile
from pathlib import Path

from alembic import command

from db.migrate import migrate, open_alembic
from mirepoix.ledger.engine import Database

with tempfile.TemporaryDirectory() as folder:
    database = Database(f"sqlite:///{Path(folder) / 'ledger.sqlite3'}")
    migrate(database)
    with database.write() as connection:
        config = open_alembic(connection)
        number = len(list((Path(__file__).parent / "versions").glob("*.py"))) + 1
        command.revision(config, message=sys.argv[1], autogenerate=True, rev_id=f"{number:04d}")
    database.close()
