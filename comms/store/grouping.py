"""Units of work that become durable together: SQLite lets one write at a time and syncs its file at every COMMIT.

So who asks at the same moment shares a transaction: a savepoint for each unit of work, and one COMMIT for all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from sqlalchemy import Connection, Engine
from sqlalchemy.orm import sessionmaker

from comms.store.session import joining

Work = Callable[[], None]


class Undone(Exception):
    """SQLite gave up the whole transaction, as it may on a full disk, and not only a savepoint of it."""


def together(engine: Engine, works: Iterable[Work]) -> None:
    """Do these one after the other; all that they are `writing` is durable at the end, and not before.

    They raise nothing and keep what became of them to themselves; a savepoint undoes what fails. Whatever this raises,
    nothing of it is written: OperationalError before any was taken from `works` where another process does not let go
    of the database, Undone, or what became of the COMMIT.
    """
    with engine.connect() as connection:
        connection.execution_options(comms_writes=True).begin()
        try:
            _each(connection, works)
            connection.commit()
        except BaseException:
            connection.invalidate()  # closing it undoes all, in whatever state it is
            raise


def _each(connection: Connection, works: Iterable[Work]) -> None:
    shared = sessionmaker(connection, expire_on_commit=False, join_transaction_mode="create_savepoint")
    with joining(shared):
        for work in works:
            work()
            if not connection.connection.dbapi_connection.in_transaction:  # type: ignore[union-attr]
                raise Undone
