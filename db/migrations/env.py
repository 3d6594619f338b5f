"""What alembic runs: the migrations, in the connection that `db.migrate` hands over."""

from typing import Any, Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext

from db.migrations import is_modelled
from mirepoix.ledger.tables import Base, Usd, Utc


def plain_types(kind: str, item: Any, autogen: AutogenContext) -> str | Literal[False]:
    """Write migrations in plain SQL types, so that they stay what they were when the models move on."""
    if kind == "type" and isinstance(item, Usd):
        return "sa.BigInteger()"
    if kind == "type" and isinstance(item, Utc):
        return "sa.DateTime(timezone=True)"
    return False


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    transactional_ddl=False,
    render_as_batch=True,
    render_item=plain_types,
    include_name=is_modelled,
)
context.run_migrations()
