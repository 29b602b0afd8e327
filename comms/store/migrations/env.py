"""How Alembic runs here: on a connection it is handed, never one of its own."""

from __future__ import annotations

from typing import Any, Literal

from alembic import context

from comms.store.models import Base, UtcDateTime


def plain_type(kind: str, obj: Any, _autogenerate: object) -> str | Literal[False]:
    """Write our instant type into migrations as what it is in the database."""
    return "sa.DateTime(timezone=True)" if kind == "type" and isinstance(obj, UtcDateTime) else False


connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=Base.metadata,
    render_as_batch=True,
    compare_type=True,
    compare_server_default=True,
    render_item=plain_type,
    transactional_ddl=True,  # in SQLite as well: whoever is killed on the way leaves the version that was there
)
with context.begin_transaction():
    context.run_migrations()
connection.commit()
